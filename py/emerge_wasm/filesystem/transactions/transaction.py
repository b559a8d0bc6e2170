"""Transactions: begin one, run operations inside it, and commit it or roll it back as a whole.

Each has an overlay over the store, so nobody sees its changes before the commit, which succeeds only when all that it
read is unchanged: transactions are serialisable on every store. They live in this process and do not outlive it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from inspect import isasyncgenfunction
from typing import Any, cast
from uuid import uuid4

from ...context import Context, asker
from ...errors import Conflict, Invalid, LimitExceeded, NotFound, PermissionDenied
from ...operations import Answer
from ...paths import check_name
from ...results import CommitInfo, TransactionInfo
from ...store import Store
from ..commit import commit_batch
from ..core import Core, Part
from ..indexes.definitions import read_catalogue
from ..layout.catalogue import parse
from ..layout.moment import Dates
from .call_record import CALL_LOCKS, Call, prune, redate
from .overlay import Overlay
from .seen import TransactionOvertaken
from .settle import overtaken, restamp

OPEN_LIMIT = 1000
OWN_LIMIT = 100
"""Transactions that one principal may have open, so that nobody uses up OPEN_LIMIT."""

BYTES_LIMIT = 1 << 30
"""Bytes that all open transactions together may hold."""

SECONDS_LIMIT = 24 * 3600
OUTSIDE = frozenset(
    ("begin", "commit", "rollback", "changes", "watch", "graphql", "subscribe", "hello", "whoami", "repair", "scrub")
)
"""Operations that never run inside a transaction; the calls that a GraphQL document makes do, each by itself."""

WHOLE = frozenset(("runstream", "readobject"))
"""Streams that also work between items, so that they need one turn until their end."""

OperationHandler = Callable[..., Any]


class GivenDates(Dates):
    """Issues and collects the provisional dates of one transaction, which its commit replaces (see `restamp`)."""

    def __init__(self, dates: Dates) -> None:
        super().__init__(dates.clock)
        self._dates = dates
        self.given: set[str] = set()

    def next(self) -> str:
        date = self._dates.next()
        self.given.add(date)
        return date


@dataclass
class Transaction:
    """One open transaction. `expires` is by the clock of its Transactions; the owner None is a superuser without a
    name, as "" is the guest.
    """

    name: str
    owner: str | None
    seconds: int
    overlay: Overlay
    core: Core
    dates: GivenDates
    expires: float
    pinned: bool = False
    """It is of this filesystem, whatever path it names first."""
    is_overtaken: bool = False
    """Something that it read was found changed: its commit would be refused."""
    turns: list[asyncio.Lock] = field(default_factory=lambda: [asyncio.Lock()])
    """Locks by depth: one operation at a time, and one at a time of those that a running method calls within it."""

    def turn(self, depth: int) -> asyncio.Lock:
        """Return the lock of operations at this depth of nesting."""
        while len(self.turns) <= depth:
            self.turns.append(asyncio.Lock())
        return self.turns[depth]


class Transactions:
    """The open transactions of one filesystem, by name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Transaction] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def has(self, name: str) -> bool:
        """Tell whether a transaction of this name is open."""
        return name in self._open

    def add(self, core: Core, context: Context, name: str, seconds: int, *, pinned: bool = False) -> Transaction:
        """Open a transaction. One that is `pinned` is a single call's, and not counted as its principal's.

        Raises:
            Invalid: the name or the number of seconds is not allowed.
            Conflict: the name is in use.
            LimitExceeded: too many transactions are open.
        """
        self.sweep()
        name = check_name(name) if name else uuid4().hex
        if not 1 <= seconds <= SECONDS_LIMIT:
            raise Invalid(f"a transaction cannot be kept for {seconds} seconds", remedy=f"say 1 to {SECONDS_LIMIT}")
        if name in self._open:
            raise Conflict(f"a transaction {name} is open already", remedy="join it, or choose another name")
        if len(self._open) >= OPEN_LIMIT:
            raise LimitExceeded(f"{OPEN_LIMIT} transactions are open", remedy="try again later", limit="transactions")
        owner = _whose(context)
        own = sum(each.owner == owner and not each.pinned for each in self._open.values())
        if own >= OWN_LIMIT and not pinned:
            raise LimitExceeded(
                f"{OWN_LIMIT} transactions of yours are open", remedy="commit or roll back some", limit="transactions"
            )
        overlay = Overlay(core.store)
        dates = GivenDates(core.dates)
        inside = _inside(core, overlay, dates)
        made = Transaction(name, owner, seconds, overlay, inside, dates, self._clock() + seconds, pinned)
        self._open[name] = made
        self.sweep()
        return made

    def find(self, context: Context, name: str) -> Transaction:
        """Return the open transaction of that name.

        Raises:
            NotFound: none is open.
            PermissionDenied: it is somebody else's.
        """
        self.sweep()
        found = self._open.get(name)
        if found is None:
            raise NotFound(f"no transaction {name[:80]!r} is open: it ended or expired", remedy="begin it again")
        if not (context.superuser or _whose(context) == found.owner or name in context.held):
            raise PermissionDenied(
                f"the transaction {name} is not {context.principal or 'a guest'}'s", remedy="begin another"
            )
        return found

    def check_room(self) -> None:
        """Raise LimitExceeded when all open transactions together are too large."""
        if sum(each.overlay.size for each in self._open.values()) > BYTES_LIMIT:
            raise LimitExceeded(
                f"the open transactions hold more than {BYTES_LIMIT >> 20} MiB",
                remedy="commit what is open, and try again later",
                limit="transactions",
            )

    def close(self) -> None:
        """Drop all of them."""
        self._open.clear()
        self.sweep()

    def remove(self, transaction: Transaction) -> None:
        self._open.pop(transaction.name, None)

    @asynccontextmanager
    async def turn(self, context: Context, name: str) -> AsyncIterator[Transaction]:
        """Hold a transaction for one operation and those nested in it; it does not expire meanwhile."""
        found = self.find(context, name)
        async with found.turn(context.held.count(name)):
            if self._open.get(name) is not found:
                raise NotFound(f"the transaction {name} ended meanwhile", remedy="begin it again")
            try:
                yield found
            finally:
                found.expires = self._clock() + found.seconds

    def sweep(self) -> None:
        """Drop expired transactions, and schedule the next sweep."""
        now = self._clock()
        for each in list(self._open.values()):
            if each.expires <= now and not each.turn(0).locked():
                self.remove(each)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open:
            wait = max(min(each.expires for each in self._open.values()) - now, 1.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self.sweep)


