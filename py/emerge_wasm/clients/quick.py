"""Looks up pointers by a plain socket: the client, asyncio, zmq and what classes need are not imported for that.

It speaks as much of ZMTP 3.0, ZeroMQ's protocol, as a question and its answer need. Only what goes as it mostly goes is
done here. Where anything is otherwise (no node is there, it wants a key, it answers with an error, or not soon, or says
that something is left out), the client asks once more, which has the patience and the words for it. So nothing may be
asked here that changes something.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import msgpack

from ..straight import run_straight
from .keys.local_key import LocalAddress
from .pointer_reads import AsOf, PointerReads

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..objects import Pointer
    from ..operations import Operations
    from ..results import EntryPage, PointerRow
    from .sync import SyncClient

T = TypeVar("T")

CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 2.0
"""How long a node may be silent, until the client asks it. It expects a sign of life only later."""

NOT_WHOLE = frozenset({"missing", "stale"})
"""Keys of answers that warn of something."""

GREETING = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL".ljust(64, b"\0")
"""ZMTP's first 64 bytes: its version, and that nothing is encrypted."""

READY = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
NAME = b"\x08Identity\0\0\0"
"""What comes before the name of the connection, and its size in a byte."""

MORE, LONG, COMMAND = 1, 2, 4
"""Flags of a frame: others of its message follow, its size has eight bytes, it is no part of a message."""

LARGEST = 64 << 20
"""Bytes of an answer."""

_AMISS = (OSError, msgpack.UnpackException, ValueError, TypeError, LookupError)


class Declined(Exception):
    """It is for the client to ask, or to say why there is no answer."""


class QuickNode:
    """A node at an endpoint, without keys, that is asked one thing at a time. Raises Declined."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    async def get(self, path: str, version: int = 0, as_of: str = "") -> PointerRow:
        """The pointer at a path."""
        return cast("PointerRow", self._ask("get", path, version, as_of))

    async def list(self, path: str, cursor: str = "", limit: int = 1000, as_of: str = "") -> EntryPage:
        """A page of a directory."""
        return cast("EntryPage", self._ask("list", path, cursor, limit, as_of))

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, name: str, *args: object) -> dict[str, object]:
        try:
            if self._socket is None:
                self._open()
            channel = os.urandom(16).hex().encode()
            self._send(MORE, b"")
            self._send(0, msgpack.packb([{"message_id": channel, "v": 3}, name, args]))
            answer = self._answer(channel)
            if not NOT_WHOLE.isdisjoint(answer):
                raise Declined
        except _AMISS as error:
            raise Declined from error
        return answer

    def _open(self) -> None:
        local = LocalAddress(self._endpoint)
        host, _, port = local.address.removeprefix("tcp://").rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(GREETING)
        greeting = self._read(len(GREETING))
        if greeting[:1] + greeting[9:11] != b"\xff\x7f\x03" or greeting[12:32] != GREETING[12:32]:
            raise Declined
        name = local.proof
        self._send(COMMAND, READY + NAME + bytes([len(name)]) + name)
        flags, said = self._frame()
        if not flags & COMMAND or not said.startswith(READY[:6]):
            raise Declined
        self._socket.settimeout(ANSWER_SECONDS)

    def _answer(self, channel: bytes) -> dict[str, object]:
        """What the node answers; a sign of life comes before it where that takes long."""
        while True:
            flags = MORE
            while flags & MORE:
                flags, data = self._frame()
            header, kind, found = msgpack.unpackb(data, ext_hook=_decline)
            if kind == "OK" and header["response_to"] == channel:
                answer: dict[str, object] = found[0]
                return answer
            if kind == "ERR" or flags & COMMAND:
                raise Declined

    def _send(self, flags: int, data: bytes) -> None:
        assert self._socket is not None
        size = len(data).to_bytes(8, "big") if len(data) > 255 else bytes([len(data)])
        self._socket.sendall(bytes([flags | (LONG if len(data) > 255 else 0)]) + size + data)

    def _frame(self) -> tuple[int, bytes]:
        flags = self._read(1)[0]
        return flags, self._read(int.from_bytes(self._read(8 if flags & LONG else 1), "big"))

    def _read(self, size: int) -> bytes:
        assert self._socket is not None
        if size > LARGEST:
            raise Declined
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise Declined
            data += part
        return bytes(data)


def _decline(code: int, data: bytes) -> NoReturn:
    """There are no values of the codec in pointers."""
    raise Declined


class QuickReads(PointerReads):
    """The client's operations on pointers, of such a node."""

    def __init__(self, node: QuickNode) -> None:
        self.remote = cast("Operations", node)  # two of them


class PointerLookup:
    """What the sync client has of these operations; `client` opens it where it is needed."""

    def __init__(self, endpoint: str, client: Callable[[], SyncClient]) -> None:
        self._node = QuickNode(endpoint)
        self._reads = QuickReads(self._node)
        self._client = client

    def get(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """As `SyncClient.get`."""
        return self._ask(self._reads.get(path, version, as_of), lambda fs: fs.get(path, version, as_of))

    def list(self, path: str = "/", as_of: AsOf = None) -> list[Pointer]:
        """As `SyncClient.list`, all of it."""
        return self._ask(self._reads.list(path, as_of=as_of), lambda fs: fs.list(path, as_of=as_of))

    def close(self) -> None:
        """Close the connection."""
        self._node.close()

    def _ask(self, work: Coroutine[object, None, T], otherwise: Callable[[SyncClient], T]) -> T:
        try:
            return run_straight(work)
        except Declined:
            self._node.close()
        return otherwise(self._client())
