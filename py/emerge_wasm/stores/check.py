"""Checks that every engine makes before it touches anything, so that all refuse the same. Must not import an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import Conflict, Invalid, LimitExceeded, Unavailable
from ..store import SPACES, Batch, Capabilities, JoinRange, Key

BLOCK_FILE = re.compile(r"[0-9a-f]{8,}-[0-9a-f]+")
"""The name of a block's file."""

_SPACES = frozenset(SPACES)


def check_block_file(name: str) -> None:
    """Raise Invalid unless this is the name of a block's file: no path."""
    if BLOCK_FILE.fullmatch(name) is None:
        raise Invalid(f"{name[:80]!r} is not the name of a block's file")


def check_key(space: object, key: object) -> None:
    """Raise Invalid unless this is a known space and a bytes key."""
    if space not in _SPACES:
        raise Invalid(f"no space is called {space!r}", remedy="use one of " + ", ".join(SPACES))
    if type(key) is not bytes:
        raise Invalid(f"a key of space {space!r} must be bytes, not {type(key).__name__}")


def check_keys(keys: Sequence[Key]) -> None:
    """Raise Invalid unless every (space, key) is well-formed."""
    for space, key in keys:
        if space not in _SPACES or type(key) is not bytes:
            check_key(space, key)


def check_scan(space: str, start: bytes, end: bytes | None, limit: int) -> None:
    """Raise Invalid unless these are arguments of a scan."""
    check_key(space, start)
    check_key(space, start if end is None else end)
    if type(limit) is not int or limit < 0:
        raise Invalid(f"a scan's limit must be an integer from 0, not {limit!r}")


def check_join(space: str, ranges: Sequence[JoinRange], limit: int) -> None:
    """Raise Invalid unless these are arguments of a joined scan."""
    check_scan(space, b"", None, limit)
    for start, end, lookup in ranges:
        if type(start) is not bytes or type(end) is not bytes or lookup.space not in _SPACES:
            check_scan(space, start, end, limit)
            check_key(lookup.space, b"")


def check_batch(batch: Batch, capabilities: Capabilities) -> None:
    """Raise Invalid for a malformed batch, LimitExceeded for one above the capabilities."""
    if len(batch) > capabilities.largest_batch:
        raise LimitExceeded(
            f"a commit of {len(batch)} rows is above this store's {capabilities.largest_batch}",
            remedy="split it into several commits",
            limit="largest_batch",
        )
    largest = capabilities.largest_value
    check_keys(batch.deletes)
    for space, key, value in batch.puts:
        if space not in _SPACES or type(key) is not bytes or type(value) is not bytes or len(value) > largest:
            check_key(space, key)
            _check_value(space, value, largest)
    for space, key, expected in batch.expects:
        if space not in _SPACES or type(key) is not bytes or not (expected is None or type(expected) is bytes):
            check_key(space, key)
            raise Invalid(f"an expected value of space {space!r} must be bytes or None")
    for space, start, end, count in batch.counts:
        check_scan(space, start, end, 0)
        if type(count) is not int or not 0 <= count < 1 << 32 or (end is not None and start >= end):
            raise Invalid(f"a count of {count!r} keys in space {space!r} is none that a range can have")
    for space, value in batch.appends:
        check_key(space, b"")
        _check_value(space, value, largest)


def check_options(engine: str, options: Mapping[str, str], known: Sequence[str]) -> None:
    """Raise Invalid for an option of a store's URL that this engine does not have."""
    for name in options:
        if name not in known:
            raise Invalid(
                f"{engine}: stores have no option {name!r}",
                remedy="use " + ", ".join(known) if known else "leave it out",
            )


def changed(space: str, key: bytes) -> Conflict:
    """Return the error of an expectation that failed: of a key's value, or of a count from this key on."""
    return Conflict(f"the key {key.hex()} of {space} was changed meanwhile", space=space, key=key)


def closed(name: str) -> Unavailable:
    """Return the error of a store that is used after its close."""
    return Unavailable(f"the store {name} is closed", remedy="open it again")


def _check_value(space: str, value: object, largest: int) -> None:
    if type(value) is not bytes:
        raise Invalid(f"a value of space {space!r} must be bytes, not {type(value).__name__}")
    if len(value) > largest:
        raise LimitExceeded(
            f"a value of {len(value)} bytes in space {space!r} is above this store's {largest}",
            remedy="split it into smaller values",
            limit="largest_value",
        )
