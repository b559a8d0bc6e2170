"""Record what a transaction read of one space of a store, as conditions of its commit: rows, absences, ranges.

Pure: no I/O. Must not import anything of the filesystem.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from ...store import Batch

Bound = tuple[bool, bytes]
"""A bound of a range; open ends sort last."""


class TransactionOvertaken(Exception):
    """Others changed what a transaction read, so it can no longer be committed."""

    def __init__(self, space: str, key: bytes) -> None:
        super().__init__(space, key)
        self.space = space
        self.key = key


class RowMap:
    """Values by key, with the keys of a range in order."""

    __slots__ = ("_added", "_keys", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes | None] = {}
        self._keys: list[bytes] = []
        self._added: list[bytes] = []

    def put(self, key: bytes, value: bytes | None) -> None:
        if key not in self.values:
            self._added.append(key)
        self.values[key] = value

    def discard(self, key: bytes) -> None:
        if key in self.values:
            del self.values[key]
            self._keys, self._added = [], list(self.values)

    def between(self, start: bytes, end: bytes | None) -> list[bytes]:
        """Return the keys of a range (start <= key < end), in order."""
        if self._added:
            self._keys += self._added
            self._keys.sort()  # quick: most are in order
            self._added = []
        last = len(self._keys) if end is None else bisect_left(self._keys, end)
        return self._keys[bisect_left(self._keys, start) : last]


class Seen:
    """One space as a transaction read it. A second read with another result raises TransactionOvertaken.

    Rows of a `lasting` space never change once written, so they are not recorded, unless a range held them; then they
    are `bare`: recorded without their value.
    """

    def __init__(self, space: str, lasting: bool) -> None:
        self.space = space
        self.lasting = lasting
        self.rows = RowMap()
        self.bare: set[bytes] = set()
        self._starts: list[Bound] = []  # of the ranges, which neither overlap nor touch
        self._ends: list[Bound] = []

    def __len__(self) -> int:
        return len(self.rows.values)

    def knows(self, key: bytes) -> bool:
        """Whether the value of this key, or its absence, is already known."""
        return key not in self.bare and (key in self.rows.values or self.covers(key))

    def covers(self, key: bytes) -> bool:
        """Whether the key is in a range that was seen."""
        found = bisect_right(self._starts, (False, key)) - 1
        return found >= 0 and (False, key) < self._ends[found]

    def see(self, key: bytes, value: bytes | None, *, keep: bool = False) -> None:
        """Record that a key had this value. `keep`: record it in a lasting space too."""
        self._check(key, value)
        if keep or not self.lasting or value is None:
            self.bare.discard(key)
            self.rows.put(key, value)

    def see_range(self, start: bytes, end: bytes | None, page: dict[bytes, bytes], *, bare: bool = False) -> None:
        """Record that a range held these rows and no others; `bare`: record only their keys."""
        for key in self.rows.between(start, end):
            self._check(key, page.get(key))
        for key, value in page.items():
            self._check(key, value)
        for key, value in page.items():
            if not (bare or self.lasting):
                self.see(key, value)
            elif key not in self.rows.values:
                self.bare.add(key)
                self.rows.put(key, b"")
        self._cover((False, start), (end is None, end or b""))

    def _check(self, key: bytes, value: bytes | None) -> None:
        if key in self.bare:
            same = value is not None
        elif key in self.rows.values:
            same = value == self.rows.values[key]
        else:
            same = value is None or not self.covers(key)
        if not same:
            raise TransactionOvertaken(self.space, key)

    def _cover(self, start: Bound, end: Bound) -> None:
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def present(self, start: bytes, end: bytes | None) -> Iterable[bytes]:
        """Return the keys of a range that were seen to have a value, in order."""
        return (key for key in self.rows.between(start, end) if self.rows.values[key] is not None)

    def conditions(self, batch: Batch) -> None:
        """Add to a batch the conditions that all of this is unchanged."""
        for key, value in self.rows.values.items():
            if key in self.bare:
                batch.expect_count(self.space, key, key + b"\0", 1)
            else:
                batch.expect(self.space, key, value)
        for (_, start), (endless, end) in zip(self._starts, self._ends, strict=True):
            last = None if endless else end
            batch.expect_count(self.space, start, last, sum(1 for _ in self.present(start, last)))
