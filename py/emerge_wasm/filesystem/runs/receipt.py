"""Receipts: what a run of a method ran on, with what, and what came of it, so that a result can be explained and
repeated.

Space receipts: uuid + microseconds (8) + random (8) -> the receipt. That of a run that made a version is in its commit;
the others are written behind.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ...codec import encode
from ...codec.msgpack_engine import engine
from ...errors import Invalid
from ...operations import Context, Rows, Wire
from ...store import Batch, prefix_end
from ..core import Core, Part
from ..layout.record import Entry, micros_of
from ..tree.find import find
from ..tree.load import check_limit
from .behind import Behind

KEPT = 100
"""Receipts of an object; older ones go, some now and then."""

BEHIND = Part(Behind)

_SEEN = 300
_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class Receipt:
    """Of one run; `wire` is what `receipts` tells, but for the version that was made."""

    uuid: bytes
    stamp: bytes  # the key after the uuid
    wire: Wire

    def made(self, version: int) -> Wire:
        """What `receipts` tells of it, once it is known which version it made (0: none)."""
        return {**self.wire, "made": version}

    def put(self, batch: Batch, version: int) -> None:
        """Add it to what is committed."""
        packed = engine.packb(self.made(version))
        batch.put("receipts", self.uuid + self.stamp, packed)

    async def prune(self, core: Core, context: Context, batch: Batch) -> None:
        """Add to a batch, one time in sixteen, the removal of what is no longer kept.

        Not in a transaction, which would be overtaken by the next run of the object.
        """
        if self.stamp[-1] % 16 == 0 and not context.transaction:
            rows = await core.store.scan("receipts", self.uuid, prefix_end(self.uuid), limit=_SEEN)
            batch.deletes += [("receipts", key) for key, _ in rows[: -(KEPT - 1)][:_AT_ONCE]]

    async def write(self, core: Core, context: Context) -> None:
        """Keep that of a run that made no version."""
        batch = Batch()
        self.put(batch, 0)
        await self.prune(core, context, batch)
        if context.transaction:  # it is part of it
            await core.store.commit(batch)
        else:
            BEHIND.of(core).add(core.store, batch)


def make_receipt(
    core: Core, context: Context, entry: Entry, method: str, arguments: str, result: str, milliseconds: float
) -> Receipt:
    """The receipt of a run on this version of an object. `arguments` and `result` are digests."""
    date = core.dates.clock()
    stamp = micros_of(date).to_bytes(8, "big") + os.urandom(8)
    wire = {
        "id": stamp.hex(),
        "date": date,
        "node": core.node,
        "principal": context.principal,
        "method": method,
        "version": entry.version,
        "bundle": entry.bundle,
        "arguments": arguments,
        "result": result,
        "milliseconds": milliseconds,
    }
    return Receipt(entry.uuid, stamp, wire)


def digest(value: Any) -> str:
    """SHA-256 (hex) of an encoded value."""
    return sha256(encode(value)).hexdigest()


async def receipts(core: Core, context: Context, path: str, before: str, limit: int) -> Rows:
    found = await find(core, context, path, "r")
    check_limit(limit)
    await BEHIND.of(core).flush(core.store)
    rows = await core.store.scan("receipts", found.uuid, prefix_end(found.uuid), limit=KEPT, reverse=True)
    told: Rows = [engine.unpackb(raw) for _, raw in rows]
    if before:
        _check_id(before)
        told = [row for row in told if row["id"] < before]
    return told[:limit]


def _check_id(text: str) -> None:
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        raise Invalid(f"{text[:40]!r} is not the id of a receipt", remedy="take it from a receipt: receipts(path)")
