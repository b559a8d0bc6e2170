"""The asking end of the channels: requests out; results, errors and stream items in.

A state machine without I/O: every method takes or returns bytes, and `now` (seconds, monotonic) where time matters.
The shell sends what it is given, feeds what it receives, and calls `tick` about twice per heartbeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from ..context import Wire
from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable
from . import event
from .event import ERR, HEARTBEAT, HEARTBEAT_SECONDS, MORE, OK, SIZE_LIMIT, STREAM, STREAM_DONE, Event, Ids

SLOTS = 100
"""Stream items granted ahead, as zerorpc does."""


class ReplyKind(Enum):
    """What happened on a channel. After RESULT, ERROR and DONE the channel is closed."""

    RESULT = "result"
    ITEM = "item"
    DONE = "done"
    ERROR = "error"


class Reply(NamedTuple):
    """`value` is the result, the item, None, or the EmergeError to raise."""

    channel: bytes
    kind: ReplyKind
    value: Any  # whatever the operation answers


class ClientTick(NamedTuple):
    """What a tick brought: `send` (payloads, in order) and `replies` (channels lost, as ERROR Unavailable)."""

    send: list[bytes]
    replies: list[Reply]


@dataclass(slots=True)
class _ClientChannel:
    name: str
    opened: float
    last: float  # when the other side was last heard
    granted: int  # events that it may still send
    unread: int = 0  # items delivered to the shell and not yet taken


@dataclass
class ClientProtocol:
    """The channels that one connection has open.

    `heartbeat` is in seconds, 0 for none; `limit` is the largest event in bytes; `credit` are the items that a stream
    may send before it is granted more, as both sides must have it. `dropped` counts what could not be read or belongs
    to no open channel (a late heartbeat is normal there).
    """

    heartbeat: float = HEARTBEAT_SECONDS
    slots: int = SLOTS
    limit: int = SIZE_LIMIT
    credit: int = 1
    dropped: int = 0
    ids: Ids = field(default_factory=Ids)
    _channels: dict[bytes, _ClientChannel] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, channel: object) -> bool:
        return channel in self._channels

    def request(
        self, name: str, args: Sequence[object], now: float, context: Wire | None = None
    ) -> tuple[bytes, bytes]:
        """Open a channel: (channel id, payload to send). Raises what `encode` does, LimitExceeded when too long.

        `context` is what the call says of itself (see `Context.narrowed`); without any, the header is zerorpc's.
        """
        channel = self.ids()
        payload = event.encode_request(channel, name, args, context)
        event.check_size(payload, self.limit)
        self._channels[channel] = _ClientChannel(name, now, now + self.heartbeat, self.credit)
        return channel, payload

    def receive(self, payload: bytes, now: float) -> list[Reply]:
        """What this message brought: nothing, or one reply. Never raises."""
        try:
            header, name = event.peek(payload)
        except EmergeError:
            self.dropped += 1
            return []
        key = header.get("response_to")
        if not isinstance(key, bytes) or key not in self._channels:
            self.dropped += 1
            return []
        if name in (HEARTBEAT, MORE):
            self._channels[key].last = max(self._channels[key].last, now)
            return []
        try:
            found = event.decode(payload, self.limit)
        except EmergeError as error:
            return [self._close(key, ReplyKind.ERROR, error)]
        return [self.take(key, found, now)]

    def take(self, key: bytes, found: Event, now: float) -> Reply:
        """What an event on an open channel brings (not a heartbeat)."""
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
        """The shell's consumer took one item: the grant to send for more, or None when enough are granted."""
        state = self._channels.get(channel)
        if state is None:
            return None
        state.unread -= 1
        if state.granted + state.unread >= self.slots // 2:
            return None
        more = self.slots - state.granted - state.unread
        state.granted += more
        return event.encode_on(self.ids, channel, MORE, [more])

    def end(self, channel: bytes) -> bytes | None:
        """Give a channel up: the payload that tells the other side, or None when it is closed already."""
        if self._channels.pop(channel, None) is None:
            return None
        return event.encode_end(self.ids, channel)

    def tick(self, now: float) -> ClientTick:
        """Beat on every channel that is older than half a heartbeat, and give up those whose peer fell silent."""
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
        """The connection is gone: every open channel ends with this error (each with its own: whoever raises it adds
        to its traceback)."""
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
            f"no sign of life for {3 * self.heartbeat:g} s while {state.name} was under way",
            remedy="it is unknown whether a change was made: look before you repeat it",
        )


def _copy(error: EmergeError) -> EmergeError:
    return type(error)(error.message, path=error.path, remedy=error.remedy, **error.details)
