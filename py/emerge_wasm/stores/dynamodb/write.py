"""Write groups of batches to DynamoDB: a group becomes one transaction.

Every commit changes the store's head, on condition that it is still the one that the commit was made from, and so all
commits of a store form one sequence: whatever was read after the head, and complete (see `head`), still holds
when the transaction is done.

Usually nothing is read at all: each expectation of the batches is presumed to hold, and made a condition of its row.
When that fails, or is impossible (counts, large or too many expectations), the rows are read, and the head alone is the
condition.
"""

from __future__ import annotations

from ...errors import Unavailable
from ...store import Batch, Key
from ..check import changed
from ..group_commit import CommitResult, MergedBatches, appended, needed
from .head import CommitSequence
from .row import (
    KEY_LIMIT,
    DynamoDBRow,
    Item,
    MovedValue,
    RowChanged,
    StoreHead,
    TableLayout,
    TouchedKey,
    place_of,
    read_head,
    read_row,
    span,
)
from .table import DynamoDBTable, TransactionCancelled
from .value import KEEP, ValueUpload, doom_name, doomed, read_moved

ROWS = 97
"""Rows of one commit: a transaction has 100 items, of which the head and two records of what is doomed are three."""

BUDGET = 2_500_000
"""Bytes of the values in the rows of one transaction, of at most 4 MB."""

CONDITIONED = 2_900_000
"""The same with the values expected."""

SMALL = 24 << 10
"""Bytes up to which a value always stands in its row, and can be a condition: so a whole batch of them fits."""

LARGE = 300 << 10
"""Bytes above which it never does: an item has at most 400 KiB."""


