"""An overlay over a store: what a transaction has read and changed, kept in memory until it is committed.

Awaits the store below and nothing else. Must not import the filesystem's operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ...errors import Conflict, Invalid, LimitExceeded, Unavailable
from ...store import SPACES, Batch, Capabilities, Key, Store
from ..layout.record import VERSION_KEY_SIZE, KeyValue
from .seen import RowMap, Seen

ROWS_LIMIT = 100_000
BYTES_LIMIT = 256 << 20
LASTING = frozenset(("versions", "states", "bundles"))
"""Spaces whose rows never change once written."""

BASE_ROWS = 1000


class Overlay:
    """A store that shows the store below with all that was committed here.

    Nothing reaches the store below before the batch of `settle`. Appends are numbered only then: `commit` returns none.

    Raises:
        TransactionOvertaken: something has changed below since it was first read.
        LimitExceeded: more than `limit` rows were read and changed.
    """

    def __init__(self, base: Store, limit: int = ROWS_LIMIT) -> None:
        self.base = base
        self.limit = limit
        self._made = {space: RowMap() for space in SPACES}  # None: deleted
        self._seen = {space: Seen(space, space in LASTING) for space in SPACES}
        self._appends: list[tuple[str, bytes]] = []
        self.size = 0  # bytes put and appended here
        self._before: dict[Key, bytes | bool | None] | None = None  # what was made before an attempt; False: nothing
        self._closed = False

    @property
    def changes(self) -> int:
        """How many versions were made here."""
        return sum(len(value) // VERSION_KEY_SIZE for _, value in self._appends)

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.base.capabilities, durability="none", reopens=False, many_writers=False)

    # --- reading
    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        found = await self._read(keys)
        return [self._value(key, found) for key in keys]

    def _value(self, where: Key, found: dict[Key, bytes | None]) -> bytes | None:
        made = self._made[where[0]].values
        return made[where[1]] if where[1] in made else found[where]

    async def _read(self, keys: Sequence[Key], *, keep: bool = False) -> dict[Key, bytes | None]:
        """Read those keys that were not changed here, and note them as seen. `keep`: note lasting rows too."""
        found: dict[Key, bytes | None] = {}
        asked: list[Key] = []
        for space, key in keys:
            if self._seen[space].knows(key):
                found[space, key] = self._seen[space].rows.values.get(key)
            elif key not in self._made[space].values:
                asked.append((space, key))
        values = await self.base.get(asked) if asked else []
        self._check_room(
            len(
                [
                    1
                    for (space, _), value in zip(asked, values, strict=True)
                    if keep or value is None or space not in LASTING
                ]
            )
        )
        for (space, key), value in zip(asked, values, strict=True):
            self._seen[space].see(key, value, keep=keep)
            found[space, key] = value
        return found

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[KeyValue]:
        self._check_open()
        if limit == 0:
            return []
        made = self._made[space]
        while True:
            deleted = sum(made.values[key] is None for key in made.between(start, end))
            page = await self.base.scan(space, start, end, limit=limit + deleted, reverse=reverse)
            whole = len(page) < limit + deleted
            low, high = (start, end) if whole else _reached(page, start, end, reverse)
            rows = self._merge(space, low, high, dict(page))
            if whole or len(rows) >= limit:  # else more was deleted here meanwhile
                break
        if len(rows) >= limit:
            rows = (rows[::-1] if reverse else rows)[:limit]
            low, high = _reached(rows, start, end, reverse)
        elif reverse:
            rows = rows[::-1]
        self._see_range(space, low, high, page)
        return rows

    def _merge(self, space: str, start: bytes, end: bytes | None, rows: dict[bytes, bytes]) -> list[KeyValue]:
        """Return the rows of a range, in order, given the rows below."""
        made = self._made[space]
        for key in made.between(start, end):
            value = made.values[key]
            if value is not None:
                rows[key] = value
            else:
                rows.pop(key, None)
        return sorted(rows.items())

    def _see_range(
        self, space: str, start: bytes, end: bytes | None, page: Sequence[KeyValue], *, bare: bool = False
    ) -> None:
        if end is None or start < end:
            rows = {key: value for key, value in page if key >= start and (end is None or key < end)}
            seen = self._seen[space]
            self._check_room(sum(key not in seen.rows.values for key in rows))
            seen.see_range(start, end, rows, bare=bare)

    # --- changing
    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        self._check_limits(batch)
        found = await self._read([(space, key) for space, key, _ in batch.expects], keep=True)
        for space, start, end, _ in batch.counts:
            await self._see_keys(space, start, end)
        for space, key, expected in batch.expects:  # from here on nothing is awaited
            if self._value((space, key), found) != expected:
                raise changed(space, key)
        for space, start, end, count in batch.counts:
            below = dict.fromkeys(self._seen[space].present(start, end), b"")
            if len(self._merge(space, start, end, below)) != count:
                raise changed(space, start)
        self._take(batch)
        return []

    async def _see_keys(self, space: str, start: bytes, end: bytes | None) -> None:
        """Note which keys are in a range, whatever their values."""
        page: list[KeyValue] | None = None
        while page is None or len(page) == BASE_ROWS:
            page = await self.base.scan(space, start, end, limit=BASE_ROWS)
            after = page[-1][0] + b"\0" if len(page) == BASE_ROWS else end
            self._see_range(space, start, after, page, bare=True)
            start = after or b""

    def _take(self, batch: Batch) -> None:
        for space, key in batch.deletes:
            self._make(space, key, None)
        for space, key, value in batch.puts:
            self._make(space, key, value)
        self._appends += batch.appends
        self.size += _size(batch)

    def _make(self, space: str, key: bytes, value: bytes | None) -> None:
        made = self._made[space]
        if self._before is not None and (space, key) not in self._before:
            self._before[space, key] = made.values.get(key, False)
        made.put(key, value)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what is committed inside when an exception is raised. Attempts may be nested, but not concurrent."""
        appends, size, outer = len(self._appends), self.size, self._before
        self._before = before = dict[Key, bytes | bool | None]()
        try:
            yield
            if outer is not None:
                outer.update({key: value for key, value in before.items() if key not in outer})
        except BaseException:
            for (space, key), value in before.items():
                if isinstance(value, bool):
                    self._made[space].discard(key)
                else:
                    self._made[space].put(key, value)
            del self._appends[appends:]
            self.size = size
            raise
        finally:
            self._before = outer

    # --- the end
    def settle(self) -> Batch:
        """Return all changes as one batch for the store below, on the condition that everything read is unchanged."""
        batch = Batch()
        for seen in self._seen.values():
            seen.conditions(batch)
        for space, made in self._made.items():
            seen = self._seen[space]
            for key, value in made.values.items():
                if not seen.knows(key) or seen.rows.values.get(key) != value:
                    batch.put(space, key, value) if value is not None else batch.delete(space, key)
        for space in dict(self._appends):
            batch.append(space, b"".join(value for where, value in self._appends if where == space))
        return batch

    async def close(self) -> None:
        """Forget everything; the store below stays open."""
        self._closed = True
        for space in SPACES:
            self._made[space], self._seen[space] = RowMap(), Seen(space, space in LASTING)
        self._appends.clear()

    # --- limits
    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("this transaction is over", remedy="begin another")

    def _check_room(self, more: int) -> None:
        rows = more + sum(len(made.values) for made in self._made.values()) + sum(map(len, self._seen.values()))
        if rows > self.limit:
            raise _above(f"a transaction of more than {self.limit} rows read and changed", "transaction")

    def _check_limits(self, batch: Batch) -> None:
        limits = self.base.capabilities
        values = [value for _, _, value in batch.puts] + [value for _, value in batch.appends]
        if any(len(value) > limits.largest_value for value in values):
            raise _above(f"a value of more than {limits.largest_value} bytes", "largest_value")
        made = sum(len(made.values) for made in self._made.values())
        if made + len(batch) > limits.largest_batch:
            raise _above(f"a commit of more than {limits.largest_batch} rows", "largest_batch")
        if self.size + sum(map(len, values)) > BYTES_LIMIT:
            raise _above(f"a transaction of more than {BYTES_LIMIT >> 20} MiB", "transaction")
        for space, start, end, _ in batch.counts:
            if end is not None and start >= end:
                raise Invalid(f"no key of space {space!r} can be counted between {start!r} and {end!r}")
        self._check_room(len(batch))


def changed(space: str, key: bytes) -> Conflict:
    """Make the error of a failed expectation: of a key's value, or of a count from this key on."""
    return Conflict(f"the key {key.hex()} of {space} was changed meanwhile", space=space, key=key)


def _above(what: str, limit: str) -> LimitExceeded:
    return LimitExceeded(f"{what} is above what can be", remedy="do it in several transactions", limit=limit)


def _size(batch: Batch) -> int:
    return sum(len(value) for _, _, value in batch.puts) + sum(len(value) for _, value in batch.appends)


def _reached(rows: Sequence[KeyValue], start: bytes, end: bytes | None, reverse: bool) -> tuple[bytes, bytes | None]:
    """Return the part of a range that a page covers when it ended at its limit."""
    return (rows[-1][0], end) if reverse else (start, rows[-1][0] + b"\0")
