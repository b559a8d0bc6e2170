"""Read ranges of rows, each with the row that it leads to: as the engine offers it, else by scans and look-ups.

Awaits a store and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...store import JoinedRow, JoinedScan, JoinRange, Store


async def scan_joined(
    store: Store, space: str, ranges: Sequence[JoinRange], limit: int, reverse: bool = False
) -> list[JoinedRow]:
    """Return the first `limit` rows of these ranges, as `JoinedScan` does, by whichever way the store has."""
    offer: JoinedScan | None = getattr(store, "scan_joined", None)
    if offer is not None:
        return await offer(space, ranges, limit, reverse)
    return await join_rows(store, space, ranges, limit, reverse)


async def join_rows(
    store: Store, space: str, ranges: Sequence[JoinRange], limit: int, reverse: bool = False
) -> list[JoinedRow]:
    """Do the same by the contract of all stores: a row that is led to is read a moment after the row that leads there.

    Ranges that follow each other are read as one.
    """
    rows: list[tuple[int, bytes, bytes]] = []
    place = 0
    while place < len(ranges) and len(rows) < limit:
        last = place
        while not reverse and last + 1 < len(ranges) and ranges[last].meets(ranges[last + 1]):
            last += 1
        start, end = ranges[place].start, ranges[last].end
        if start < end:
            for key, value in await store.scan(space, start, end, limit=limit - len(rows), reverse=reverse):
                while key >= ranges[place].end:
                    place += 1
                rows.append((place, key, value))
        place = last + 1
    found = await store.get([ranges[place].lookup.key_of(key, value) for place, key, value in rows]) if rows else []
    return [(*row, led) for row, led in zip(rows, found, strict=True)]
