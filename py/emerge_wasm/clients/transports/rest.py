"""The transport to a node or relay over HTTP, for networks that block ZeroMQ and WebSockets.

msgpack both ways; see `rest_http.py` for the requests. It never repeats a call: only the caller can know whether
that is harmless. HTTP has no heartbeats during a call, so while an answer is awaited, requests of its own ask for a
sign of life: a method may run for hours, and a process that stands still is noticed in seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Self
from urllib.parse import urlsplit

from ...codec import decode, encode
from ...codec.value import too_large
from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable, error_from_wire
from ...operations import Values, Wire, find_operation
from ...wire.event import HEARTBEAT_SECONDS, SIZE_LIMIT
from ...wire.frame import END, ERROR, ITEM, MEDIA_TYPE, FrameReader
from ..fork import leave_behind, renew_in_child
from ..keys.local_key import LocalAddress
from ..package import missing_package
from .rest_http import CutOff, Http, Response, Unanswered, make_http

PREFIX = "/api/v1"
MSGPACK = "application/msgpack"
AT_ONCE = 32
"""Most calls under way, since each takes a connection; more wait here. Streams are not counted."""
BEATS = 3
"""Heartbeats without a sign of life after which the other side counts as lost."""
ALIVE = "healthz"
"""Where the sign of life is asked for. Any answer is one, also that it is not found, but no proxy's error (5xx)."""
UNKNOWN = "it is not known whether a change was made: look before you repeat it"


