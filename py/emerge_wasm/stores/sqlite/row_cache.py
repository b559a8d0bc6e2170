"""What was read of a file lately, so that the same key is not looked up again. Knows no files, threads or loops.

All commits to the file pass by here, before they begin and after they end. What one of them writes is not kept
meanwhile, so whatever is kept is the same before it and after it: together with what is read from the file at any
moment between, it is what the file was at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...store import Batch, Key

LARGEST = 64 << 10
"""Bytes of a value up to which it is kept."""

ROW = 200
"""Bytes that a kept row takes beside its key and value, about."""

FEW = 4000
"""Rows of a group of commits up to which they are looked at; for more, nothing is kept."""


EMPTY = 1000
"""Ranges without rows that are kept."""


class RowCache:
    """Values by key, None where the file has none, and ranges of keys that have none; the oldest values are dropped
    beyond `most` bytes."""

    def __init__(self, most: int) -> None:
        self.rows: dict[Key, bytes | None] = {}
        """To be read by its owner, and changed here alone."""
        self.empty: set[tuple[str, bytes, bytes]] = set()
        """Ranges of a space without rows: start <= key < end; likewise."""
        self._most = most
        self._size = 0
        self._changing: set[Key] = set()
        self._all_change = False
        self._counted: set[str] = set()  # spaces with appends, whose keys nobody knows before
        self._filling: set[str] = set()  # spaces that a commit writes to

    def keep(self, keys: Sequence[Key], values: Iterable[bytes | None]) -> None:
        """Keep what was read from the file just now, as far as no commit that has begun changes it."""
        if self._all_change:
            return
        for key, value in zip(keys, values, strict=True):
            size = 0 if value is None else len(value)
            if size > LARGEST or key in self._changing or key in self.rows or key[0] in self._counted:
                continue
            self.rows[key] = value
            self._size += ROW + len(key[1]) + size
        while self._size > self._most:
            self._drop(next(iter(self.rows)))

    def keep_empty(self, space: str, start: bytes, end: bytes) -> None:
        """Keep that a range has no rows, as was read just now, unless a commit that has begun writes to its space."""
        if self._all_change or space in self._filling or space in self._counted:
            return
        if len(self.empty) >= EMPTY:
            self.empty.clear()
        self.empty.add((space, start, end))

    def expected(self, group: Iterable[Batch]) -> dict[Key, bytes | None]:
        """Return what is kept of the rows on which commits have conditions."""
        rows = self.rows
        keys = ((space, key) for batch in group for space, key, _ in batch.expects)
        return {key: rows[key] for key in keys if key in rows}

    def begin(self, group: Iterable[Batch]) -> None:
        """Commits begin: what they write is kept no more, until `end`."""
        batches = list(group)
        for space in {space for batch in batches for space, _ in batch.appends} - self._counted:
            self._counted.add(space)
            self._forget(key for key in list(self.rows) if key[0] == space)
        if sum(map(len, batches)) > FEW:
            self._all_change = True
            self.rows.clear()
            self.empty.clear()
            self._size = 0
            return
        self._filling |= {space for batch in batches for space, _, _ in batch.puts}
        if self.empty:
            written = self._filling | self._counted
            self.empty.difference_update([each for each in self.empty if each[0] in written])
        for batch in batches:
            self._changing.update(batch.deletes)
            self._changing.update((space, key) for space, key, _ in batch.puts)
        self._forget(self._changing)

    def end(self) -> None:
        """They have ended, and whatever is read from now on shows it."""
        self._all_change = False
        self._changing.clear()
        self._filling.clear()

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self.rows:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        self._size -= ROW + len(key[1]) + len(self.rows.pop(key) or b"")
