"""Calls with an id: each is done once, and one that is repeated gets the recorded result of the first.

A record is in the commit of what its call changed, so either both are there or neither. It belongs to the caller: the
ids of others are others. Space meta: CALL + digest of caller and id -> [when it expires, operation, target, result,
note]; EXPIRY + microseconds (8) + digest -> b"", by which what has expired is found and removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple, TypeVar

from ...codec import decode, encode
from ...codec.msgpack_engine import engine
from ...context import Context, asker
from ...errors import Invalid, LimitExceeded
from ...results import CallInfo
from ...store import Batch, prefix_end
from ..core import Core, Part
from ..keyed_lock import KeyedLock
from ..layout.record import micros_of

T = TypeVar("T")

CALL = b"call/id/"
EXPIRY = b"call/until/"

KEPT_SECONDS = 7 * 24 * 3600
"""How long a call is remembered."""

LARGEST_RESULT = 1 << 20
"""Bytes of an encoded result that is recorded."""

_PAGE = 200

_PRUNED = 8
"""Expired records that one call removes at most: more than it adds."""

CALL_LOCKS = Part(KeyedLock[bytes])
"""Who repeats a call while the first one is under way waits for it, instead of doing it in vain."""


@dataclass(slots=True)
class Call:
    """A call with an id: whose, and what for. `target` is its paths and its method, as one text.

    `seen` is the record as it was read last: the condition under which another one is written.
    """

    digest: bytes
    id: str
    operation: str
    target: str
    note: bytes = b""
    seen: bytes | None = None

    @classmethod
    def of(cls, context: Context, operation: str, target: str = "") -> Call:
        who = "\1" if context.superuser and not context.principal else f"\0{context.principal}"
        if context.owners:  # a method is not told what its caller's calls came to
            who = f"\2{asker(context)}"
        digest = sha256(f"{who}\0{context.call_id}".encode()).digest()
        return cls(digest, context.call_id, operation, target, context.call_note)

    @property
    def key(self) -> bytes:
        return CALL + self.digest

    async def read(self, core: Core) -> Recorded | None:
        """Return what is recorded of this call.

        Raises:
            Invalid: its id was given to another one.
        """
        (self.seen,) = await core.store.get([("meta", self.key)])
        if self.seen is None:
            return None
        until, operation, target, result, _ = engine.unpackb(self.seen)
        if until <= micros_of(core.dates.clock()):
            return None
        if (operation, target) != (self.operation, self.target):
            raise Invalid(
                f"the call id {self.id!r} is that of {operation} {target}, not of {self.operation} {self.target}",
                remedy="give each call an id of its own",
            )
        return Recorded(decode(result))

    def put(self, core: Core, batch: Batch, result: object) -> None:
        """Add the record of this call to the batch that makes its changes.

        Raises:
            LimitExceeded: its result is too large.
        """
        data = encode(result)
        if len(data) + len(self.note) > LARGEST_RESULT:
            raise LimitExceeded(
                f"the result of {self.operation} {self.target} is too large to be recorded: {len(data)} bytes",
                remedy="return less, or store it as an object and return its path",
                limit="recorded result",
            )
        until = micros_of(core.dates.clock()) + KEPT_SECONDS * 1_000_000
        batch.expect("meta", self.key, self.seen)
        batch.put("meta", self.key, engine.packb([until, self.operation, self.target, data, self.note]))
        batch.put("meta", EXPIRY + until.to_bytes(8, "big") + self.digest, b"")


async def records_at(core: Core, path: str) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield the records of calls for what is at or below a path, by their digests."""
    start, end = CALL, prefix_end(CALL)
    while True:
        rows = await core.store.scan("meta", start, end, limit=_PAGE)
        for key, raw in rows:
            target = engine.unpackb(raw)[2]
            if target.startswith(path) and target[len(path) : len(path) + 1] in ("", "/", " "):
                yield key[len(CALL) :], raw
        if len(rows) < _PAGE:
            return
        start = rows[-1][0] + b"\0"


async def put_record(core: Core, batch: Batch, digest: bytes, raw: bytes) -> None:
    """Add a record of another filesystem to a batch, unless there is one of that digest."""
    (known,) = await core.store.get([("meta", CALL + digest)])
    if known is None:
        until = int(engine.unpackb(raw)[0])
        batch.put("meta", CALL + digest, raw)
        batch.put("meta", EXPIRY + until.to_bytes(8, "big") + digest, b"")


def is_record(digest: bytes, raw: bytes) -> bool:
    """Tell whether these are a digest and a record. Raises ValueError, TypeError or LookupError if not."""
    until, operation, target, result, note = engine.unpackb(raw)
    fits = isinstance(until, int) and isinstance(operation, str) and isinstance(target, str)
    return len(digest) == 32 and fits and isinstance(result, bytes) and isinstance(note, bytes)


class Recorded(NamedTuple):
    """The recorded result of a call that was done."""

    result: object


def target_of(names: Sequence[str], args: Sequence[object]) -> str:
    """Return what a call is for. A repeated call may have other data: it read what the first one had changed."""
    named = zip(names, args, strict=True)
    return " ".join(str(value) for name, value in named if name in _TARGET and isinstance(value, str))


_TARGET = frozenset({"path", "source", "target", "first", "second", "name", "method", "field"})


async def prune(core: Core, batch: Batch, but: bytes) -> None:
    """Add to a batch the removal of some records that have expired, `but` not the one that it writes anew."""
    now = EXPIRY + micros_of(core.dates.clock()).to_bytes(8, "big")
    rows = await core.store.scan("meta", EXPIRY, now, limit=_PRUNED)
    known = await core.store.get([("meta", CALL + key[-32:]) for key, _ in rows])
    for (key, _), raw in zip(rows, known, strict=True):
        batch.delete("meta", key)
        until = int.from_bytes(key[len(EXPIRY) : -32], "big")
        if raw is not None and key[-32:] != but and engine.unpackb(raw)[0] == until:  # else the id was used anew
            batch.expect("meta", CALL + key[-32:], raw)
            batch.delete("meta", CALL + key[-32:])


def redate(value: T, dates: Collection[str], date: str) -> T:
    """Replace the provisional dates of a transaction in a result."""
    changed: object = value
    if isinstance(value, str):
        changed = date if value in dates else value
    elif isinstance(value, list):
        changed = [redate(each, dates, date) for each in value]
    elif isinstance(value, dict):
        changed = {key: redate(each, dates, date) for key, each in value.items()}
    return changed  # type: ignore[return-value]  # of the same type


async def recall(core: Core, context: Context, path: str, id: str) -> CallInfo:
    (raw,) = await core.store.get([("meta", Call.of(replace(context, call_id=id), "").key)])
    if raw is not None:
        until, operation, target, result, note = engine.unpackb(raw)
        if until > micros_of(core.dates.clock()):
            return {"known": True, "operation": operation, "target": target, "result": decode(result), "note": note}
    return {"known": False, "operation": "", "target": "", "result": None, "note": b""}