def weigh(batch: Batch) -> int:
    """Return how much of a transaction's ROWS a batch takes up, by its rows and conditions or by its bytes.

    A batch with counts takes up a whole transaction.
    """
    written = {(space, key) for space, key, _ in batch.puts}.union(batch.deletes)
    items = len(batch) + sum((space, key) not in written for space, key, _ in batch.expects)
    size = sum(len(value) for _, _, value in batch.puts) + sum(len(value) for _, value in batch.appends)
    size += sum(len(value) for _, _, value in batch.expects if value)
    return ROWS if batch.counts else max(items, -(-size * ROWS // BUDGET))


class DynamoDBWriter:
    """Writes groups, one at a time."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout, commits: CommitSequence) -> None:
        self._table = table
        self._layout = layout
        self._commits = commits

    async def write(self, batches: list[Batch]) -> list[CommitResult]:
        """Write these batches, which weigh at most ROWS together unless there is only one; a result for each."""
        plan = TransactionPlan(self._table, self._layout, batches)
        backoff = self._table.backoff()
        while True:
            async with self._commits.turn:
                if await self._try(plan):
                    return plan.answers
            if not await backoff.pause():
                raise Unavailable(
                    f"too many write to the DynamoDB table {self._table.name} at once", remedy="try again"
                )

    async def _try(self, plan: TransactionPlan) -> bool:
        """Make one attempt; return whether it is done, else it must be tried again."""
        head = self._commits.last or await self._commits.read()
        await self._commits.settle(head)
        try:
            new, items = await plan.make(head)
            if items:
                await self._table.transact(items)
                self._commits.committed(new)
        except RowChanged:
            self._commits.last = None
            return False
        except TransactionCancelled as cancelled:
            plan.reading = plan.reading or not cancelled.failed(0)
            found = cancelled.reasons[0].get("Item") if cancelled.failed(0) else None
            self._commits.last = self._commits.saw(read_head(found)) if found else None
            return False
        return True


class TransactionPlan:
    """The transaction of a group on top of a head, and the `answers` to its batches."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout, batches: list[Batch]) -> None:
        self.reading = any(_must_read(batch) for batch in batches)
        self.answers: list[CommitResult] = []
        self._table = table
        self._layout = layout
        self._batches = batches
        self._upload = ValueUpload(table, layout)

    async def make(self, head: StoreHead) -> tuple[StoreHead, list[Item]]:
        """Return the next head, and the items of the transaction that leads to it: none when nothing is to be written.

        Raises RowChanged when the head is not the last one any more.
        """
        counters = {space: head.counters.get(space, 0) for space in appended(self._batches)}
        if not self.reading:
            merged = MergedBatches(_assumed(self._batches), counters)
            self.answers = [merged.add(batch) for batch in self._batches]
            if _fits(merged):
                return (
                    await self._transaction(head, merged, merged.used, {}) if merged.rows or merged.used else (head, [])
                )
            self.reading = True
        rows = await self._read(counters)
        merged = MergedBatches({place: await self._value(rows.get(place)) for place in needed(self._batches)}, counters)
        self.answers = [merged.add(batch) for batch in self._batches]
        await self._count()
        if not any(_does_something(*each) for each in zip(self._batches, self.answers, strict=True)):
            return head, []
        return await self._transaction(head, merged, None, rows)

    async def _read(self, counters: dict[str, int]) -> dict[Key, DynamoDBRow]:
        """Read the rows that the group expects or writes, as far as they exist: they stay so while the head does."""
        places = needed(self._batches)
        for batch in self._batches:
            places += [(space, key) for space, key, _ in batch.puts] + batch.deletes
            places += [(space, (counters[space] + number).to_bytes(8, "big")) for number, space in _numbered(batch)]
        keys = [self._layout.row(*place) for place in dict.fromkeys(places) if len(place[1]) <= KEY_LIMIT]
        return {place_of(item): read_row(item) for item in await self._table.get_each(keys)}

    async def _value(self, row: DynamoDBRow | None) -> bytes | None:
        if row is None:
            return None
        if not isinstance(row.value, MovedValue):
            return row.value
        value = await read_moved(self._table, self._layout, row.value)
        if value is None:
            raise RowChanged
        return value

    async def _count(self) -> None:
        """Fail a batch whose counts do not hold. It is alone, but for empty ones."""
        for number, batch in enumerate(self._batches):
            if isinstance(self.answers[number], list):
                for space, start, end, count in batch.counts:
                    if await self._has(space, start, end, count + 1) != count:
                        self.answers[number] = changed(space, start)
                        break

    async def _has(self, space: str, start: bytes, end: bytes | None, enough: int) -> int:
        """Count the keys in a range; once there are `enough`, it may stop."""
        between = span(start, end)
        if between is None:
            return 0
        query = self._layout.between(space, *between) | {
            "Select": "COUNT",
            "FilterExpression": "attribute_exists(v) OR attribute_exists(x)",
        }
        found = 0
        while found < enough:
            page = await self._table.query(query)
            found += page["Count"]
            if "LastEvaluatedKey" not in page:
                break
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        return found

    async def _transaction(
        self, head: StoreHead, merged: MergedBatches, used: dict[Key, bytes | None] | None, rows: dict[Key, DynamoDBRow]
    ) -> tuple[StoreHead, list[Item]]:
        """Make the transaction: without having read, on condition that rows hold what is in `used`; or (None) having
        read `rows`, on no other condition than the head's."""
        touched = [place for place in merged.rows if len(place[1]) <= KEY_LIMIT]
        new = StoreHead(
            head.seq + 1,
            head.counters | merged.counters,
            [TouchedKey(*place, merged.rows[place] is not None) for place in touched],
        )
        values, unused = await self._placed({place: merged.rows[place] for place in touched})
        items = [self._layout.advance(head, new)]
        for place, value in values.items():
            items.append(self._layout.write(place, value, new.seq, _condition(place, used)))
        for place in used or {}:
            if place not in values and len(place[1]) <= KEY_LIMIT:
                items.append(self._layout.check(place, _condition(place, used)))
        old = [row.value for place, row in rows.items() if place in values and isinstance(row.value, MovedValue)]
        return new, items + self._doomed(old + unused, [place for place in touched if values[place] is None], new.seq)

    async def _placed(
        self, rows: dict[Key, bytes | None]
    ) -> tuple[dict[Key, bytes | MovedValue | None], list[MovedValue]]:
        """Return the rows with their large values moved out, and the values that were moved before in vain."""
        room = BUDGET - sum(len(value) for value in rows.values() if value and len(value) <= SMALL)
        large: list[Key] = []
        for place, value in rows.items():
            if value and len(value) > SMALL:
                room -= len(value)
                if len(value) > LARGE or room < 0:
                    room += len(value)
                    large.append(place)
        moved = await self._upload.move([rows[place] or b"" for place in large])
        unused = [each for each in self._upload.written if each not in moved]
        return {**rows, **dict(zip(large, moved, strict=True))}, unused

    def _doomed(self, values: list[MovedValue], marks: list[Key], seq: int) -> list[Item]:
        """Return the items of the transaction that doom what it leaves behind, and spare what it points to."""
        items: list[Item] = []
        if values or marks:
            record = doomed(self._layout, doom_name(KEEP), values, marks, seq)
            items.append({"Put": {"TableName": self._layout.table, "Item": record}})
        if self._upload.name:
            unclaimed = "attribute_exists(d) AND attribute_not_exists(claimed)"
            key = self._layout.doomed(self._upload.name)
            items.append({"Delete": {"TableName": self._layout.table, "Key": key, "ConditionExpression": unclaimed}})
        return items


def _must_read(batch: Batch) -> bool:
    return bool(batch.counts) or any(value is not None and len(value) > SMALL for _, _, value in batch.expects)


def _assumed(batches: list[Batch]) -> dict[Key, bytes | None]:
    """Return what the rows hold if the first expectation of each is right. No row has a key above the limit."""
    held: dict[Key, bytes | None] = {}
    for batch in batches:
        for space, key, value in batch.expects:
            held.setdefault((space, key), value if len(key) <= KEY_LIMIT else None)
    return held


def _fits(merged: MergedBatches) -> bool:
    """Return whether the rows, and the conditions on others, are few and small enough for one transaction."""
    values = [*merged.rows.values(), *merged.used.values()]
    size = sum(len(value) for value in values if value and len(value) <= SMALL)
    size += min(BUDGET, sum(len(value) for value in values if value and len(value) > SMALL))
    return len(merged.rows.keys() | merged.used.keys()) <= ROWS and size <= CONDITIONED


def _does_something(batch: Batch, answer: CommitResult) -> bool:
    return isinstance(answer, list) and bool(len(batch) or batch.expects or batch.counts)


def _numbered(batch: Batch) -> list[tuple[int, str]]:
    """Return (how many of its space so far, space) of each append."""
    found: dict[str, int] = {}
    numbers = []
    for space, _ in batch.appends:
        found[space] = found.get(space, 0) + 1
        numbers.append((found[space], space))
    return numbers


def _condition(place: Key, used: dict[Key, bytes | None] | None) -> tuple[str, bytes | None] | None:
    """Return the condition of a row written unread: it holds what is expected, or at least leaves no pieces behind."""
    if used is None:
        return None
    if place not in used:
        return "attribute_not_exists(x)", None
    value = used[place]
    return ("attribute_not_exists(v) AND attribute_not_exists(x)", None) if value is None else ("v = :e", value)
