"""A store in this process's memory: for tests, and for a filesystem that need not outlive it.

The plainest reading of the contract. Must not import anything that Pyodide lacks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence

from ..store import SPACES, Batch, Capabilities, Key
from .check import changed, check_batch, check_keys, check_options, check_scan, closed

_MANY = 64  # new keys of one commit above which sorting once beats inserting each


class _Space:
    """One space: its rows, its keys in order, and the last number that an append got."""

    __slots__ = ("keys", "last", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []
        self.last = 0

    def put(self, rows: Mapping[bytes, bytes]) -> None:
        new = [key for key in rows if key not in self.rows]
        self.rows.update(rows)
        if len(new) > _MANY:
            self.keys += new
            self.keys.sort()
        else:
            for key in new:
                insort(self.keys, key)

    def span(self, start: bytes, end: bytes | None) -> tuple[int, int]:
        """Return where in `keys` the range begins and ends."""
        first = bisect_left(self.keys, start)
        return first, len(self.keys) if end is None else max(first, bisect_left(self.keys, end))

    def delete(self, key: bytes) -> None:
        if self.rows.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


class MemoryStore:
    """A store of URL `memory:`. Nothing outlives it, and nothing is awaited inside, so each call is atomic."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(
            durability="none",
            reopens=False,
            many_writers=False,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
            reads_wait=False,
        )
        self._spaces = {space: _Space() for space in SPACES}
        self._closed = False

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> MemoryStore:
        """Make a new, empty store. Raises Invalid for any option."""
        check_options("memory", options, ())
        return cls()

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        return [self._spaces[space].rows.get(key) for space, key in keys]

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        keys, rows = self._spaces[space].keys, self._spaces[space].rows
        first, last = self._spaces[space].span(start, end)
        page = keys[max(first, last - limit) : last][::-1] if reverse else keys[first : min(last, first + limit)]
        return [(key, rows[key]) for key in page]

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        for space, key, expected in batch.expects:
            if self._spaces[space].rows.get(key) != expected:
                raise changed(space, key)
        for space, start, end, count in batch.counts:
            first, last = self._spaces[space].span(start, end)
            if last - first != count:
                raise changed(space, start)
        for space, key in batch.deletes:
            self._spaces[space].delete(key)
        puts: dict[str, dict[bytes, bytes]] = {}
        for space, key, value in batch.puts:
            puts.setdefault(space, {})[key] = value
        numbers = []
        for space, value in batch.appends:
            self._spaces[space].last += 1
            numbers.append(self._spaces[space].last)
            puts.setdefault(space, {})[numbers[-1].to_bytes(8, "big")] = value
        for space, rows in puts.items():
            self._spaces[space].put(rows)
        return numbers

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise closed("memory:")
