"""The transport to a relay over a WebSocket, in Pyodide (the browser's own) and on CPython (`websockets`).

Can be imported without either, see `relay_socket.py`. It reconnects by itself, and never repeats a call: only the
caller can know whether that is harmless.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from logging import INFO, WARNING
from typing import Any, Self
from urllib.parse import urlsplit

from ...errors import EmergeError, Invalid, Unavailable
from ...operations import Values, Wire
from ...wire.call import Calls
from ...wire.client import ClientProtocol
from ...wire.event import decode
from ..fork import leave_behind, renew_in_child
from .relay_socket import ABNORMAL, CLOSINGS, EVENT_LIMIT, RelayRefused, RelaySocket, check_package, open_socket
from .relay_socket import SUBPROTOCOL as SUBPROTOCOL

log = logging.getLogger("emerge.clients")

STATUS = "_emerge_status"
"""The event that a relay sends on connecting, on each change of the node's state and each BEAT:
args [{"node": name, "state": "up" or "down"}]."""

BEAT = 5.0
"""Seconds between a relay's heartbeats; after three times that without one, it counts as lost."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
OFFLINE, CONNECTING, NO_NODE, ONLINE, REFUSED, CLOSED = (
    "offline",  # no relay; the transport tries again by itself
    "connecting",
    "no-node",  # the relay is there, the node is not
    "online",
    "refused",  # the relay is there and wants a session or a token
    "closed",
)
UNKNOWN = "it is not known whether the change was made: look before you repeat it"

OnStatus = Callable[[str, str], None]
"""Called with (state, detail): one of the states above, and the node's name or the reason."""


class WebSocketTransport:
    """Calls a relay's node over a WebSocket (an `operations.Transport`).

    `url` is the relay's ws:// (or http://) address, with or without /ws. `token` is for programs; a browser sends the
    session's cookie by itself. `patience` is how long (s) the first call waits for the first connection; later calls
    fail at once while there is no connection. Use it on one event loop.
    """

    def __init__(
        self, url: str, *, token: str | None = None, on_status: OnStatus | None = None, patience: float = 5.0
    ) -> None:
        self.url = relay_url(url)
        self._token = token
        self._on_status = on_status
        self._patience = patience
        self._begin()
        renew_in_child(self)

    def _begin(self) -> None:
        self.state, self.detail = CONNECTING, ""
        self._calls = Calls(self._send, ClientProtocol(heartbeat=0, limit=EVENT_LIMIT))  # the relay's beats suffice
        self._socket: RelaySocket | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()  # the first attempt is over
        self._silent = 0

    def renew(self) -> None:
        """Reset in a forked child: the next call reconnects."""
        leave_behind(self._calls, self._socket, self._task, self._tried)
        if self.state != CLOSED:
            self._begin()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> Self:
        """Connect now rather than at the first call. Raises Unavailable or PermissionDenied when that fails."""
        await self._ready()
        return self

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        """Run an operation that answers once. Raises the EmergeError it failed with; Unavailable when unreachable."""
        if self._socket is None:
            await self._ready()
        return await self._calls.call(name, args, context)

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        """Run an operation that streams; closing the iterator ends it on the other side."""
        if self._socket is None:
            await self._ready()
        async with aclosing(self._calls.stream(name, args, context)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        """End calls under way with Unavailable and stop reconnecting. Idempotent."""
        if self.state == CLOSED:
            return
        self._set(CLOSED, "")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._lose("the connection was closed")

    async def _ready(self) -> None:
        if self._task is None and self.state != CLOSED:
            check_package()
            self._task = asyncio.get_running_loop().create_task(self._keep_connected())
        if self.state == CONNECTING and not self._tried.is_set():
            try:
                async with asyncio.timeout(self._patience):
                    await self._tried.wait()
            except TimeoutError:
                pass
        if self._socket is None:
            raise self._unreachable()

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                reason = await self._connection()
                pause = FIRST_PAUSE
                self._set(OFFLINE, reason)
            except RelayRefused as error:
                self._set(REFUSED, str(error))
            except OSError as error:
                self._set(OFFLINE, str(error))
            self._tried.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connection(self) -> str:
        """Connect, wait until the connection ends and return the reason. Raises OSError or RelayRefused otherwise."""
        socket = await open_socket(self.url, self._token)
        beating = asyncio.ensure_future(self._listen(socket))
        self._socket = socket
        self._silent = 0
        self._set(CONNECTING, "")  # until the relay has said whether its node is there
        self._tried.set()
        reason = ""
        try:
            reason = await socket.run(self._receive)
        finally:
            beating.cancel()
            socket.close()
            why = "" if reason in ("", CLOSINGS[ABNORMAL]) else f" ({reason})"
            self._lose(f"the connection to the relay was lost{why}")
        return reason

    async def _listen(self, socket: RelaySocket) -> None:
        """Close the connection to a silent relay. Silence is counted in turns of this loop, so that a busy kernel does
        not take its own delay for the relay's."""
        while self._silent < 3:
            await asyncio.sleep(BEAT)
            self._silent += 1
        socket.close()

    def _receive(self, payload: bytes) -> None:
        self._silent = 0
        if STATUS.encode() in payload[:128] and self._status(payload):
            return
        self._calls.receive(payload)

    def _status(self, payload: bytes) -> bool:
        try:
            header, name, args = decode(payload)
        except EmergeError:
            return False
        match args:
            case [{"state": state, "node": node}, *_] if name == STATUS and "response_to" not in header:
                self._set(ONLINE if state == "up" else NO_NODE, str(node))
                return True
        return False

    def _send(self, payload: bytes) -> None:
        if self._socket is None:
            raise self._unreachable()
        self._socket.send(payload)

    def _lose(self, reason: str) -> None:
        self._socket = None
        self._calls.lose(Unavailable(f"{reason} while this was under way", remedy=UNKNOWN, unknown=True))

    def _set(self, state: str, detail: str) -> None:
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            log.log(WARNING if state in (OFFLINE, REFUSED) else INFO, "%s: %s %s", self.url, state, detail)
            if self._on_status is not None:
                self._on_status(state, detail)

    def _unreachable(self) -> Unavailable:
        reason = f": {self.detail}" if self.detail else ""
        if self.state == REFUSED:
            remedy = "a browser opens the link that the relay printed, a program gives its token"
            return Unavailable(f"the relay at {self.url} refused us{reason}", remedy=remedy)
        return Unavailable(f"no connection to the relay at {self.url}{reason}", remedy="it is tried again by itself")


def relay_url(url: str) -> str:
    """Return the WebSocket address of a relay. Raises Invalid if `url` cannot be one."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise Invalid(f"{url!r} is no address of a relay", remedy="write ws://host:port")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/') or '/ws'}"
