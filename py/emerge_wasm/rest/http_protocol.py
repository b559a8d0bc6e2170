"""HTTP/1.1 as strictly as a server may take it, and with no patience for heads that do not come.

h11 reads on where another server might see the end of a head or of a body, so that a proxy before this one could be
made to pass on a request that it has not seen. What two readers could take for two things is refused here.
"""

from __future__ import annotations

import asyncio
import logging
import re

import h11
from h11._receivebuffer import ReceiveBuffer
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("emerge.rest")

HEAD_SECONDS = 10.0
"""How long a request's head may take, from its first byte or from the connection on."""

HEADS = 1024
"""Connections of this process that may wait for a head at once; beyond, the oldest is dropped."""

HEAD_LIMIT, LINES = 64 << 10, 200
"""Bytes and lines of a head."""

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_FRAMING = re.compile(rb"(content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class StrictBuffer(ReceiveBuffer):
    """What was received and is not read yet. Refuses heads that are not as the standard writes them."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines of a head, once it is whole.

        Raises:
            h11.RemoteProtocolError: it is too long or ambiguous.
        """
        size, begin = len(self), bytes(self._data[: HEAD_LIMIT + 1])
        lines = super().maybe_extract_lines()
        if lines is None:
            return None
        head = begin[: size - len(self)]
        if len(head) > HEAD_LIMIT or len(lines) > LINES:
            raise h11.RemoteProtocolError(f"a head has at most {HEAD_LIMIT} bytes and {LINES} lines", 431)
        if _BARE.search(head) or any(line.startswith((b" ", b"\t")) for line in lines):
            raise h11.RemoteProtocolError("each line of a head ends with CR LF, and begins with its name")
        framing = [found[1].lower() for line in lines if (found := _FRAMING.match(line))]
        if len(framing) > 1 or (framing == [b"transfer-encoding"] and not lines[0].endswith(b"HTTP/1.1")):
            raise h11.RemoteProtocolError("the length of the body is told twice, or as HTTP/1.0 has it not")
        return lines


HANG_UP = "emerge.hang_up"
"""The extension of ASGI by which an application ends a connection at once, with all that waits in it."""


class HttpProtocol(H11Protocol):
    """One connection. It ends when a head takes too long."""

    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's has it
        self.conn._receive_buffer = StrictBuffer()
        super().connection_made(transport)
        served = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[HANG_UP] = transport.abort
            await served(scope, receive, send)

        self.app = app
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Begin to wait for a head, or end it. Between requests a connection may rest as long as uvicorn lets it."""
        if self.conn.their_state is h11.IDLE and len(self.conn._receive_buffer):
            self._await_head()
        elif self.conn.their_state is not h11.IDLE:
            self._has_head()

    def _await_head(self) -> None:
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_SECONDS, self.drop)
            _WAITING[self] = None
            if len(_WAITING) > HEADS:
                next(iter(_WAITING)).drop()

    def _has_head(self) -> None:
        _WAITING.pop(self, None)
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def drop(self) -> None:
        """End the connection, whose head did not come."""
        log.debug("a request's head did not come in %s s, or too many did not", HEAD_SECONDS)
        self._has_head()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()


_WAITING: dict[HttpProtocol, None] = {}
"""Connections whose head has not come, the oldest first."""
