"""Sending to all peers at once: one XPUB socket to speak, one SUB socket to listen.

It moves messages (maps, in the codec's bytes) and does not know what they mean.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from .. import codec
from ..clients.transports.endpoint import bind_socket, check_endpoint
from ..clients.transports.zeromq import DrainedSocket
from ..errors import EmergeError
from ..operations import Wire

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes; ZeroMQ disconnects a peer that sends more."""


class Broadcast:
    """Send maps to all who listen, and listen to peers.

    `hear(message)` is called for each map received; `greet()` when somebody new began to listen. `malformed` counts
    what was received and is no map.
    """

    def __init__(self, hear: Callable[[Wire], None], greet: Callable[[], None]) -> None:
        self.malformed = 0
        self.endpoint = ""
        self._hear = hear
        self._greet = greet
        self._speaker: DrainedSocket | None = None
        self._listener: DrainedSocket | None = None
        self._heard_at: set[str] = set()

    def open(self, bind: str | None) -> None:
        """Begin to listen, and to speak at an endpoint unless it is None."""
        if bind is not None:
            speaker = self._socket(zmq.XPUB)
            speaker.setsockopt(zmq.XPUB_VERBOSE, 1)
            self.endpoint = bind_socket(speaker, check_endpoint(bind))
            self._speaker = DrainedSocket(speaker, self._subscribed)
        listener = self._socket(zmq.SUB)
        listener.setsockopt(zmq.SUBSCRIBE, b"")
        self._listener = DrainedSocket(listener, self._receive)

    def say(self, message: Wire) -> None:
        """Send to all who listen now."""
        if self._speaker is not None and not self._speaker.closed:
            self._speaker.send([codec.encode(message)])

    def follow(self, endpoint: str) -> None:
        """Listen to a peer; an endpoint that cannot be one is counted as malformed."""
        if self._listener is None or endpoint in self._heard_at:
            return
        try:
            self._listener.socket.connect(endpoint)
            self._heard_at.add(endpoint)
        except zmq.ZMQError:
            self.malformed += 1
        self._listener.drain_soon()  # connecting may use up the descriptor's wake-up

    def leave(self, endpoint: str) -> None:
        """Stop listening to a peer."""
        if self._listener is not None and endpoint in self._heard_at:
            self._heard_at.discard(endpoint)
            self._listener.socket.disconnect(endpoint)
            self._listener.drain_soon()

    def close(self) -> None:
        for socket in (self._speaker, self._listener):
            if socket is not None:
                socket.close()

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_LIMIT)
        return socket

    def _subscribed(self, frames: list[bytes]) -> None:
        if frames[0][:1] == b"\1":
            self._greet()

    def _receive(self, frames: list[bytes]) -> None:
        try:
            message = codec.decode(frames[-1])
        except EmergeError:
            message = None
        if isinstance(message, dict):
            self._hear(message)
        else:
            self.malformed += 1
