"""Listens to one peer's announcements: with keys, to who has the key that the ring knows for its name.

A socket for each peer, so that who speaks is known by the connection and not by the message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import zmq

from ..clients.keys.credential import Credential
from ..clients.keys.handshake import KeyChoice
from ..clients.transports.zeromq import DrainedSocket
from ..errors import EmergeError

log = logging.getLogger("emerge.cluster")

AGAIN_SECONDS = 0.5
"""How long to wait when the peer showed none of its keys, does not know ours, or sent what ends a connection."""

_GOES_ON = zmq.Event.CONNECT_DELAYED | zmq.Event.CONNECT_RETRIED | zmq.Event.CONNECTED
"""What ZeroMQ tells when it connects again by itself; not so after a message that is longer than may be."""

_FAILED = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH


class Listener:
    """Call `receive(payload)` with what the peer at an endpoint announces, until closed."""

    def __init__(
        self, endpoint: str, node: str, limit: int, receive: Callable[[bytes], None], credential: Credential | None
    ) -> None:
        self._keys = KeyChoice(credential, endpoint, node)
        self._limit = limit
        self._receive = receive
        self._socket: DrainedSocket | None = None
        self._monitor: DrainedSocket | None = None
        self._again: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Connect, and again with the peer's other keys until one fits.

        Raises:
            zmq.ZMQError: the endpoint cannot be one.
            EmergeError: no key of the peer is known.
        """
        self._keys.restart()
        self._connect()

    def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._socket is None:
            return
        if self._monitor is not None:
            self._socket.socket.disable_monitor()
            self._monitor.close()
        self._socket.close()
        self._socket = self._monitor = None

    def _connect(self) -> None:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        for option, value in {zmq.MAXMSGSIZE: self._limit, zmq.IPV6: 1}.items():
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._keys.protect(socket)
        events = zmq.Event.DISCONNECTED | _GOES_ON
        if self._keys.credential is not None:
            events |= zmq.Event.HANDSHAKE_SUCCEEDED | _FAILED
        monitor = socket.get_monitor_socket(events)
        try:
            socket.connect(self._keys.endpoint)
        except zmq.ZMQError:
            socket.disable_monitor()
            monitor.close(0)
            socket.close(0)
            raise
        self._monitor = DrainedSocket(monitor, self._observe)
        self._socket = DrainedSocket(socket, self._hear)

    def _hear(self, frames: list[bytes]) -> None:
        if self._keys.credential is None or self._keys.owner():  # else it was let in when this began, and no longer is
            self._receive(frames[-1])

    def _observe(self, frames: list[bytes]) -> None:
        event = zmq.Event(int.from_bytes(frames[0][:2], "little"))
        if event == zmq.Event.HANDSHAKE_SUCCEEDED:
            self._keys.fits()
        elif event == zmq.Event.DISCONNECTED:
            self._wait()
        elif event & _GOES_ON:
            if self._again is not None:
                self._again.cancel()
        else:
            self.close()
            if self._keys.again():
                self._connect()
            else:
                self._wait()

    def _wait(self) -> None:
        """Try again in a while, unless ZeroMQ does."""
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._try_again)

    def _try_again(self) -> None:
        self.close()
        try:
            self.open()
        except (EmergeError, zmq.ZMQError) as error:
            log.warning("a node that announces at %s is not heard: %s", self._keys.endpoint, error)
            self._wait()