def _inside(core: Core, store: Store, dates: Dates) -> Core:
    """Make the Core of a transaction: over its overlay, and with no watchers to notify."""
    return Core(
        store,
        core.node,
        core.uuid,
        core.blocks,
        core.url,
        dates,
        core.poll,
        core.position,
        core.catalogue,
        dispatch=core.dispatch,
        known_bundles=set(core.known_bundles),
        settled=[],
        parts=core.parts,
        superusers=core.superusers,
        is_superuser_elsewhere=core.is_superuser_elsewhere,
    )


def _whose(context: Context) -> str | None:
    """Name who a transaction belongs to (None: a superuser without a name): a method has those that it began."""
    if context.owners:
        return f"\2{asker(context)}"
    return context.principal or (None if context.superuser else "")


TRANSACTIONS = Part(Transactions)
"""The open transactions of a filesystem."""


# --- operations in a transaction
def call_inside(
    core: Core, context: Context, handler: OperationHandler, args: Sequence[object], *, whole: bool = False
) -> Answer:
    """Run an operation in the transaction that the context names; a failure undoes what it changed."""
    if whole:
        return _whole_inside(core, context, handler, args)
    if isasyncgenfunction(handler):
        return _stream_inside(core, context, handler, args)
    return _await_inside(core, context, handler, args)


async def _await_inside(core: Core, context: Context, handler: OperationHandler, args: Sequence[object]) -> object:
    async with TRANSACTIONS.of(core).turn(context, context.transaction) as found, _attempt(core, context, found):
        return await handler(found.core, context, *args)