class RESTTransport:
    """Calls a node or relay over HTTP (an `operations.Transport`).

    `url` is its http:// address. `token` is sent as `Authorization: Bearer`; a browser adds the session's cookie by
    itself. In seconds: `patience` bounds connecting; after one `heartbeat` without an answer a sign of life is asked
    for, and after three without one the call is lost; `timeout` bounds an answer in any case (None: it may take as long
    as the other side lives). Use it on one event loop.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: float = 5.0,
        timeout: float | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.url = rest_url(url)
        self._patience = patience
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._begin()
        renew_in_child(self)
        self._headers = {"Content-Type": MSGPACK, "Accept": f"{MSGPACK}, {MEDIA_TYPE}"}
        self._local = LocalAddress(url) if not token and url.startswith("http://") else None
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def _begin(self) -> None:
        self._http: Http | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[object]] = set()
        self._sign: asyncio.Task[bool] | None = None

    def renew(self) -> None:
        """Reset in a forked child: the next call reconnects."""
        leave_behind(self._http, self._turns, self._under_way, self._sign)
        self._begin()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        """Run an operation that answers once. Raises the EmergeError it failed with; Unavailable when unreachable."""
        task = asyncio.ensure_future(self._call(name, args, context))
        self._under_way.add(task)
        try:
            await self._watch(task, name)
            return await task
        except asyncio.CancelledError:
            if task in self._under_way:
                task.cancel()
                raise
            raise self._lost(CutOff("it was closed")) from None
        finally:
            self._under_way.discard(task)

    async def _watch(self, task: asyncio.Task[object], name: str) -> None:
        """Wait until a call is done.

        Raises:
            Unavailable: the other side gave no sign of life, and the call was ended.
        """
        while not (await asyncio.wait({task}, timeout=self._heartbeat))[0]:
            if self._sign is None or self._sign.done():  # one for all calls
                self._sign = asyncio.ensure_future(self._lives())
            sign = self._sign
            await asyncio.wait({task, sign}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and sign.done() and not sign.cancelled() and not sign.result():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise self._lost(
                    CutOff(f"no sign of life from the node for {self._silence:g} s while {name} was under way")
                )

    async def _lives(self) -> bool:
        """Whether the server answers. When this process itself stands still, that costs one of the beats."""
        if self._http is None:
            return True
        asked = asyncio.ensure_future(self._http.get_status(f"{self.url}/{ALIVE}"))
        try:
            for _ in range(BEATS - 1):
                if (await asyncio.wait({asked}, timeout=self._heartbeat))[0]:
                    return asked.result() < 500
            return False
        except (Unanswered, CutOff):
            return False
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    @property
    def _silence(self) -> float:
        return BEATS * self._heartbeat

    async def _call(self, name: str, args: Values, context: Wire | None) -> object:
        try:
            async with self._turns, self._post(name, args, context, self._timeout) as answer:
                body = await self._read_whole(answer)
        except (Unanswered, CutOff) as error:
            raise self._lost(error) from None
        self._check(answer, MSGPACK, body)
        return decode(body, limit=SIZE_LIMIT)

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        """Run an operation that streams; closing the iterator ends it on the other side."""
        try:
            async with self._post(name, args, context, self._silence) as answer:
                if answer.status != 200 or answer.media_type != MEDIA_TYPE:
                    self._check(answer, MEDIA_TYPE, await self._read_whole(answer))
                async with aclosing(self._items(answer)) as items:
                    async for item in items:
                        yield item
        except (Unanswered, CutOff) as error:
            raise self._lost(error) from None

    async def close(self) -> None:
        """End calls under way with Unavailable and close the connections; the next call makes new ones."""
        calls, self._under_way = self._under_way, set()
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        if self._sign is not None:
            self._sign.cancel()
            await asyncio.gather(self._sign, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _post(
        self, name: str, args: Values, context: Wire | None, silence: float | None
    ) -> AbstractAsyncContextManager[Response]:
        row = find_operation(name)
        row.bind(args)
        given = {parameter.name: value for parameter, value in zip(row.parameters, args, strict=False)}
        body = encode(given)
        if len(body) > SIZE_LIMIT:
            raise too_large(f"a request of {len(body)} bytes", SIZE_LIMIT, "body")
        headers = {**self._headers, "Emerge-Context": json.dumps(context)} if context else self._headers
        if self._local is not None and (token := self._local.token):
            headers = {**headers, "Authorization": f"Bearer {token}"}
        if self._http is None:
            self._http = _make_http(self._patience)
        return self._http.post(f"{self.url}/{name}", headers, body, silence)

    async def _read_whole(self, answer: Response) -> bytes:
        body = bytearray()
        async for piece in answer.pieces:
            body += piece
            if len(body) > SIZE_LIMIT:
                raise too_large("the answer is too long", SIZE_LIMIT, "event size")
        return bytes(body)

    async def _items(self, answer: Response) -> AsyncGenerator[object, None]:
        """Yield the items, and read the body to its end, so that the connection can be reused."""
        reader = FrameReader(SIZE_LIMIT)
        ended = False
        async for piece in answer.pieces:
            for kind, payload in reader.feed(piece):
                if kind == ERROR:
                    raise _error(payload) or Unavailable("the stream failed", remedy="try again")
                if kind == ITEM:
                    yield decode(payload, limit=SIZE_LIMIT)
                ended = ended or kind == END
        if not ended:
            raise CutOff("the stream stopped before its end")

    def _check(self, answer: Response, wanted: str, body: bytes) -> None:
        """Raise the error in an answer, or one that says that the answer is not Emerge's."""
        if answer.media_type == wanted and answer.status == 200:
            return
        known = _error(body) if answer.media_type == MSGPACK and answer.status != 200 else None
        if self._local is not None and isinstance(known, PermissionDenied) and known.message.startswith("a guest "):
            known = self._local.explain(known)
        raise known or self._foreign(answer.status, body)

    def _foreign(self, status: int, body: bytes) -> EmergeError:
        """Return the error for an answer of a proxy or another server."""
        said = f"{self.url} answered {status}"
        if status in (401, 403):
            text = body[:200].decode("utf-8", "replace").strip()
            return PermissionDenied(f"{said}: {text}", remedy="show it a token that it knows")
        if status == 413:
            return LimitExceeded(said, remedy="send less at once, or put larger data as a file (fs.put)", limit="body")
        if status >= 500:
            return Unavailable(said, remedy=UNKNOWN, unknown=True)
        return Unavailable(f"{said}, and not as Emerge does", remedy="check the address")

    def _lost(self, error: Unanswered | CutOff) -> Unavailable:
        if isinstance(error, Unanswered):
            return Unavailable(f"nothing answers at {self.url}: {error}", remedy="check the address; is it started?")
        return Unavailable(f"the connection to {self.url} was lost: {error}", remedy=UNKNOWN, unknown=True)


def rest_url(url: str) -> str:
    """Return the address to which operations' names are appended. Raises Invalid if `url` is not an address."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        parts.port  # noqa: B018  # raises ValueError for a bad one
    except ValueError:
        raise Invalid(f"{url!r} is no address to call", remedy="write http://host:port") from None
    return url.rstrip("/").removesuffix(PREFIX) + PREFIX


def _make_http(patience: float) -> Http:
    try:
        return make_http(patience)
    except ImportError as error:
        raise missing_package(error, "rest") from None


def _error(body: bytes) -> EmergeError | None:
    """Return the error in a body; None if there is none."""
    try:
        wire = decode(body)
        return error_from_wire(wire) if isinstance(wire, dict) and "code" in wire else None
    except (EmergeError, TypeError):
        return None
