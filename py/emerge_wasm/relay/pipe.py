"""One browser's way to the node: events pass both ways, and only their envelopes are opened.

The envelope of a principal's request gets a context that says who asks, in place of what they wrote there. The pipe
knows the requests under way: it limits them, answers them at once when the node goes, and ends them when the browser
goes. It does not know WebSockets.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from ..clients.transports.websocket import STATUS
from ..clients.transports.zeromq import LINGER, DrainedSocket
from ..codec.value import too_large
from ..errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from ..operations import Wire
from ..wire.event import (
    END,
    ERR,
    HEARTBEAT,
    MORE,
    OK,
    STREAM_DONE,
    Id,
    Ids,
    encode,
    encode_end,
    encode_error,
    peek,
    replace_header,
)
from .session import RelayCaller
from .settings import BrowserLimits
from .uplink import LiveNode, Uplink

FOLLOWING = frozenset((HEARTBEAT, MORE, END))
LAST = frozenset((OK, ERR, STREAM_DONE))
ID_LIMIT = 64
UNKNOWN = "it is unknown whether a change was made: look before you repeat it; the relay reconnects by itself"
OVER = "your session has ended: it or its token was removed, or has expired"
SIGN_IN = "ask the relay's operator for a new link: emerge token link, or emerge token add"
RECONNECTS = "the relay reconnects by itself; try again then"

FindCaller = Callable[[], RelayCaller | None]


class Pipe:
    """Pass the requests of one browser to the node. `deliver(payload)` takes an event for the browser, without waiting.

    `find_caller` returns who is there now, None when their session is over.
    """

    def __init__(
        self, uplink: Uplink, limits: BrowserLimits, deliver: Callable[[bytes], None], find_caller: FindCaller
    ) -> None:
        self.uplink = uplink
        self.limits = limits
        self.requests: dict[Id, int] = {}  # those under way: channel, bytes of the request
        self._bytes = 0
        self._deliver = deliver
        self._find_caller = find_caller
        self._ids = Ids()
        self._node: LiveNode | None = None
        self._name = ""  # of the last node
        self._socket: DrainedSocket | None = None
        self._connect()

    def from_browser(self, payload: bytes) -> None:
        """Pass on what the browser sent.

        Raises:
            Invalid: it is no event, so there is no channel to answer it on.
        """
        header, name = peek(payload)
        channel = header.get("response_to")
        if channel is None:
            self._request(header, name, payload)
        elif isinstance(channel, (bytes, str)) and channel in self.requests and name in FOLLOWING:
            self._send(payload)
            if name == END:
                self._forget(channel)

    def from_node(self, frames: list[bytes]) -> None:
        """Pass on what the node sent, and drop what belongs to no request under way."""
        if self.is_over:  # no answer to whom a session was taken meanwhile
            return
        payload = frames[-1] if len(frames) < 3 else b"".join(frames)
        try:
            header, name = peek(payload)
        except EmergeError:
            return
        channel = header.get("response_to")
        if not isinstance(channel, (bytes, str)) or channel not in self.requests:
            return
        if len(payload) > self.limits.message:
            self._send(encode_end(self._ids, channel))
            payload, name = (
                encode_error(
                    self._ids,
                    channel,
                    too_large(f"an answer of {len(payload)} bytes", self.limits.message, "event size"),
                ),
                ERR,
            )
        if name in LAST:
            self._forget(channel)
        self._deliver(payload)

    def switch(self) -> None:
        """Follow the uplink to its node; when that changed, answer now what is under way at the old one."""
        if self.uplink.node == self._node:
            return
        gone = self._node
        self._disconnect()
        for channel in list(self.requests):
            self._forget(channel)
            name = gone.name if gone else "the node"
            error = _unavailable(f"{name} went away", UNKNOWN, gone)
            error.details["unknown"] = True
            self._deliver(encode_error(self._ids, channel, error))
        self._connect()

    def beat(self) -> None:
        """Send the node a heartbeat for each request, also while the browser's kernel is busy."""
        for channel in self.requests:
            self._send(encode({"message_id": self._ids(), "v": 3, "response_to": channel}, HEARTBEAT, [0]))

    def status(self) -> bytes:
        """Make the unsolicited event that tells the browser whether the node is there."""
        node = self.uplink.node
        state = {"node": node.name, "state": "up"} if node else {"node": self._name, "state": "down"}
        return encode({"message_id": self._ids(), "v": 3}, STATUS, [state])

    def close(self) -> None:
        """End the requests of a browser that is gone."""
        for channel in list(self.requests):
            self._send(encode_end(self._ids, channel))
            self._forget(channel)
        self._disconnect(LINGER)

    @property
    def is_over(self) -> bool:
        """Whether the session has ended: by itself, or because it or its token was taken back."""
        return self._find_caller() is None

    def _request(self, header: Wire, name: str, payload: bytes) -> None:
        channel = header.get("message_id")
        if not isinstance(channel, (bytes, str)) or len(channel) > ID_LIMIT or channel in self.requests:
            raise Invalid("the event opens no channel", remedy="give it a message_id of its own")
        try:
            payload = self._stamped(channel, header, payload)
            self._check(name, len(payload))
        except EmergeError as error:
            self._deliver(encode_error(self._ids, channel, error))
            return
        self.requests[channel] = len(payload)
        self._bytes += len(payload)
        self._send(payload)

    def _stamped(self, channel: Id, header: Wire, payload: bytes) -> bytes:
        """Make the request for the node; the header of a principal's is replaced by one with who they are."""
        caller = self._find_caller()
        if caller is None:
            raise PermissionDenied(OVER, remedy=SIGN_IN)
        if caller.token is None:
            return payload
        context = caller.stamp(header.get("context"))
        return replace_header(payload, {"message_id": channel, "v": 3, "context": context})

    def _check(self, name: str, size: int) -> None:
        """Raise the reason why a request of so many bytes cannot be passed on now."""
        if self._socket is None:
            raise _unavailable(self.uplink.missing(), RECONNECTS, self._node)
        if name.startswith("_"):
            raise Invalid(f"{name[:80]!r} cannot be called", remedy="names that begin with _ are the node's own")
        if len(self.requests) >= self.limits.requests:
            raise _too_much(f"{self.limits.requests} requests", "requests under way")
        if self._bytes + size > self.limits.request_bytes:
            raise _too_much(f"requests of {self.limits.request_bytes} bytes", "request bytes under way")

    def _forget(self, channel: Id) -> None:
        self._bytes -= self.requests.pop(channel)

    def _send(self, payload: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send([payload])  # nodes take it without zerorpc's empty delimiter, and a frame costs 25 µs
        except zmq.ZMQError:  # the uplink notices by itself, and then answers what is under way
            pass

    def _connect(self) -> None:
        self._node = self.uplink.node
        if self._node is not None:
            self._name = self._node.name
            self._socket = DrainedSocket(self.uplink.open_dealer(self._node), self.from_node)

    def _disconnect(self, linger: int = 0) -> None:
        if self._socket is not None:
            self._socket.close(linger)
            self._socket = None


def _unavailable(message: str, remedy: str, node: LiveNode | None) -> Unavailable:
    return Unavailable(message, remedy=remedy, node=node.name if node else "")


def _too_much(what: str, limit: str) -> LimitExceeded:
    return LimitExceeded(f"{what} are under way already", remedy="wait for some to end", limit=limit)
