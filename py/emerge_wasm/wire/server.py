"""The answering end of the channels: requests in; results, errors and stream items out.

A state machine without I/O: every method takes or returns bytes, and `now` (seconds, monotonic) where time matters.
Channels are keyed by (peer, id), so that two clients with the same id do not meet. A peer is any hashable thing
by which the shell finds its way back: the identity frames of a ROUTER, a WebSocket.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..context import Wire
from ..errors import EmergeError, Invalid, LimitExceeded
from . import event
from .event import END, HEARTBEAT, HEARTBEAT_SECONDS, MORE, SIZE_LIMIT, STREAM, STREAM_DONE, Event, Id, Ids

CREDIT_LIMIT = 1_000_000


@dataclass(slots=True, eq=False)
class ServerChannel:
    """One request being answered. The shell waits for `credit` > 0 before each item and before the stream's end."""

    peer: Hashable
    id: Id
    opened: float
    last: float  # when the asker was last heard
    credit: int
    open: bool = True


class ServerRequest(NamedTuple):
    """A peer asks: answer on this channel with ok, or item… and done, or error.

    `context` is what the call says of itself, as it came but surely a map; None when it says nothing. `size`: bytes of
    the event.
    """

    channel: ServerChannel
    name: str
    args: list[Any]  # whatever the operation takes
    context: Wire | None = None
    size: int = 0


class CreditGranted(NamedTuple):
    """Credit arrived on a channel: whoever waits for it may go on."""

    channel: ServerChannel


class ChannelEnded(NamedTuple):
    """The asker gave this channel up; it is closed, and its handler should be cancelled."""

    channel: ServerChannel


class RequestRefused(NamedTuple):
    """Send this ERR to the peer; nothing was opened. `reason` is the error in it."""

    payload: bytes
    reason: EmergeError


ServerAction = ServerRequest | CreditGranted | ChannelEnded | RequestRefused


class ServerTick(NamedTuple):
    """What a tick brought: `send` ((peer, payload), heartbeats) and `lost` (closed channels, to be cancelled)."""

    send: list[tuple[Hashable, bytes]]
    lost: list[ServerChannel]