async def _stream_inside(
    core: Core, context: Context, handler: OperationHandler, args: Sequence[object]
) -> AsyncGenerator[object, None]:
    """Run a stream with a turn for each item, so that other operations can come between."""
    begun = TRANSACTIONS.of(core).find(context, context.transaction)
    async with aclosing(handler(begun.core, context, *args)) as items:
        while True:
            async with TRANSACTIONS.of(core).turn(context, begun.name) as found, _attempt(core, context, found):
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            yield item


async def _whole_inside(
    core: Core, context: Context, handler: OperationHandler, args: Sequence[object]
) -> AsyncGenerator[object, None]:
    async with TRANSACTIONS.of(core).turn(context, context.transaction) as found, _attempt(core, context, found):
        async with aclosing(handler(found.core, context, *args)) as items:
            async for item in items:
                yield item


@asynccontextmanager
async def _attempt(core: Core, context: Context, found: Transaction) -> AsyncIterator[None]:
    before, settled = found.overlay.size, len(found.core.settled or ())
    try:
        with found.overlay.attempt():
            yield
            if found.overlay.size > before:
                TRANSACTIONS.of(core).check_room()
    except TransactionOvertaken as error:
        found.is_overtaken = True
        raise await overtaken(core, context, error.space, error.key) from None
    except BaseException:
        found.core.known_bundles = set(core.known_bundles)  # the attempt may have put some, which are undone
        del (found.core.settled or [])[settled:]
        raise


# --- the operations that begin and end one
async def begin(core: Core, context: Context, name: str, seconds: int) -> TransactionInfo:
    made = TRANSACTIONS.of(core).add(core, context, name, seconds)
    return {"transaction": made.name, "seconds": seconds, "isolation": core.store.capabilities.isolation}


async def commit(core: Core, context: Context, transaction: str) -> CommitInfo:
    _check_outside(context, transaction)
    if not context.call_id:
        return await _commit(core, context, transaction, None)
    call = Call.of(context, "commit")
    async with CALL_LOCKS.of(core).hold(call.digest):
        known = await call.read(core)
        if known is None:
            return await _commit(core, context, transaction, call)
    await rollback(core, context, transaction)
    return {**cast(CommitInfo, known.result), "position": core.position}


async def _commit(core: Core, context: Context, transaction: str, call: Call | None) -> CommitInfo:
    opened = TRANSACTIONS.of(core)
    async with opened.turn(context, transaction) as found:
        opened.remove(found)
        info: CommitInfo = {"position": 0, "changes": found.overlay.changes}
        try:
            positions, _ = await settle_all(core, found, call, info)
        except Conflict as error:
            await read_catalogue(core)
            raise await overtaken(core, context, error.details["space"], error.details["key"]) from None
        finally:
            await found.overlay.close()
    await core.made(positions)
    return {**info, "position": positions[-1] if positions else core.position}


async def settle_all(core: Core, found: Transaction, call: Call | None, result: object) -> tuple[list[int], object]:
    """Commit all that was made in a transaction, with the record of the call that it was made for and its result.

    Return the positions in the log, and the result with the date that everything has now.

    Raises:
        Conflict: something that it read, or the record, has been changed (`details["space"]`, `details["key"]`).
    """
    date, given = core.dates.next(), found.dates.given
    batch = restamp(found.overlay.settle(), given, date, parse(found.core.catalogue))
    if call is not None:
        result = redate(result, given, date)
        await prune(core, batch, call.digest)
        call.put(core, batch, result)
    positions = await commit_batch(core, batch)
    for call_back in found.core.settled or ():
        call_back()
    if found.core.catalogue != core.catalogue:
        await read_catalogue(core)
    return positions, result


async def rollback(core: Core, context: Context, transaction: str) -> bool:
    opened = TRANSACTIONS.of(core)
    _check_outside(context, transaction)
    try:
        async with opened.turn(context, transaction) as found:
            opened.remove(found)
            await found.overlay.close()
    except NotFound:
        return False
    return True


def _check_outside(context: Context, transaction: str) -> None:
    if transaction in context.held:
        raise Invalid(
            f"the method that runs in the transaction {transaction} cannot end it", remedy="whoever began it does"
        )
