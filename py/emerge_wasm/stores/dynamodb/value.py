"""Values too large for their rows, in pieces of their own; and the sweeping of pieces that no row points to any more.

Pieces are written before the transaction whose row points to them, and never changed. Before them a record is written
that dooms them in an hour. The transaction deletes that record, and makes one for the pieces (and the marks of deleted
keys) that it leaves behind. So whatever a killed process leaves is swept by whoever opens the store next.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Sequence

import msgpack

from ...store import Key
from .row import Item, MovedValue, TableLayout
from .table import DynamoDBTable

PIECE = 350 << 10  # bytes: an item has at most 400 KiB
UPLOAD = 3600.0  # seconds in which a commit must have come that points to pieces
KEEP = 600.0  # seconds for which what was left behind stays, for those who are just reading it
_PART = 25  # pieces asked for at once: at most 16 MB are answered


class ValueUpload:
    """The large values of one commit, written ahead of it."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout) -> None:
        self._table = table
        self._layout = layout
        self.name = b""  # sort key of the record that dooms them; none until there is one
        self.written: list[MovedValue] = []
        self._of: dict[int, list[MovedValue]] = {}  # by the value's id(), which lives as long as the commit

    async def move(self, values: Sequence[bytes]) -> list[MovedValue]:
        """Write these values, unless written before, and return their places (a value that stands twice has two)."""
        taken = {each: list(moved) for each, moved in self._of.items()}
        found = [taken[id(value)].pop() if taken.get(id(value)) else None for value in values]
        missing = [value for value, moved in zip(values, found, strict=True) if moved is None]
        fresh = iter(await self._write(missing) if missing else ())
        return [moved or next(fresh) for moved in found]

    async def _write(self, values: Sequence[bytes]) -> list[MovedValue]:
        moved = [MovedValue(os.urandom(16), len(value), max(1, -(-len(value) // PIECE))) for value in values]
        self.written += moved
        self.name = self.name or doom_name(UPLOAD)
        await self._table.put_each([doomed(self._layout, self.name, self.written, (), 0)])
        for value, each in zip(values, moved, strict=True):
            pieces = [value[first : first + PIECE] for first in range(0, len(value), PIECE)] or [b""]
            await self._table.put_each(
                [self._layout.piece(each.id, number) | {"v": {"B": piece}} for number, piece in enumerate(pieces)]
            )
            self._of.setdefault(id(value), []).append(each)
        return moved


async def read_moved(table: DynamoDBTable, layout: TableLayout, moved: MovedValue) -> bytes | None:
    """Read a value; returns None when its pieces were swept."""
    keys = [layout.piece(moved.id, number) for number in range(moved.pieces)]
    parts = [keys[first : first + _PART] for first in range(0, len(keys), _PART)]
    pieces = {}
    for part in parts:
        for item in await table.get_each(part):
            pieces[bytes(item["sk"]["B"])] = bytes(item["v"]["B"])
    value = b"".join(pieces[number] for number in sorted(pieces))
    return value if len(pieces) == moved.pieces and len(value) == moved.size else None


def doom_name(delay: float) -> bytes:
    """Make a sort key for a record of what is to be deleted in so many seconds: by time, then chance."""
    return round((time.time() + delay) * 1000).to_bytes(8, "big") + os.urandom(8)


def doomed(layout: TableLayout, name: bytes, values: Iterable[MovedValue], marks: Iterable[Key], seq: int) -> Item:
    """Make the record that dooms pieces, and the marks that commit `seq` left of the keys it deleted."""
    return layout.doomed(name) | {"d": {"B": msgpack.packb([list(values), list(marks), seq])}}


class Sweeper:
    """Deletes, now and then, what is doomed."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout) -> None:
        self._table = table
        self._layout = layout

    async def sweep(self, now: float) -> int:
        """Delete all that was doomed until `now` (seconds since 1970); return the number of its records."""
        count = 0
        query = self._layout.between("doomed", b"\0", round(now * 1000).to_bytes(8, "big"))
        while True:
            page = await self._table.query(query)
            for item in page["Items"]:
                count += await self._sweep_record(item)
            if "LastEvaluatedKey" not in page:
                return count
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _sweep_record(self, item: Item) -> bool:
        """Claim a record and delete what it dooms: no commit can point to that any more, as it expects no claim."""
        key = {"pk": item["pk"], "sk": item["sk"]}
        claim = {"TableName": self._table.name, "Key": key, "ConditionExpression": "attribute_exists(d)"}
        if not await self._table.attempt("update_item", claim | {"UpdateExpression": "SET claimed = d"}):
            return False
        values, marks, seq = msgpack.unpackb(bytes(item["d"]["B"]))
        for moved in (MovedValue(*each) for each in values):
            await self._table.delete_each([self._layout.piece(moved.id, number) for number in range(moved.pieces)])
        await asyncio.gather(*[self._sweep_mark((space, place), seq) for space, place in marks])
        await self._table.delete_each([key])
        return True

    async def _sweep_mark(self, place: Key, seq: int) -> None:
        await self._table.attempt(
            "delete_item",
            {
                "TableName": self._table.name,
                "Key": self._layout.row(*place),
                "ConditionExpression": "s = :s AND attribute_not_exists(v) AND attribute_not_exists(x)",
                "ExpressionAttributeValues": {":s": {"N": str(seq)}},
            },
        )
