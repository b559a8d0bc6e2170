"""Receipts: the version, arguments and result of each run, so that a result can be explained and repeated.

Space receipts: uuid + microseconds (8) + random (8) -> the receipt. That of a run that made a version is in its commit;
the others are written together a moment later. When the process dies in that moment they are lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from hashlib import sha256

from ...codec.msgpack_engine import engine
from ...errors import Invalid
from ...operations import Context
from ...results import RunReceipt, RunReceipts
from ...store import Batch, Store, prefix_end
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
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def add(self, store: Store, batch: Batch) -> None:
        """Write these puts and deletes soon."""
        self._waiting.puts += batch.puts
        self._waiting.deletes += batch.deletes
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(store))

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
        while self._waiting:
            await asyncio.sleep(pause)
            pause = self._pause if await self._write(store) else min(2 * pause, self._longest)

    async def _write(self, store: Store) -> bool:
        """Write what waits; return whether the store took all of it."""
        async with self._lock:
            self._drop()
            waiting = self._waiting
            while waiting:
                some = _first_of(waiting, min(_AT_ONCE, store.capabilities.largest_batch))
                try:
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

    async def prune(self, core: Core, context: Context, batch: Batch, runs: int = _RUNS) -> None:
        """Add to a batch, one time in so many runs, the removal of receipts beyond KEPT.

        Not in a transaction, which would be overtaken by the next run of the object.
        """
        if self.stamp[-1] % runs == 0 and not context.transaction:
            rows = await core.store.scan("receipts", self.uuid, prefix_end(self.uuid), limit=_SEEN)
            batch.deletes += [("receipts", key) for key, _ in rows[: -(KEPT - 1)][: runs * 3 // 2]]

    async def write(self, core: Core, context: Context) -> None:
        """Write the receipt of a run that made no version."""
        batch = Batch()
        self.put(batch, 0)
        await self.prune(core, context, batch, _RUNS_BEHIND)
        if context.transaction:  # the receipt is part of it
            await core.store.commit(batch)
        else:
            RECEIPT_WRITER.of(core).add(core.store, batch)


def make_receipt(
    core: Core, context: Context, acting: Context, entry: Entry, method: str, arguments: str, outcome: RunOutcome
) -> Receipt:
    """Make the receipt of a run on this version of an object, which had the rights of `acting`. `arguments` is a
    digest."""
    date = core.dates.clock()
    stamp = micros_of(date).to_bytes(8, "big") + os.urandom(8)
    wire: RunReceipt = {
        "id": stamp.hex(),
        "date": date,
        "node": outcome.node or core.node,
        "principal": context.principal,
        "method": method,
        "version": entry.version,
        "bundle": entry.bundle,
        "arguments": arguments,
        "result": outcome.digest,
        "milliseconds": outcome.milliseconds,
        "made": 0,
    }
    if acting.principal != context.principal or acting.superuser != context.superuser:
        wire["acted_as"] = acting.principal
    if acting.owners:
        wire["owners"] = list(dict.fromkeys(each.principal for each in acting.owners))
    return Receipt(entry.uuid, stamp, wire)


def digest(encoded: bytes) -> str:
    """Return the SHA-256 (hex) of an encoded value."""
    return sha256(encoded).hexdigest()


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
