"""The server end of the protocol: receives requests, and sends results, errors and stream items.

A state machine without I/O: every method takes or returns bytes, and `now` (seconds, monotonic) where time matters.
Channels are keyed by (peer, id), so that equal ids of two clients do not collide. A peer is any hashable value that
identifies the connection: the identity frames of a ROUTER, a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..context import Wire
from ..errors import EmergeError, Invalid, LimitExceeded
from . import event
from .event import (
    END,
    HEARTBEAT,
    HEARTBEAT_SECONDS,
    MORE,
    REQUEST_COST,
    SIZE_LIMIT,
    STREAM,
    STREAM_DONE,
    Event,
    Id,
    Ids,
    Payload,
)

CREDIT_LIMIT = 1_000_000

FEW = 16
"""Requests under way that everybody may have."""


@dataclass(slots=True, eq=False)
class ServerChannel:
    """One request being answered. The caller waits for `credit` > 0 before each item and before the stream's end.
    `account` is whom it is counted for.
    """

    peer: Hashable
    account: Hashable
    id: Id
    opened: float
    last: float  # when the client was last heard from
    credit: int
    frames: bool = False  # the client takes answers in several frames
    open: bool = True
    begun: bool = False  # whoever answers has noted so


class ServerRequest(NamedTuple):
    """A peer's request, to be answered on this channel with ok, or item… and done, or error.

    `context` is the call's context, an unchecked map, or None. `size` is the event's size in bytes.
    """

    channel: ServerChannel
    name: str
    args: list[Any]  # any arguments of an operation
    context: Wire | None = None
    size: int = 0


class CreditGranted(NamedTuple):
    """A channel got credit: its handler may go on."""

    channel: ServerChannel


class ChannelEnded(NamedTuple):
    """The client gave this channel up; it is closed, and its handler should be cancelled."""

    channel: ServerChannel


class RequestRefused(NamedTuple):
    """A refused request: send this ERR to the peer; no channel was opened. `reason` is the error in it."""

    payload: bytes
    reason: EmergeError


ServerAction = ServerRequest | CreditGranted | ChannelEnded | RequestRefused


class ServerTick(NamedTuple):
    """The outcome of a tick: heartbeats to `send`, as (peer, payload), and `lost` channels to be cancelled."""

    send: list[tuple[Hashable, bytes]]
    lost: list[ServerChannel]


@dataclass
class ServerChannels:
    """All open channels of one server.

    `heartbeat` is in seconds, 0 for none; `limit` the largest event in bytes, `cost` the most that one may
    cost to decode (`codec.cost`); `each` and `total` bound the
    requests under way (see `_has_room`); `credit` is the number of items that a stream may send before it
    is granted more, equal on both sides. `dropped` counts events that could not be read or belong to no channel.
    `frames`: answers may go in several frames to who takes them. `account` tells whom a peer's request with this
    context is counted for: the peer by default.
    """

    heartbeat: float = HEARTBEAT_SECONDS
    limit: int = SIZE_LIMIT
    cost: int = REQUEST_COST
    each: int = 1024
    total: int = 8192
    credit: int = 1
    dropped: int = 0
    frames: bool = False
    ids: Ids = field(default_factory=Ids)
    account: Callable[[Hashable, Wire | None], Hashable] = lambda peer, context: peer
    _channels: dict[tuple[Hashable, Id], ServerChannel] = field(default_factory=dict)
    _load: dict[Hashable, int] = field(default_factory=dict)  # open channels by account

    def __len__(self) -> int:
        return len(self._channels)

    def receive(self, peer: Hashable, payload: Payload, now: float) -> ServerAction | None:
        """Take a message and return the action that it asks for, if any. Never raises."""
        try:
            found = event.decode(payload, self.limit, self.cost)
        except EmergeError as error:
            return self._unreadable(event.first_of(payload), error)
        size = len(payload) if type(payload) is bytes else event.size_of(payload)
        return self.take(peer, found, now, size)

    def take(self, peer: Hashable, found: Event, now: float, size: int = 0) -> ServerAction | None:
        """Take an event of `size` bytes and return the action that it asks for, if any."""
        key = found.header.get("response_to")
        if key is None:
            return self._open(peer, found, now, size)
        channel = self._channels.get((peer, key)) if isinstance(key, (bytes, str)) else None
        if channel is None:
            self.dropped += 1
            return None
        return self._follow(channel, found, now)

    def ok(self, channel: ServerChannel, value: object) -> Payload:
        """Encode the result and close the channel. A result that cannot be encoded becomes an ERR that says so."""
        payload: Payload
        try:
            encode = event.encode_ok_frames if channel.frames else event.encode_ok
            payload = encode(self.ids, channel.id, value)
            event.check_size(payload, self.limit)
        except EmergeError as error:
            payload = event.encode_error(self.ids, channel.id, error, self.limit)
        self.close(channel)
        return payload

    def item(self, channel: ServerChannel, value: object) -> bytes:
        """Encode one item of a stream; costs one credit. Raises if it cannot be encoded: then answer with `error`."""
        payload = event.encode_on(self.ids, channel.id, STREAM, list(value) if type(value) is tuple else value)
        event.check_size(payload, self.limit)
        channel.credit -= 1
        return payload

    def done(self, channel: ServerChannel) -> bytes:
        """Encode the end of a stream and close the channel; costs one credit."""
        self.close(channel)
        return event.encode_on(self.ids, channel.id, STREAM_DONE, None)

    def error(self, channel: ServerChannel, error: BaseException) -> bytes:
        """Encode an error and close the channel; costs one credit in a stream."""
        self.close(channel)
        return event.encode_error(self.ids, channel.id, error, self.limit)

    def close(self, channel: ServerChannel) -> None:
        """Remove a channel; nothing is sent. Idempotent."""
        if not channel.open:
            return
        channel.open = False
        del self._channels[channel.peer, channel.id]
        load = self._load.pop(channel.account) - 1
        if load:
            self._load[channel.account] = load

    def all(self) -> list[ServerChannel]:
        """Every open channel."""
        return list(self._channels.values())

    def of_peer(self, peer: Hashable) -> list[ServerChannel]:
        """The open channels of a peer, to be closed and cancelled when it is gone."""
        return [channel for channel in self._channels.values() if channel.peer == peer]

    def tick(self, now: float) -> ServerTick:
        """Send heartbeats on channels older than half a heartbeat, and close those whose client fell silent."""
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
        account = self.account(peer, context)
        load = self._load.get(account, 0)
        if not self._has_room(load):
            return self._refuse(key, _too_many(load))
        frames = self.frames and found.header.get(event.FRAMES) is True
        channel = ServerChannel(peer, account, key, now, now + self.heartbeat, self.credit, frames)
        self._channels[peer, key] = channel
        self._load[account] = load + 1
        return ServerRequest(channel, found.name, list(found.args), context, size)

    def _has_room(self, load: int) -> bool:
        """Whether an account with so many requests under way may have one more. It may have FEW, whatever others have;
        else no more than are left of `total`, so that the first ones leave as much to those who come later."""
        return load < self.each and (load < FEW or load < self.total - len(self._channels))

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
        """Refuse an unreadable event if its envelope is readable, so that there is a channel to answer on."""
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


def _too_many(load: int) -> LimitExceeded:
    return LimitExceeded(
        f"{load} requests of yours are under way, and more may not now",
        remedy="wait for some of them to end",
        limit="requests",
    )