@dataclass
class ServerChannels:
    """All open channels of one server.

    `heartbeat` is in seconds, 0 for none; `limit` the largest event in bytes; `per_peer` and `total` bound the
    requests under way (above them: ERR LimitExceeded); `credit` are the items that a stream may send before it is
    granted more, as both sides must have it. `dropped` counts what could not be read or belongs to no channel.
    """

    heartbeat: float = HEARTBEAT_SECONDS
    limit: int = SIZE_LIMIT
    per_peer: int = 1024
    total: int = 8192
    credit: int = 1
    dropped: int = 0
    ids: Ids = field(default_factory=Ids)
    _channels: dict[tuple[Hashable, Id], ServerChannel] = field(default_factory=dict)
    _load: dict[Hashable, int] = field(default_factory=dict)  # channels of each peer

    def __len__(self) -> int:
        return len(self._channels)

    def receive(self, peer: Hashable, payload: bytes, now: float) -> ServerAction | None:
        """What this message asks the shell to do; None for nothing. Never raises."""
        try:
            found = event.decode(payload, self.limit)
        except EmergeError as error:
            return self._unreadable(payload, error)
        return self.take(peer, found, now, len(payload))

    def take(self, peer: Hashable, found: Event, now: float, size: int = 0) -> ServerAction | None:
        """What an event of `size` bytes asks the shell to do; None for nothing."""
        key = found.header.get("response_to")
        if key is None:
            return self._open(peer, found, now, size)
        channel = self._channels.get((peer, key)) if isinstance(key, (bytes, str)) else None
        if channel is None:
            self.dropped += 1
            return None
        return self._follow(channel, found, now)

    def ok(self, channel: ServerChannel, value: object) -> bytes:
        """The result, and the channel's end. A result that cannot be packed becomes the ERR that says so."""
        try:
            payload = event.encode_ok(self.ids, channel.id, value)
            event.check_size(payload, self.limit)
        except EmergeError as error:
            payload = event.encode_error(self.ids, channel.id, error, self.limit)
        self.close(channel)
        return payload

    def item(self, channel: ServerChannel, value: object) -> bytes:
        """One item of a stream; costs one credit. Raises what cannot be packed: then answer with `error`."""
        payload = event.encode_on(self.ids, channel.id, STREAM, list(value) if type(value) is tuple else value)
        event.check_size(payload, self.limit)
        channel.credit -= 1
        return payload

    def done(self, channel: ServerChannel) -> bytes:
        """The end of a stream and of its channel; costs one credit."""
        self.close(channel)
        return event.encode_on(self.ids, channel.id, STREAM_DONE, None)

    def error(self, channel: ServerChannel, error: BaseException) -> bytes:
        """The error that ends a channel (in a stream it costs one credit)."""
        self.close(channel)
        return event.encode_error(self.ids, channel.id, error, self.limit)

    def close(self, channel: ServerChannel) -> None:
        """Forget a channel; nothing is sent. Doing it twice is harmless."""
        if not channel.open:
            return
        channel.open = False
        del self._channels[channel.peer, channel.id]
        load = self._load.pop(channel.peer) - 1
        if load:
            self._load[channel.peer] = load

    def all(self) -> list[ServerChannel]:
        """Every open channel."""
        return list(self._channels.values())

    def of_peer(self, peer: Hashable) -> list[ServerChannel]:
        """The open channels of a peer (when it is known to be gone, close and cancel them)."""
        return [channel for channel in self._channels.values() if channel.peer == peer] if peer in self._load else []

    def tick(self, now: float) -> ServerTick:
        """Beat on every channel that is older than half a heartbeat, and give up those whose asker fell silent."""
        ticked = ServerTick([], [])
        if not self.heartbeat:
            return ticked
        for channel in list(self._channels.values()):
            if now > channel.last + 2 * self.heartbeat:
                self.close(channel)
                ticked.lost.append(channel)
            elif now >= channel.opened + self.heartbeat / 2:
                ticked.send.append((channel.peer, event.encode_on(self.ids, channel.id, HEARTBEAT, [0])))
        return ticked

    def _open(self, peer: Hashable, found: Event, now: float, size: int) -> ServerRequest | RequestRefused | None:
        key = found.header.get("message_id")
        if not isinstance(key, (bytes, str)) or (peer, key) in self._channels:
            self.dropped += 1
            return None
        if not isinstance(found.args, (list, tuple)):
            return self._refuse(key, Invalid(f"{found.name[:80]}: the arguments are not an array"))
        context = found.header.get("context")
        if context is not None and not isinstance(context, dict):
            return self._refuse(key, Invalid(f"{found.name[:80]}: the call's context is not a map"))
        load = self._load.get(peer, 0)
        if load >= self.per_peer:
            return self._refuse(key, _too_many("requests of one client", self.per_peer))
        if len(self._channels) >= self.total:
            return self._refuse(key, _too_many("requests", self.total))
        channel = ServerChannel(peer, key, now, now + self.heartbeat, self.credit)
        self._channels[peer, key] = channel
        self._load[peer] = load + 1
        return ServerRequest(channel, found.name, list(found.args), context, size)

    def _follow(self, channel: ServerChannel, found: Event, now: float) -> CreditGranted | ChannelEnded | None:
        channel.last = max(channel.last, now)
        if found.name == MORE:
            return self._grant(channel, found.args)
        if found.name == END:
            self.close(channel)
            return ChannelEnded(channel)
        if found.name != HEARTBEAT:
            self.dropped += 1
        return None

    def _grant(self, channel: ServerChannel, args: object) -> CreditGranted | None:
        match args:
            case [int(count), *_] if type(count) is int and 0 < count <= CREDIT_LIMIT:
                channel.credit = min(channel.credit + count, CREDIT_LIMIT)
                return CreditGranted(channel)
        self.dropped += 1
        return None

    def _unreadable(self, payload: bytes, error: EmergeError) -> RequestRefused | None:
        """Tell whoever can be told: an event with a good envelope and bad args has a channel to answer on."""
        self.dropped += 1
        try:
            header, _ = event.peek(payload)
        except EmergeError:
            return None
        key = header.get("message_id")
        if not isinstance(key, (bytes, str)) or header.get("response_to") is not None:
            return None
        return self._refuse(key, error)

    def _refuse(self, key: Id, error: EmergeError) -> RequestRefused:
        return RequestRefused(event.encode_error(self.ids, key, error), error)


def _too_many(what: str, limit: int) -> LimitExceeded:
    return LimitExceeded(f"more than {limit} {what} are under way", remedy="wait for some to end", limit=what)
