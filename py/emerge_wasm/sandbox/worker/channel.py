"""A worker's end of its one socket: calls come in, and what shipped code asks for and prints goes out. Blocking."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from ...codec import decode, encode
from ...errors import EmergeError, Unavailable, error_from_wire
from ...operations import Wire
from ..frame import HEADER, LONGEST, pack_message
from ..message import Kind
from .alarm import Alarm


class Closed(BaseException):
    """The node has gone."""


class Channel:
    """Frames out and in. A frame that has begun is sent whole, whatever the clock says."""

    def __init__(self, sock: socket.socket, alarm: Alarm) -> None:
        self._socket = sock
        self._alarm = alarm
        self.stopped = False  # in the middle of a question, whose answer will come too late
        self._turn = threading.RLock()  # threads of shipped code ask one after the other

    def send(self, *fields: Any) -> None:
        self.send_packed(pack_message(*fields))

    def send_packed(self, frame: bytes) -> None:
        with self._turn, self._alarm:
            self._socket.sendall(frame)

    def receive(self) -> list[Any]:
        """What the node says next. Closed when it has gone."""
        (size,) = HEADER.unpack(self._exactly(HEADER.size))
        fields: list[Any] = decode(bytes(self._exactly(size)), limit=LONGEST)
        return fields

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            read = self._socket.recv_into(view)
            if not read:
                raise Closed
            view = view[read:]
        return data

    def ask(self, kind: int, *fields: Any) -> Any:
        """The node's answer. Raises the error that it answers with."""
        with self._turn:
            if self.stopped:
                raise Unavailable("this call was stopped")
            self.stopped = True  # unless the answer comes
            self.send(kind, *fields)
            answer = self.receive()
            self.stopped = False
            match answer:
                case [Kind.ANSWER, value]:
                    return value
                case [Kind.ITEMS, items, more]:
                    return items, more
                case [Kind.ERROR, wire]:
                    raise error_from_wire(wire)
        raise Closed


class ChannelTransport:
    """The filesystem as shipped code reaches it: a transport whose coroutines never suspend, for they block."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._streams = count()

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        return self._channel.ask(Kind.ASK, name, encode([args, context]))

    async def stream(self, name: str, args: list[Any], context: Wire | None = None) -> AsyncIterator[Any]:
        number = next(self._streams)
        self._channel.send(Kind.OPEN, number, name, encode([args, context]))
        more = True
        try:
            while more:
                items, more = self._channel.ask(Kind.NEXT, number)
                for item in items:
                    yield item
        except EmergeError:
            more = False
            raise
        finally:
            if more:
                self._channel.send(Kind.SHUT, number)

    async def close(self) -> None:
        """The channel stays: it is the worker's."""
