"""Leases: of several processes over one store, one holds a name until it releases it or falls silent.

The owner's row keeps its bytes while the lease is held. A batch that expects it (`fence`) is therefore committed by the
holder alone: one that stood still and was replaced is refused by the store, not by its own clock. A second row is
changed by the holder every period. Clocks of machines differ, so nobody compares times: who has read both rows
unchanged `PATIENCE` times, a period apart, takes the lease with the next epoch. Awaits the store only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from ..codec.msgpack_engine import engine
from ..errors import Conflict, EmergeError
from ..store import Batch, Key, Store, prefix_end

PERIOD = 1.0
"""Seconds between two beats of a holder, and between two looks of those who wait."""

PATIENCE = 4
"""How many looks, a period apart, must find a lease unchanged before it is taken from its holder."""

_SPACE = "meta"
_PREFIX = b"lease\0"
_OWNER, _BEAT = b"\0owner", b"\0beat"
_log = logging.getLogger("emerge.filesystem")


class LeaseRecord(NamedTuple):
    """A lease as it was read: who holds it ("": nobody), and the holder's own data. `rows` are its two rows."""

    name: str
    holder: str
    epoch: int
    data: bytes
    rows: tuple[bytes | None, bytes | None]


class _Looks(NamedTuple):
    rows: tuple[bytes | None, bytes | None]
    number: int
    last: float


class Patience:
    """Counts in how many periods, in seconds, a lease was read without a change.

    It counts looks and not time: who stands still looks at nothing, and so takes nobody for dead.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._seen: dict[str, _Looks] = {}

    def is_over(self, held: LeaseRecord) -> bool:
        """Count one more look, of those in a period one; whether the holder has been silent for too long."""
        now = asyncio.get_running_loop().time()
        seen = self._seen.get(held.name)
        if seen is None or seen.rows != held.rows:
            seen = self._seen[held.name] = _Looks(held.rows, 0, now)
        elif now - seen.last >= self._period * 0.9:  # timers are not exact
            seen = self._seen[held.name] = _Looks(held.rows, seen.number + 1, now)
        return seen.number >= PATIENCE

    def keep(self, names: set[str]) -> None:
        """Forget all others."""
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}


class Lease:
    """One process's claim to a name. `holder` is unique to the process; `data` is what others read of it.

    `period`, in seconds, is the same for all who claim the name.
    """

    def __init__(self, store: Store, name: str, holder: str, data: bytes = b"", period: float = PERIOD) -> None:
        self.name = name
        self.holder = holder
        self._period = period
        self._store = store
        self._data = data
        self._owner, self._beat = lease_keys(name)
        self._row: bytes | None = None  # the owner's row while this process holds the lease
        self._beats = 0
        self._patience = Patience(period)

    @property
    def held(self) -> bool:
        """Whether this process holds it, as far as it knows: only a commit with the fence knows for certain."""
        return self._row is not None

    def fence(self, batch: Batch) -> Batch:
        """Let a batch be committed only while this process holds the lease: it fails with a Conflict over `is_fence`.

        Raises:
            Conflict: the lease is known to be lost.
        """
        if self._row is None:
            raise Conflict(f"the lease {self.name} is held by another process", space=_SPACE, key=self._owner[1])
        batch.expects.insert(0, (*self._owner, self._row))
        return batch

    async def read(self) -> LeaseRecord:
        """Read the lease as it is in the store."""
        owner, beat = await self._store.get([self._owner, self._beat])
        return _read(self.name, owner, beat)

    async def take(self, dead: LeaseRecord | None = None) -> bool:
        """Take the lease if it is free or its holder is silent; whether it is held now.

        It is taken at once from a holder that is known to be dead, as its lease was read.
        """
        held = await self.read()
        if held.holder == self.holder:  # a commit of which nobody could tell that it was made
            self._row = held.rows[0]
            return True
        if held.holder and held != dead and not self._patience.is_over(held):
            return False
        batch = Batch()
        row = self._take_in(batch, held)
        try:
            await self._store.commit(batch)
        except Conflict:
            return False
        if held.holder:
            _log.warning("the lease %s is taken from %s, which is silent", self.name, held.holder)
        self._row = row
        return True

    def take_new_in(self, batch: Batch) -> None:
        """Take the lease with a batch, of a name that is new: what the batch adds is never seen without its holder."""
        self._row = self._take_in(batch, LeaseRecord(self.name, "", 0, b"", (None, None)))

    def _take_in(self, batch: Batch, held: LeaseRecord) -> bytes:
        _expect(held, batch)
        row = _pack(self.holder, held.epoch + 1, self._data)
        batch.put(*self._owner, row)
        batch.put(*self._beat, self._next_beat())
        return row

    async def renew(self) -> bool:
        """Show that this process lives; whether it still holds the lease."""
        if self._row is None:
            return False
        batch = self.fence(Batch())
        batch.put(*self._beat, self._next_beat())
        try:
            await self._store.commit(batch)
        except Conflict:
            self._row = None
        return self._row is not None

    async def release(self) -> None:
        """Give the lease up, so that another may take it at once. The epoch stays."""
        if self._row is None:
            return
        batch = self.fence(Batch(deletes=[self._beat]))
        batch.put(*self._owner, _pack("", engine.unpackb(self._row)[1], b""))
        self._row = None
        try:
            await self._store.commit(batch)
        except Conflict:
            return

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease every period during the block; release it at the end."""
        renewing = asyncio.get_running_loop().create_task(self._keep())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            try:
                await self.release()
            except EmergeError as error:
                _log.warning("the lease %s is left to expire: %s", self.name, error)

    async def _keep(self) -> None:
        while self.held:
            await asyncio.sleep(self._period)
            try:
                await self.renew()
            except EmergeError as error:
                _log.warning("the lease %s cannot be renewed now: %s", self.name, error)

    def _next_beat(self) -> bytes:
        self._beats += 1
        return engine.packb((self.holder, self._beats))


