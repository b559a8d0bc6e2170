"""Write groups of batches to S3, each in one durable write of slatedb.

Each store has one writer and nobody else writes (a second opener fences the first), so conditions are compared and log
numbers given here, and hold when the write does.
"""

from __future__ import annotations

from ...errors import EmergeError
from ...store import Batch, Key
from ..check import changed
from ..group_commit import CommitResult, MergedBatches, appended, needed
from .database import SlateDatabase
from .value import from_row, to_row

_COUNTER = b"\0last\0"


def row_key(space: str, key: bytes) -> bytes:
    """Return a row's key: rows of a space lie together, in the order of their keys."""
    return space.encode() + b"\0" + key


class S3Writer:
    """Writes groups of batches, in which a `LargeValue` may stand for a value."""

    def __init__(self, database: SlateDatabase) -> None:
        self._database = database
        self._counters: dict[str, int] = {}

    async def write(self, batches: list[Batch]) -> list[CommitResult]:
        """Write these batches; a result for each. Raises EmergeError when none of them was written."""
        await self._database.settle()  # before anything is compared
        held, counters = await self._held(batches), await self._last(appended(batches))
        merged = MergedBatches(held, counters)
        answers = [await self._add(merged, batch) for batch in batches]
        rows = {row_key(*key): value if value is None else to_row(value) for key, value in merged.rows.items()}
        if rows or any(
            batch.expects or batch.counts for batch in batches
        ):  # a write shows that what was compared holds
            given = {space: last for space, last in merged.counters.items() if last != counters[space]}
            rows |= {_COUNTER + space.encode(): last.to_bytes(8, "big") for space, last in given.items()}
            await self._write(rows, given)
        return answers

    async def _write(self, rows: dict[bytes, bytes | None], counters: dict[str, int]) -> None:
        try:
            await self._database.write(rows)
        except EmergeError:
            self._counters.clear()  # read anew: it may be that they hold
            raise
        self._counters |= counters

    async def _held(self, batches: list[Batch]) -> dict[Key, bytes | None]:
        keys = needed(batches)
        rows = await self._database.get([row_key(*key) for key in keys]) if keys else []
        return {key: row if row is None else from_row(row) for key, row in zip(keys, rows, strict=True)}

    async def _last(self, spaces: list[str]) -> dict[str, int]:
        """Return the last number given in each of these spaces."""
        unknown = [space for space in spaces if space not in self._counters]
        if unknown:
            rows = await self._database.get([_COUNTER + space.encode() for space in unknown])
            self._counters |= {
                space: int.from_bytes(row or b"", "big") for space, row in zip(unknown, rows, strict=True)
            }
        return {space: self._counters[space] for space in spaces}

    async def _add(self, merged: MergedBatches, batch: Batch) -> CommitResult:
        for space, start, end, count in batch.counts:
            if await self._count(merged, space, start, end, count) != count:
                answer = merged.add(Batch(expects=batch.expects))  # which come first
                return answer if isinstance(answer, BaseException) else changed(space, start)
        return merged.add(batch)

    async def _count(self, merged: MergedBatches, space: str, start: bytes, end: bytes | None, enough: int) -> int:
        """Count the keys of a range, up to more than `enough`, after the batches that were added."""
        pending = {
            key: value is not None
            for (held, key), value in merged.rows.items()
            if held == space and key >= start and (end is None or key < end)
        }
        first, last = row_key(space, start), row_key(space, end) if end is not None else space_end(space)
        found = await self._database.scan(first, last, enough + len(pending) + 1)
        skip = len(space) + 1
        return sum(pending.values()) + sum(key[skip:] not in pending for key, _ in found)


def space_end(space: str) -> bytes:
    """Return the first row's key after all of a space."""
    return space.encode() + b"\1"
