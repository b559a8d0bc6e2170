"""Receipts: the version, arguments and result of each run, so that a result can be explained and repeated.

Space receipts: uuid + microseconds (8) + random (8) -> the receipt. That of a run that made a version is in its commit;
the others are written together a moment later. When the process dies in that moment they are lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from ...codec.msgpack_engine import engine
from ...errors import Invalid
from ...operations import Context
from ...results import RunReceipt, RunReceipts
from ...store import Batch, Key, Store, prefix_end
from ..core import Core, Part
from ..layout.record import Entry, micros_of
from ..runner import RunOutcome
from ..tree.find import find
from ..tree.load import check_limit

KEPT = 100
"""Receipts kept for an object; older ones are removed now and then."""

_AT_ONCE = 500
"""Rows of one commit, where the store takes that many."""

_RUNS, _RUNS_BEHIND = 16, 128
"""One in so many runs removes half as many again of the old receipts: one that makes a version, in its own commit; and
one that makes none, whose rows are written behind it, in as many commits as they need."""

_SEEN = 300

_log = logging.getLogger("emerge.filesystem")


class ReceiptWriter:
    """Writes receipts in the background, many in one commit, and again when the store refuses them.

    `pause` is in seconds: how long receipts are gathered; it grows up to `longest` while the store refuses. `most` rows
    wait at most; the oldest are dropped beyond that.
    """

    def __init__(self, pause: float = 0.1, longest: float = 30.0, most: int = 10_000) -> None:
        self._pause = pause
        self._longest = longest
        self._most = most
        self._waiting = Batch()
        self._unmade: list[Callable[[], Receipt]] = []
        self._pruned: set[bytes] = set()  # objects whose old receipts are to be removed
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def add(self, store: Store, make: Callable[[], Receipt]) -> None:
        """Write a receipt soon. It is made in the loop's next turn, or by whoever looks before that: nobody who waits
        for a run waits for its receipt."""
        self._unmade.append(make)
        loop = asyncio.get_running_loop()
        if len(self._unmade) == 1:
            loop.call_soon(self._make)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work(store))

    def _make(self) -> None:
        unmade, self._unmade = self._unmade, []
        for make in unmade:
            receipt = make()
            receipt.put(self._waiting, 0)
            if receipt.is_one_in(_RUNS_BEHIND):
                self._pruned.add(receipt.uuid)

    async def flush(self, store: Store) -> bool:
        """Write now what waits; return whether the store took all of it. What it refuses waits on."""
        return await self._write(store)

    async def close(self, store: Store) -> None:
        """Write what waits, and stop."""
        await self._write(store)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._waiting.puts:
            _log.warning("%d receipts are lost: the store refused them to the end", len(self._waiting.puts))

    async def _work(self, store: Store) -> None:
        pause = self._pause
        while self._unmade or self._waiting:
            await asyncio.sleep(pause)
            pause = self._pause if await self._write(store) else min(2 * pause, self._longest)

    async def _write(self, store: Store) -> bool:
        """Write what waits; return whether the store took all of it."""
        async with self._lock:
            self._make()
            self._drop()
            waiting = self._waiting
            while waiting:
                try:
                    while self._pruned:
                        uuid = self._pruned.pop()
                        waiting.deletes += await _old(store, uuid, _RUNS_BEHIND)
                    some = _first_of(waiting, min(_AT_ONCE, store.capabilities.largest_batch))
                    await store.commit(some)
                except Exception as error:  # any error: there is no caller to raise it to
                    _log.warning("%d receipts cannot be written yet: %s", len(waiting.puts), error)
                    return False
                del waiting.puts[: len(some.puts)], waiting.deletes[: len(some.deletes)]
            return True

    def _drop(self) -> None:
        """Drop the oldest rows beyond the limit."""
        lost = len(self._waiting.puts) - self._most
        if lost > 0:
            _log.warning("%d receipts are lost: more than %d wait to be written", lost, self._most)
            del self._waiting.puts[:lost]


def _first_of(batch: Batch, limit: int) -> Batch:
    puts = batch.puts[:limit]
    return Batch(puts, batch.deletes[: limit - len(puts)])


RECEIPT_WRITER = Part(ReceiptWriter)


@dataclass(slots=True)
class Receipt:
    """The receipt of one run; `wire` is what `receipts` returns, with no version made yet."""

    uuid: bytes
    stamp: bytes  # the key after the uuid
    wire: RunReceipt

    def made(self, version: int) -> RunReceipt:
        """Return the row of `receipts`, with the version that the run made (0: none)."""
        return {**self.wire, "made": version}

    def put(self, batch: Batch, version: int) -> None:
        """Add the receipt to a batch."""
        packed = engine.packb(self.made(version))
        batch.put("receipts", self.uuid + self.stamp, packed)

    def is_one_in(self, runs: int) -> bool:
        """Tell by its random part whether this is one of so many."""
        return self.stamp[-1] % runs == 0

    async def prune(self, core: Core, context: Context, batch: Batch) -> None:
        """Add to the batch of a run that makes a version, one time in _RUNS, the removal of receipts beyond KEPT.

        Not in a transaction, which would be overtaken by the next run of the object.
        """
        if self.is_one_in(_RUNS) and not context.transaction:
            batch.deletes += await _old(core.store, self.uuid, _RUNS)


async def _old(store: Store, uuid: bytes, runs: int) -> list[Key]:
    """The receipts of an object beyond KEPT: half as many again as it gets in so many runs."""
    rows = await store.scan("receipts", uuid, prefix_end(uuid), limit=_SEEN)
    return [("receipts", key) for key, _ in rows[: -(KEPT - 1)][: runs * 3 // 2]]


async def write_receipt(core: Core, context: Context, make: Callable[[], Receipt]) -> None:
    """Write the receipt of a run that made no version."""
    if context.transaction:  # the receipt is part of it
        batch = Batch()
        make().put(batch, 0)
        await core.store.commit(batch)
    else:
        RECEIPT_WRITER.of(core).add(core.store, make)


def make_receipt(
    core: Core,
    context: Context,
    acting: Context,
    entry: Entry,
    method: str,
    encoded: bytes,
    outcome: RunOutcome,
    date: str,
) -> Receipt:
    """Make the receipt of a run on this version of an object, which had the rights of `acting`, and ended at this date.
    `encoded` are its arguments."""
    stamp = micros_of(date).to_bytes(8, "big") + os.urandom(8)
    wire: RunReceipt = {
        "id": stamp.hex(),
        "date": date,
        "node": outcome.node or core.node,
        "principal": context.principal,
        "method": method,
        "version": entry.version,
        "bundle": entry.bundle,
        "arguments": sha256(encoded).hexdigest(),
        "result": outcome.digest,
        "milliseconds": outcome.milliseconds,
        "made": 0,
    }
    if acting.principal != context.principal or acting.superuser != context.superuser:
        wire["acted_as"] = acting.principal
    if acting.owners:
        wire["owners"] = list(dict.fromkeys(each.principal for each in acting.owners))
    return Receipt(entry.uuid, stamp, wire)


async def receipts(core: Core, context: Context, path: str, before: str, limit: int) -> RunReceipts:
    found = await find(core, context, path, "r")
    check_limit(limit)
    await RECEIPT_WRITER.of(core).flush(core.store)
    rows = await core.store.scan("receipts", found.uuid, prefix_end(found.uuid), limit=KEPT, reverse=True)
    told: RunReceipts = [engine.unpackb(raw) for _, raw in rows]
    if before:
        _check_id(before)
        told = [row for row in told if row["id"] < before]
    return told[:limit]


def _check_id(text: str) -> None:
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        raise Invalid(f"{text[:40]!r} is not the id of a receipt", remedy="take it from a receipt: receipts(path)")