def is_fence(conflict: Conflict) -> bool:
    """Whether a commit failed because a lease was lost."""
    key = conflict.details.get("key")
    return conflict.details.get("space") == _SPACE and isinstance(key, bytes) and key.startswith(_PREFIX)


async def read_leases(store: Store, prefix: str) -> list[LeaseRecord]:
    """Read the leases whose names begin like this, and which somebody holds."""
    start = _PREFIX + prefix.encode()
    rows: dict[bytes, bytes] = {}
    while page := await store.scan(_SPACE, start, prefix_end(_PREFIX + prefix.encode())):
        rows.update(page)
        start = page[-1][0] + b"\0"
    names = [key[len(_PREFIX) : -len(_OWNER)].decode() for key in rows if key.endswith(_OWNER)]
    found = [_read(name, *(rows.get(key) for _, key in lease_keys(name))) for name in names]
    return [held for held in found if held.holder]


async def drop_lease(store: Store, held: LeaseRecord) -> None:
    """Remove a lease with its epoch, unless it has changed since it was read."""
    batch = Batch(deletes=[*lease_keys(held.name)])
    _expect(held, batch)
    try:
        await store.commit(batch)
    except Conflict:
        return


def lease_keys(name: str) -> tuple[Key, Key]:
    """The keys of a lease's two rows: its owner, its last beat."""
    return (_SPACE, _PREFIX + name.encode() + _OWNER), (_SPACE, _PREFIX + name.encode() + _BEAT)


def _expect(held: LeaseRecord, batch: Batch) -> None:
    for key, row in zip(lease_keys(held.name), held.rows, strict=True):
        batch.expect(*key, row)


def _pack(holder: str, epoch: int, data: bytes) -> bytes:
    return engine.packb((holder, epoch, data))


def _read(name: str, owner: bytes | None, beat: bytes | None) -> LeaseRecord:
    holder, epoch, data = ("", 0, b"") if owner is None else engine.unpackb(owner)
    return LeaseRecord(name, holder, epoch, data, (owner, beat))
