"""An event in several frames, so that large bytes are sent and received beside what holds them, and are not copied.

Joined, the frames are the event. Every other one, from the second on, is bytes that a value holds; the frame before it
ends with what msgpack writes before such bytes. So whoever gets them may as well join them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from operator import is_

from .. import codec
from ..codec.cost import COST_LIMIT
from ..codec.encoder import PLAIN
from ..codec.msgpack_engine import engine

EventFrames = list[bytes]

LARGE = 64 << 10
"""Bytes from which on a frame of their own costs less than to copy them; msgpack writes their length in four bytes."""

DEPTH, MOST_ROWS, MOST_KEYS = 6, 16, 64
"""How deep, and in how long lists and maps, large bytes are looked for: where blocks are, at little cost elsewhere."""

_TOKEN = os.urandom(16)  # stands for large bytes while the rest is encoded or decoded; nobody else knows it
_MARK = b"\xc4\x10" + _TOKEN
_LONG = re.compile(rb"\xc6(?=(....))", re.DOTALL)
_LOOKED_AT = frozenset({bytes, dict, list})
_HEAD = 5  # bytes before a large value: the type and the length


def encode_frames(value: object, limit: int) -> EventFrames:
    """Encode a value, with its large bytes in frames of their own; one frame if it has none."""
    if type(value) is list and PLAIN.issuperset(map(type, value)) and not any(map(_is_large, value)):
        return [codec.encode(value, limit=limit)]  # as the arguments of most calls are
    large: list[bytes] = []

    def take(data: bytes) -> bytes:
        if len(data) < LARGE:
            return data
        large.append(data)
        return _TOKEN

    rest = _Exchange(take).of(value)
    small = codec.encode(rest, limit=limit) if large else b""
    if not large or not _are_outside(small, len(large)):
        return [codec.encode(value, limit=limit)]
    parts = small.split(_MARK)
    frames: EventFrames = []
    for part, data in zip(parts, large, strict=False):
        frames += part + b"\xc6" + len(data).to_bytes(4, "big"), data
    return [*frames, parts[-1]] if parts[-1] else frames


def _are_outside(small: bytes, count: int) -> bool:
    """Whether all marks are outside of extensions, whose length would be another one with what they stand for."""
    found = 0

    def see(data: bytes) -> bytes:
        nonlocal found
        found += data == _TOKEN
        return data

    _Exchange(see).of(engine.unpackb(small, raw=False, strict_map_key=False, ext_hook=lambda code, data: None))
    return found == count == small.count(_MARK)


def may_have_large(data: bytes) -> bool:
    """Whether what msgpack wrote may hold large bytes; False is certain."""
    return len(data) > LARGE and any(
        LARGE <= int.from_bytes(found[1], "big") <= len(data) - found.start() - _HEAD for found in _LONG.finditer(data)
    )


def decode_frames(frames: Sequence[bytes], limit: int, cost: int | None = COST_LIMIT) -> object:
    """Decode a value. Raises as `codec.decode` does."""
    large, rest = list(frames[1::2]), list(frames[::2])
    if not large or not all(_announces(part, data) for part, data in zip(rest, large, strict=False)):
        return codec.decode(b"".join(frames), limit=limit, cost=cost)
    count = len(large)
    parts = [part[:-_HEAD] + _MARK for part in rest[:count]]
    left = iter(large)
    value = codec.decode(b"".join([*parts, *rest[count:]]), limit=limit, cost=cost)
    value = _Exchange(lambda data: next(left, b"") if data == _TOKEN else data).of(value)
    if next(left, None) is None:
        return value
    return codec.decode(b"".join(frames), limit=limit, cost=cost)  # they lie where this release does not look for them


def total(frames: Sequence[bytes]) -> int:
    return sum(map(len, frames))


def _announces(part: bytes, data: bytes) -> bool:
    return part[-_HEAD:] == b"\xc6" + len(data).to_bytes(4, "big")


def _is_large(value: object) -> bool:
    return type(value) is bytes and len(value) >= LARGE


class _Exchange:
    """Exchanges bytes in a value by a function, as far as they are looked for. What is met twice stays one."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self._change = change
        self._done: dict[int, object] = {}

    def of(self, value: object, depth: int = DEPTH) -> object:
        """Return the value with its bytes exchanged; itself where none is."""
        if type(value) is bytes:
            return self._change(value)
        if depth and type(value) is dict and len(value) <= MOST_KEYS:
            if _LOOKED_AT.isdisjoint(map(type, value.values())):
                return value
            return self._once(value, lambda: _rebuilt(value, [self.of(each, depth - 1) for each in value.values()]))
        if depth and type(value) is list and len(value) <= MOST_ROWS:
            return self._once(value, lambda: _rebuilt(value, [self.of(each, depth - 1) for each in value]))
        return value

    def _once(self, value: object, make: Callable[[], object]) -> object:
        if id(value) not in self._done:
            self._done[id(value)] = make()
        return self._done[id(value)]


def _rebuilt(value: dict[object, object] | list[object], items: list[object]) -> object:
    held = value.values() if isinstance(value, dict) else value
    if all(map(is_, items, held)):
        return value
    return dict(zip(value, items, strict=True)) if isinstance(value, dict) else items
