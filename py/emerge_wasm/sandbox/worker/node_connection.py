"""A worker's end of its socket, blocking: receives calls, and sends output and requests of shipped code."""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

from ...context import Wire
from ...errors import EmergeError
from ...wire.client import Reply, ReplyKind
from ...wire.duplex import Duplex
from ...wire.event import LARGEST, Payload, joined
from ...wire.server import ServerChannel, ServerRequest
from ..frame import Splitter, pack_frame
from .alarm import Alarm

_PIECE = 1 << 16  # bytes per read


class NodeGone(BaseException):
    """The node closed the socket."""


class NodeConnection:
    """Receives the node's calls, one at a time, and makes those of shipped code meanwhile.

    The alarm may interrupt only a wait, so that events are sent and received whole.
    """

    def __init__(self, sock: socket.socket, alarm: Alarm) -> None:
        self._socket = sock
        self._alarm = alarm
        self._duplex = Duplex.of_worker()
        self._splitter = Splitter(LARGEST)
        self._payloads: deque[bytes] = deque()
        self._replies: dict[bytes, deque[Reply]] = {}  # by open channel of shipped code
        self._channel: ServerChannel | None = None  # of the current call
        self._turn = threading.RLock()  # threads of shipped code take turns
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)

    def fileno(self) -> int:
        return self._socket.fileno()

    # --- the node's calls
    def next_request(self) -> ServerRequest:
        """Wait for the node's next call. Raises NodeGone when the socket is closed."""
        while True:
            request = self._take_in(timed=False)
            if request is not None:
                self._channel = request.channel
                return request

    def send_item(self, value: object) -> None:
        """Send an item that precedes the result of the node's call."""
        if self._channel is not None:
            self._send(self._duplex.server.item(self._channel, value))

    def send_result(self, value: object) -> None:
        if self._channel is not None:
            self._send(self._duplex.server.ok(self._channel, value))

    def send_error(self, error: EmergeError) -> None:
        if self._channel is not None:
            self._send(self._duplex.server.error(self._channel, error))

    # --- shipped code's calls
    def call(self, name: str, args: Sequence[object], context: Wire | None = None) -> Any:
        """Make a request and return the node's answer. Raises the error that it answers with."""
        with self._turn:
            channel = b""
            try:
                with self._alarm:
                    channel = self._open(name, args, context)
                reply = self._wait(channel)
            finally:
                self._end(channel)
        if reply.kind is ReplyKind.ERROR:
            raise reply.value
        if reply.kind is ReplyKind.RESULT:
            return reply.value
        raise EmergeError("this operation streams", remedy="use stream() for it")

    def stream(self, name: str, args: Sequence[object], context: Wire | None = None) -> Generator[Any, None, None]:
        """Make a streaming request and yield its items. Closing this iterator ends the stream on the node."""
        channel = b""
        try:
            with self._alarm:
                channel = self._open(name, args, context)
            while True:
                reply = self._wait(channel)
                if reply.kind is ReplyKind.ERROR:
                    raise reply.value
                if reply.kind is ReplyKind.DONE:
                    return
                yield reply.value
                if reply.kind is ReplyKind.RESULT:
                    return
                grant = self._duplex.client.took(channel)
                if grant is not None:
                    self._send(grant)
        finally:
            self._end(channel)

    def _open(self, name: str, args: Sequence[object], context: Wire | None) -> bytes:
        channel, payload = self._duplex.client.request(name, args, 0, context)
        self._replies[channel] = deque()
        self._send(payload)
        return channel

    def _wait(self, channel: bytes) -> Reply:
        replies = self._replies[channel]
        with self._turn:
            while not replies:
                self._take_in()
        return replies.popleft()

    def _end(self, channel: bytes) -> None:
        self._replies.pop(channel, None)
        end = self._duplex.client.end(channel)
        if end is not None:
            self._send(end)

    # --- the socket
    def _send(self, payload: Payload) -> None:
        with self._turn, self._alarm:
            self._socket.sendall(pack_frame(joined(payload)))

    def _take_in(self, *, timed: bool = True) -> ServerRequest | None:
        """Wait for one event: return a request, queue a reply for its waiter. `timed`: the alarm may interrupt the
        wait."""
        if timed and not self._payloads:
            self._readable.poll()
        with self._alarm:
            if not self._payloads:
                self._read()
            if not self._payloads:
                return None
            action = self._duplex.receive(self._payloads.popleft())
            if isinstance(action, Reply) and action.channel in self._replies:
                self._replies[action.channel].append(action)
            return action if isinstance(action, ServerRequest) else None

    def _read(self) -> None:
        data = self._socket.recv(_PIECE)
        if not data:
            raise NodeGone
        self._payloads += self._splitter.feed(data)


class NodeTransport:
    """The transport of shipped code in a worker. Its coroutines block instead of suspending."""

    def __init__(self, connection: NodeConnection) -> None:
        self._connection = connection

    async def call(self, name: str, args: Sequence[object], context: Wire | None = None) -> Any:
        return self._connection.call(name, args, context)

    async def stream(self, name: str, args: Sequence[object], context: Wire | None = None) -> AsyncIterator[Any]:
        items = self._connection.stream(name, args, context)
        try:
            for item in items:
                yield item
        finally:
            items.close()

    async def close(self) -> None:
        """Do nothing: the connection is the worker's."""
