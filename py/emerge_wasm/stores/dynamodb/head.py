"""The one sequence of a store's commits, as far as this process knows it.

DynamoDB commits a transaction's items one after the other, so for some milliseconds one may be visible and another not
yet; only reads that are transactions themselves are spared that. Commit n is *complete* once each of its items is
visible to consistent reads. Whoever writes commit n has made sure that n - 1 was complete. So all before the last one
are, and the head names the keys that the last one touched: it is complete as soon as those carry its number (or a later
one). A process knows its own commits to be complete when they are answered.
"""

from __future__ import annotations

import asyncio

from ...errors import Invalid, Unavailable
from .row import FORMAT, StoreHead, TableLayout, TouchedKey, place_of, read_head, read_row
from .table import DynamoDBTable


class CommitSequence:
    """What this process knows of the head: `done`, up to which all commits are complete, and the last head seen."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout) -> None:
        self.turn = asyncio.Lock()  # its holder is not disturbed by commits of this process
        self.done = 0
        self.last: StoreHead | None = None  # None: to be read
        self._table = table
        self._layout = layout

    async def read(self) -> StoreHead:
        """Read the head as it is now. Raises Unavailable when it is gone, Invalid when a newer Emerge has made it."""
        item = await self._table.get(self._layout.head())
        if item is None:
            raise Unavailable(
                f"the store {self._layout.prefix} in the DynamoDB table {self._table.name} is gone",
                remedy="open it again",
            )
        return self.saw(read_head(item))

    def saw(self, head: StoreHead) -> StoreHead:
        """Take note of a head that was just read."""
        if head.format > FORMAT:
            raise Invalid(
                f"the store {self._layout.prefix} in the DynamoDB table {self._table.name} has format {head.format},"
                f" this Emerge reads up to {FORMAT}",
                remedy="upgrade Emerge",
            )
        self.done = max(self.done, head.seq - 1)
        if self.last is not None and head.seq > self.last.seq:
            self.last = head
        return head

    def committed(self, head: StoreHead) -> None:
        """Take note of a commit of our own that was answered."""
        self.last = head
        self.done = max(self.done, head.seq)

    async def now(self) -> StoreHead:
        """Read the head as it is now, and wait until its commit is complete."""
        head = await self.read()
        await self.settle(head)
        return head

    async def reach(self, seq: int) -> None:
        """Wait until commit `seq`, of which something was seen, is complete."""
        if seq > self.done:
            head = await self.read()
            if seq > self.done:
                await self.settle(head)

    async def settle(self, head: StoreHead) -> None:
        """Wait until the head's commit is complete."""
        left = list(head.touched)
        backoff = self._table.backoff()
        while head.seq > self.done:
            items = await self._table.get_each([self._layout.row(each.space, each.key) for each in left])
            stamps = {place_of(item): read_row(item).stamp for item in items}
            left = [each for each in left if _pending(each, stamps.get((each.space, each.key)), head.seq)]
            if not left:
                self.done = max(self.done, head.seq)
            elif not await backoff.pause():
                raise Unavailable(f"a commit to the DynamoDB table {self._table.name} does not end", remedy="try again")


def _pending(touched: TouchedKey, stamp: int | None, seq: int) -> bool:
    """Return whether a key is not yet as commit `seq` made it; the mark of a deleted one may have been swept."""
    return touched.put if stamp is None else stamp < seq
