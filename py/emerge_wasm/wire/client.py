"""The client end of the protocol: sends requests, and receives results, errors and stream items.

A state machine without I/O: every method takes or returns bytes, and `now` (seconds, monotonic) where time matters.
The caller sends the returned bytes, feeds what it receives, and calls `tick` about twice per heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from ..context import Wire
from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable
from . import event
from .event import ERR, HEARTBEAT, HEARTBEAT_SECONDS, MORE, OK, SIZE_LIMIT, STREAM, STREAM_DONE, Event, Ids, Payload

SLOTS = 100
"""Stream items granted ahead, as zerorpc does."""


class ReplyKind(Enum):
    """The kind of a reply on a channel. RESULT, ERROR and DONE close the channel."""

    RESULT = "result"
    ITEM = "item"
    DONE = "done"
    ERROR = "error"


class Reply(NamedTuple):
    """A reply on a channel. `value` is the result, the item, None, or the EmergeError to raise."""

    channel: bytes
    kind: ReplyKind
    value: Any  # any type that an operation returns


class ClientTick(NamedTuple):
    """The outcome of a tick: payloads to `send`, in order, and `replies` (ERROR Unavailable) for lost channels."""

    send: list[bytes]
    replies: list[Reply]


@dataclass(slots=True)
class _ClientChannel:
    name: str
    opened: float
    last: float  # when the other side was last heard from
    granted: int  # items that the other side may still send
    slots: int  # items granted ahead
    unread: int = 0  # items delivered and not yet taken by the consumer
    unopened: bool = False  # its result is wanted as bytes


@dataclass
class ClientProtocol:
    """The channels that one connection has open.

    `peer` is what errors call the other side; `heartbeat` is in seconds, 0 for none; `limit` is the largest event in
    bytes; `credit` is the number of items that a stream may send before it is granted more, equal on both sides.
    `dropped` counts events that could not be read or belong to no open channel (late heartbeats are normal). `frames`:
    events may come in several frames; they go so once the other side has said that it takes them. `left`: so many of
    the channels that were closed here, the last, are known until the other side has closed them as well.
    """

    heartbeat: float = HEARTBEAT_SECONDS
    frames: bool = False
    peer: str = "the other side"
    slots: int = SLOTS
    limit: int = SIZE_LIMIT
    credit: int = 1
    dropped: int = 0
    left: int = 0
    ids: Ids = field(default_factory=Ids)
    _channels: dict[bytes, _ClientChannel] = field(default_factory=dict)
    _left: dict[bytes, int] = field(default_factory=dict)  # with the items that may still come
    _takes_frames: bool = False  # the other side does

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, channel: object) -> bool:
        return channel in self._channels

    def request(
        self,
        name: str,
        args: event.SentArguments,
        now: float,
        context: Wire | None = None,
        *,
        unopened: bool = False,
        slots: int = 0,
    ) -> tuple[bytes, Payload]:
        """Open a channel: return (channel id, payload to send).

        `context` is the call's context (see `Context.narrowed`); without one, the header is plain zerorpc. `unopened`:
        the result is wanted as an `Unopened`. `slots`: so many items are granted ahead (0: as of all streams).

        Raises:
            LimitExceeded: the event is too long.
            CannotShip, Invalid: a value cannot be encoded (see `encode`).
        """
        channel = self.ids()
        payload: Payload
        if self.frames:
            payload = event.encode_request_frames(channel, name, args, context, large=self._takes_frames)
        else:
            payload = event.encode_request(channel, name, args, context)
        event.check_size(payload, self.limit)
        self._channels[channel] = _ClientChannel(
            name, now, now + self.heartbeat, self.credit, slots or self.slots, unopened=unopened
        )
        return channel, payload

    def receive(self, payload: Payload, now: float) -> list[Reply]:
        """Take a message and return the reply in it, if any. Never raises."""
        try:
            header, name = event.peek(payload)
        except EmergeError:
            self.dropped += 1
            return []
        key = header.get("response_to")
        if not isinstance(key, bytes) or key not in self._channels:
            self.dropped += 1
            return []
        self._takes_frames |= event.FRAMES in header
        if name in (HEARTBEAT, MORE):
            self._channels[key].last = max(self._channels[key].last, now)
            return []
        try:
            if name == OK and self._channels[key].unopened:
                return [self._close(key, ReplyKind.RESULT, event.unopened(payload, self.limit))]
            found = event.decode(payload, self.limit)
        except EmergeError as error:
            return [self._close(key, ReplyKind.ERROR, error)]
        return [self.take(key, found, now)]

    def take(self, key: bytes, found: Event, now: float) -> Reply:
        """Turn an event on an open channel (not a heartbeat) into a reply."""
        channel = self._channels[key]
        channel.last = max(channel.last, now)
        match found.args:
            case [result] if found.name == OK:
                return self._close(key, ReplyKind.RESULT, result)
        if found.name == STREAM:
            return self._item(key, channel, found.args)
        if found.name == STREAM_DONE:
            return self._close(key, ReplyKind.DONE, None)
        if found.name == ERR:
            return self._close(key, ReplyKind.ERROR, event.read_error(found))
        return self._close(key, ReplyKind.ERROR, Invalid(f"{channel.name} was answered with {found.name[:80]!r}"))

    def took(self, channel: bytes) -> bytes | None:
        """Record that the consumer took one item. Return the grant to send, or None while enough are granted."""
        state = self._channels.get(channel)
        if state is None:
            return None
        state.unread -= 1
        if state.granted + state.unread >= (state.slots + 1) // 2:
            return None
        more = state.slots - state.granted - state.unread
        state.granted += more
        return event.encode_on(self.ids, channel, MORE, [more])

    def end(self, channel: bytes) -> bytes | None:
        """Close a channel. Return the payload that tells the other side, or None if it is closed already."""
        state = self._channels.pop(channel, None)
        if state is None:
            return None
        if self.left:
            if len(self._left) == self.left:
                del self._left[next(iter(self._left))]
            self._left[channel] = state.granted
        return event.encode_end(self.ids, channel)

    def late(self, channel: object, found: Event) -> bool:
        """Return whether an answer was under way when its channel was closed here (see `left`)."""
        if not isinstance(channel, bytes) or (items := self._left.pop(channel, None)) is None:
            return False
        if found.name != STREAM:
            return True
        if items > 0:
            self._left[channel] = items - 1
        return items > 0

    def tick(self, now: float) -> ClientTick:
        """Send heartbeats on channels older than half a heartbeat, and close those whose peer fell silent."""
        ticked = ClientTick([], [])
        if not self.heartbeat:
            return ticked
        for channel, state in list(self._channels.items()):
            if now > state.last + 2 * self.heartbeat:
                ticked.replies.append(self._close(channel, ReplyKind.ERROR, self._lost(state)))
            elif now >= state.opened + self.heartbeat / 2:
                ticked.send.append(event.encode_on(self.ids, channel, HEARTBEAT, [0]))
        return ticked

    def lose(self, error: EmergeError) -> list[Reply]:
        """End every open channel with this error: the connection is lost. Each gets a copy, since raising an error adds
        to its traceback."""
        self._takes_frames = False  # it may be another one next time
        return [self._close(channel, ReplyKind.ERROR, _copy(error)) for channel in list(self._channels)]

    def _item(self, key: bytes, channel: _ClientChannel, item: object) -> Reply:
        channel.granted -= 1
        channel.unread += 1
        if channel.granted < 0:
            error = LimitExceeded(f"{channel.name} streamed more than it was granted", limit="stream credit")
            return self._close(key, ReplyKind.ERROR, error)
        return Reply(key, ReplyKind.ITEM, item)

    def _close(self, channel: bytes, kind: ReplyKind, value: object) -> Reply:
        self._channels.pop(channel, None)
        return Reply(channel, kind, value)

    def _lost(self, state: _ClientChannel) -> Unavailable:
        return Unavailable(
            f"no sign of life from {self.peer} for {3 * self.heartbeat:g} s while {state.name} was under way",
            remedy="it is unknown whether a change was made: look before you repeat it",
            unknown=True,
        )


def _copy(error: EmergeError) -> EmergeError:
    return type(error)(error.message, path=error.path, remedy=error.remedy, **error.details)
