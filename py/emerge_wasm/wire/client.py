"""The asking end of the channels: requests out; results, errors and stream items in.

A state machine without I/O: every method takes or returns bytes, and `now` (seconds, monotonic) where time matters.
The shell sends what it is given, feeds what it receives, and calls `tick` about twice per heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable, error_from_wire
from . import event
from .event import ERR, HEARTBEAT, HEARTBEAT_SECONDS, MORE, OK, SIZE_LIMIT, STREAM, STREAM_DONE, Ids

SLOTS = 100
"""Stream items granted ahead, as zerorpc does."""


class Kind(Enum):
    """What happened on a channel. After RESULT, ERROR and DONE the channel is closed."""

    RESULT = "result"
    ITEM = "item"
    DONE = "done"
    ERROR = "error"


class Outcome(NamedTuple):
    """`value` is the result, the item, None, or the EmergeError to raise."""

    channel: bytes
    kind: Kind
    value: Any


class Ticked(NamedTuple):
    """What a tick brought: `send` (payloads, in order) and `outcomes` (channels lost, as ERROR Unavailable)."""

    send: list[bytes]
    outcomes: list[Outcome]


@dataclass(slots=True)
class _Channel:
    name: str
    opened: float
    last: float  # when the other side was last heard
    granted: int = 1  # events that it may still send
    unread: int = 0  # items delivered to the shell and not yet taken


@dataclass
class ClientProtocol:
    """The channels that one connection has open.

    `heartbeat` is in seconds, 0 for none; `limit` is the largest event in bytes; `dropped` counts what could not
    be read or belongs to no open channel (a late heartbeat is normal there).
    """

    heartbeat: float = HEARTBEAT_SECONDS
    slots: int = SLOTS
    limit: int = SIZE_LIMIT
    dropped: int = 0
    ids: Ids = field(default_factory=Ids)
    _channels: dict[bytes, _Channel] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._channels)

    def request(
        self, name: str, args: list[Any], now: float, context: dict[str, Any] | None = None
    ) -> tuple[bytes, bytes]:
        """Open a channel: (channel id, payload to send). Raises what `encode` does, LimitExceeded when too long.

        `context` is what the call says of itself (see `Context.narrowed`); without any, the header is zerorpc's.
        """
        channel = self.ids()
        header: dict[str, Any] = {"message_id": channel, "v": 3}
        if context:
            header["context"] = context
        payload = event.encode(header, name, args)
        event.check_size(payload, self.limit)
        self._channels[channel] = _Channel(name, now, now + self.heartbeat)
        return channel, payload

    def receive(self, payload: bytes, now: float) -> list[Outcome]:
        """What this message brought: nothing, or one outcome. Never raises."""
        try:
            header, name = event.peek(payload)
        except EmergeError:
            self.dropped += 1
            return []
        key = header.get("response_to")
        if not isinstance(key, bytes) or key not in self._channels:
            self.dropped += 1
            return []
        channel = self._channels[key]
        channel.last = max(channel.last, now)
        if name in (HEARTBEAT, MORE):
            return []
        return [self._outcome(key, channel, payload)]

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
        return self._event(channel, MORE, [more])

    def end(self, channel: bytes) -> bytes | None:
        """Give a channel up: the payload that tells the other side, or None when it is closed already."""
        if self._channels.pop(channel, None) is None:
            return None
        return event.encode_end(self.ids, channel)

    def tick(self, now: float) -> Ticked:
        """Beat on every channel that is older than half a heartbeat, and give up those whose peer fell silent."""
        ticked = Ticked([], [])
        if not self.heartbeat:
            return ticked
        for channel, state in list(self._channels.items()):
            if now > state.last + 2 * self.heartbeat:
                ticked.outcomes.append(self._close(channel, Kind.ERROR, self._lost(state)))
            elif now >= state.opened + self.heartbeat / 2:
                ticked.send.append(self._event(channel, HEARTBEAT, [0]))
        return ticked

    def lose(self, error: EmergeError) -> list[Outcome]:
        """The connection is gone: every open channel ends with this error (each with its own: whoever raises it adds
        to its traceback)."""
        wire = error.to_wire()
        return [self._close(channel, Kind.ERROR, error_from_wire(wire)) for channel in list(self._channels)]

    def _outcome(self, key: bytes, channel: _Channel, payload: bytes) -> Outcome:
        try:
            found = event.decode(payload, self.limit)
        except EmergeError as error:
            return self._close(key, Kind.ERROR, error)
        if found.name == STREAM:
            return self._item(key, channel, found.args)
        if found.name == STREAM_DONE:
            return self._close(key, Kind.DONE, None)
        if found.name == OK and isinstance(found.args, list) and len(found.args) == 1:
            return self._close(key, Kind.RESULT, found.args[0])
        if found.name == ERR:
            return self._close(key, Kind.ERROR, event.read_error(found))
        return self._close(key, Kind.ERROR, Invalid(f"{channel.name} was answered with {found.name[:80]!r}"))

    def _item(self, key: bytes, channel: _Channel, item: Any) -> Outcome:
        channel.granted -= 1
        channel.unread += 1
        if channel.granted < 0:
            error = LimitExceeded(f"{channel.name} streamed more than it was granted", limit="stream credit")
            return self._close(key, Kind.ERROR, error)
        return Outcome(key, Kind.ITEM, item)

    def _close(self, channel: bytes, kind: Kind, value: Any) -> Outcome:
        self._channels.pop(channel, None)
        return Outcome(channel, kind, value)

    def _event(self, channel: bytes, name: str, args: list[Any]) -> bytes:
        return event.encode_on(self.ids, channel, name, args)

    def _lost(self, state: _Channel) -> Unavailable:
        return Unavailable(
            f"no sign of life for {3 * self.heartbeat:g} s while {state.name} was under way",
            remedy="it is unknown whether a change was made: look before you repeat it",
        )
