"""Sending to all peers at once: one XPUB socket to speak, and a SUB socket for each peer that is listened to.

It moves messages (maps, in the codec's bytes) and does not know what they mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import zmq

from .. import codec
from ..clients.keys.credential import Credential
from ..clients.transports.endpoint import bind_again, bind_socket, check_endpoint
from ..clients.transports.zeromq import DrainedSocket
from ..errors import EmergeError
from ..operations import Wire
from ..wire.event import REQUEST_COST
from .authenticator import Authenticator, KeyChange
from .listener import Listener

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes; ZeroMQ disconnects a peer that sends more, which is listened to again after a while."""


class Broadcast:
    """Send maps to all who listen, and listen to peers.

    `hear(message, node)` is called for each map received, with the name by which that peer is followed; `greet()` when
    somebody new began to listen. `malformed` counts what was received and is no map. With a `credential` a peer is
    heard when it shows a key of the member of that name; with `keys` only members of the ring can listen.
    """

    def __init__(
        self,
        hear: Callable[[Wire, str], None],
        greet: Callable[[], None],
        credential: Credential | None = None,
        keys: Authenticator | None = None,
    ) -> None:
        self.malformed = 0
        self.endpoint = ""
        self._hear = hear
        self._greet = greet
        self._credential = credential
        self._keys = keys
        self._speaker: DrainedSocket | None = None
        self._unheard = asyncio.Event()  # set while nobody listens
        self._unheard.set()
        self._listeners: dict[str, Listener] | None = None

    def open(self, bind: str | None) -> None:
        """Begin to listen, and to speak at an endpoint unless it is None."""
        if bind is not None:
            endpoint = check_endpoint(bind, keys=self._keys is not None)
            if self._keys is not None:
                self._keys.on_change(self._follow_keys)
            speaker = self._make_speaker()
            options = {zmq.XPUB_VERBOSE: 1, zmq.IPV6: int("[" in endpoint), zmq.MAXMSGSIZE: MESSAGE_LIMIT}
            for option, value in options.items():
                speaker.setsockopt(option, value)
            self.endpoint = bind_socket(speaker, endpoint)
            self._speaker = DrainedSocket(speaker, self._subscribed)
        self._listeners = {}

    def say(self, message: Wire) -> None:
        """Send to all who listen now."""
        if self._speaker is not None and not self._speaker.closed:
            self._speaker.send([codec.encode(message)])

    def follow(self, endpoint: str, node: str) -> None:
        """Listen to a peer of that name; one that cannot be listened to is counted as malformed."""
        if self._listeners is None or endpoint in self._listeners:
            return
        hear = partial(self._receive, node)
        listener = Listener(endpoint, node, MESSAGE_LIMIT, hear, self._credential)
        try:
            listener.open()
        except (zmq.ZMQError, EmergeError):
            self.malformed += 1
        else:
            self._listeners[endpoint] = listener

    async def parted(self, seconds: float) -> None:
        """Wait until all who listened have heard that this node leaves, and listen no more, but no longer than that.

        What a socket was given to send is lost when its process ends too soon.
        """
        if self._speaker is not None and not self._speaker.closed:
            await asyncio.wait([waiting := asyncio.ensure_future(self._unheard.wait())], timeout=seconds)
            waiting.cancel()

    def leave(self, endpoint: str) -> None:
        """Stop listening to a peer."""
        if self._listeners is not None and endpoint in self._listeners:
            self._listeners.pop(endpoint).close()

    def close(self) -> None:
        for endpoint in list(self._listeners or ()):
            self.leave(endpoint)
        self._listeners = None
        if self._speaker is not None:
            self._speaker.close()

    def _make_speaker(self) -> zmq.Socket[bytes]:
        if self._keys is not None:
            return self._keys.socket(zmq.XPUB, members=True)
        return zmq.Context.instance().socket(zmq.XPUB)

    def _follow_keys(self, change: KeyChange) -> None:
        """Bind anew: for a new key, and when a member is let in no longer, who would go on receiving."""
        if change != "ring" and self._keys is not None and self._speaker is not None and not self._speaker.closed:
            self._keys.show(self._speaker.socket)
            bind_again(self._speaker.socket, self.endpoint)
            self._speaker.drain_soon()

    def _subscribed(self, frames: list[bytes]) -> None:
        if frames[0][:1] == b"\1":
            self._unheard.clear()
            self._greet()
        elif frames[0][:1] == b"\0":  # the last one listens no more
            self._unheard.set()

    def _receive(self, node: str, payload: bytes) -> None:
        try:
            message = codec.decode(payload, cost=REQUEST_COST)
        except EmergeError:
            message = None
        if isinstance(message, dict):
            self._hear(message, node)
        else:
            self.malformed += 1
