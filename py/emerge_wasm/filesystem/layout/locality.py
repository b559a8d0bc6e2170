"""Make uuids in order of time, and read keys that lie together as one range. Awaits a store and nothing else."""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

from ...store import Store, keys_of

PAGE_ROWS = 500
"""Rows of a space that are read at a time."""

PAGE_VERSIONS = 200
"""Rows of `versions` that are read at a time: small states are in them."""

FEW = 16
"""Number of keys up to which reading a range does not pay."""

PARENT = 16  # bytes of an entry's key that name its directory
MINUTE = 4  # bytes of a version's key that say, to about a minute, when its object was made


def fresh_uuids(count: int) -> list[bytes]:
    """Make uuids of version 7 (RFC 9562): 48 bits of milliseconds, then random bits."""
    moment, random = (time.time_ns() // 1_000_000).to_bytes(6, "big"), os.urandom(10 * count)
    return [
        b"%b%c%c%c%b"
        % (moment, 0x70 | random[at] & 15, random[at + 1], 0x80 | random[at + 2] & 63, random[at + 3 : at + 10])
        for at in range(0, 10 * count, 10)
    ]


def fresh_uuid() -> bytes:
    """Make one (see `fresh_uuids`)."""
    return fresh_uuids(1)[0]


def fresh_revisions(count: int) -> list[str]:
    """Make the stamps of so many changes: 32 random hexadecimal digits each."""
    random = os.urandom(16 * count).hex()
    return [random[at : at + 32] for at in range(0, 32 * count, 32)]


async def get_entries(store: Store, keys: Sequence[bytes]) -> list[bytes | None]:
    """Return the values of keys of `entries`, None where absent; each directory as of one moment."""
    return await _get(store, "entries", keys, PARENT)


async def get_versions(store: Store, keys: Sequence[bytes]) -> list[bytes | None]:
    """Return the values of keys of `versions`, None where absent."""
    return await _get(store, "versions", keys, MINUTE)


async def _get(store: Store, space: str, keys: Sequence[bytes], prefix: int) -> list[bytes | None]:
    """Read keys as `Store.get` does, but those that share their first `prefix` bytes as one range.

    A range may hold other rows too: at most twice as many rows as wanted are read, and the rest by key.
    Engines read a range several times faster than its keys one by one.
    """
    found: dict[bytes, bytes | None] = {}
    for _, group in groupby(sorted(keys), lambda key: key[:prefix]):
        wanted = list(group)
        if len(wanted) > FEW:
            limit = 2 * len(wanted)
            rows = await store.scan(space, wanted[0], wanted[-1] + b"\0", limit=limit)
            if len(rows) == limit:
                del wanted[bisect_right(wanted, rows[-1][0]) :]
            found.update(zip(wanted, map(dict(rows).get, wanted), strict=True))
    rest = [key for key in keys if key not in found]
    found.update(zip(rest, await store.get(keys_of(space, rest)), strict=True))
    return [found[key] for key in keys]
