"""HTTP requests by httpx on CPython and by the browser's fetch in Pyodide. Knows nothing of operations.

Both are imported when a request is made, so that this module can be imported without them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...sync import IN_PYODIDE

if TYPE_CHECKING:
    import ssl

KEEP_ALIVE = {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""TCP keep-alive: a call may take long, and yet a machine that is gone is noticed within half a minute."""


class Unanswered(Exception):
    """No connection could be made, so the request was not sent."""


class CutOff(Exception):
    """The connection ended or was silent for too long during the request."""


class Response(NamedTuple):
    """An answer's head, and its body in pieces."""

    status: int
    media_type: str
    pieces: AsyncGenerator[bytes, None]


class Http(Protocol):
    """Makes requests. `silence` is how many seconds may pass without a byte (None: no bound)."""

    def post(
        self, url: str, headers: dict[str, str], body: bytes, silence: float | None
    ) -> AbstractAsyncContextManager[Response]: ...
    async def get_status(self, url: str) -> int: ...
    async def close(self) -> None: ...


def make_http(patience: float) -> Http:
    """Make the implementation for this Python. `patience` is how long (s) a connection may take."""
    return BrowserHttp() if IN_PYODIDE else ProgramHttp(patience)


class ProgramHttp:
    """Requests by httpx, over pooled connections. Use it on one event loop."""

    def __init__(self, patience: float) -> None:
        import httpx

        self._httpx = httpx
        self._patience = patience
        options = [
            (level, number, value)
            for name, value in KEEP_ALIVE.items()
            if (number := getattr(socket, name, None)) is not None
            for level in [socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP]
        ]
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=5.0)
        transport = httpx.AsyncHTTPTransport(verify=_trusted(), limits=limits, socket_options=options, trust_env=False)
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    @asynccontextmanager
    async def post(
        self, url: str, headers: dict[str, str], body: bytes, silence: float | None
    ) -> AsyncIterator[Response]:
        timeout = self._httpx.Timeout(silence, connect=self._patience)
        request = self._client.build_request("POST", url, headers=headers, content=body, timeout=timeout)
        try:
            answer = await self._client.send(request, stream=True)
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as error:
            raise Unanswered(str(error) or "it does not accept connections") from None
        except self._httpx.HTTPError as error:
            raise self._cut(error, silence) from None
        pieces = self._pieces(answer, silence)
        try:
            yield Response(answer.status_code, answer.headers.get("content-type", ""), pieces)
        finally:
            await pieces.aclose()
            await answer.aclose()

    async def _pieces(self, answer: Any, silence: float | None) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in answer.aiter_bytes():
                yield piece
        except self._httpx.HTTPError as error:
            raise self._cut(error, silence) from None

    def _cut(self, error: Exception, silence: float | None) -> CutOff:
        if silence is not None and isinstance(error, self._httpx.TimeoutException):
            return CutOff(f"nothing came for {silence:g} s")
        return CutOff(str(error) or type(error).__name__)

    async def get_status(self, url: str) -> int:
        """GET a URL without credentials, and return the status alone. Unbounded but for connecting: cancel it."""
        try:
            timeout = self._httpx.Timeout(None, connect=self._patience)
            answer = await self._client.get(url, timeout=timeout)
        except self._httpx.HTTPError as error:
            raise CutOff(str(error) or type(error).__name__) from None
        return int(answer.status_code)

    async def close(self) -> None:
        await self._client.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that this machine trusts, which take longer to read than a request does."""
    import ssl

    return ssl.create_default_context()


class BrowserHttp:
    """Requests by the browser's fetch, which sends the session's cookie to the relay that served the page."""

    @asynccontextmanager
    async def post(
        self, url: str, headers: dict[str, str], body: bytes, silence: float | None
    ) -> AsyncIterator[Response]:
        import js
        from pyodide.ffi import JsException, to_js

        array = js.Uint8Array.new(len(body))
        array.assign(body)
        abort = js.AbortController.new()
        options = {"method": "POST", "headers": headers, "signal": abort.signal, "cache": "no-store"}
        asked = to_js(options, dict_converter=js.Object.fromEntries)
        asked.body = array
        try:
            async with asyncio.timeout(silence):
                answer = await js.fetch(url, asked)
            pieces = _read(answer, silence)
            yield Response(answer.status, answer.headers.get("content-type") or "", pieces)
            await pieces.aclose()
        except JsException as error:  # a browser does not say whether there was a connection
            raise CutOff(str(error)) from None
        except TimeoutError:
            raise CutOff(f"nothing came for {silence:g} s") from None
        finally:
            abort.abort()

    async def get_status(self, url: str) -> int:
        """GET a URL, and return the status alone. Unbounded: cancel it."""
        import js
        from pyodide.ffi import JsException, to_js

        abort = js.AbortController.new()
        options = {"signal": abort.signal, "cache": "no-store", "credentials": "omit"}
        try:
            answer = await js.fetch(url, to_js(options, dict_converter=js.Object.fromEntries))
            return int(answer.status)
        except JsException as error:
            raise CutOff(str(error)) from None
        finally:
            abort.abort()

    async def close(self) -> None:
        pass


async def _read(answer: Any, silence: float | None) -> AsyncGenerator[bytes, None]:
    """Yield the body of a fetched answer. Raises CutOff after so many seconds without a byte."""
    from pyodide.ffi import JsException

    reader = answer.body.getReader()
    try:
        while True:
            async with asyncio.timeout(silence):
                step = await reader.read()
            if step.done:
                return
            yield step.value.to_bytes()
    except TimeoutError:
        raise CutOff(f"nothing came for {silence:g} s") from None
    except JsException as error:
        raise CutOff(str(error)) from None
