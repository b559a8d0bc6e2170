"""Stores that are asked for at the same moment are planned together and made durable by one commit.

Planned here is what only has to be written as it comes (`plain_store.py`). Each is a change of its own in the log, with
its own date. Whatever asks for more (a merge, a class that is new here, a directory to be made, an error to be told) is
done by itself, by `write.store`, and so is each of those whose common commit is refused.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

from ...context import Context
from ...errors import EmergeError
from ...operations import Arguments
from ...results import PointerRow
from ..change import Change
from ..commit import commit, telling
from ..core import Core
from ..layout.place import PathNames, Place
from ..layout.record import entry_key
from ..tree.find import find_place
from .plain_store import PlainStore, is_plain, names_of, plan, stamps
from .write import store_one

ENOUGH = 32
"""Stores that are planned while others are still being committed; fewer wait for the end of that."""

LARGEST_GROUP = 256

ROWS = 10
"""Rows of a commit for each store of a group, at most: they are four, and those of indexes."""


class QueuedStore(NamedTuple):
    """A store that was asked for; `names`: the path whose lock it has, or waits for."""

    context: Context
    args: Arguments
    answer: asyncio.Future[object]
    names: PathNames


class StoreQueue:
    """The stores that wait for one filesystem."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: list[QueuedStore] = []
        self._begun = False  # a group is about to take those that wait
        self._groups = 0  # under way
        self._tasks: set[asyncio.Task[object]] = set()
        self._made: dict[PathNames, list[QueuedStore]] = {}  # who waits for a directory that another one makes
        self.groups = core.store.capabilities.durability != "none"
        """Whether there is anything to share: else a store is made as soon as it is asked for."""
        self._largest = max(min(LARGEST_GROUP, core.store.capabilities.largest_batch // ROWS), 1)

    def add(self, context: Context, args: Arguments) -> asyncio.Future[object]:
        """Store an object by the arguments of the operation `store`; return its pointer to come.

        The lock of its path is asked for now, so changes of one path come in the order in which they were asked for.
        """
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        names = names_of(args.path)
        each = QueuedStore(context, args, answer, names)
        turn = self._core.writers.take(names) if names else None
        if names and turn is None and self._is_plain(args):
            self._put([each])
        else:
            self._alone(each, turn)
        return answer

    async def close(self) -> None:
        """Wait until all are stored."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _put(self, more: list[QueuedStore]) -> None:
        self._waiting += more
        if not self._begun and (not self._groups or len(self._waiting) >= ENOUGH):
            self._begin()

    def _begin(self) -> None:
        self._begun = True
        self._groups += 1
        task = asyncio.get_running_loop().create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        self._groups -= 1
        if self._waiting and not self._begun:
            self._begin()

    async def _work(self) -> None:
        group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
        self._begun = False
        if len(self._waiting) >= ENOUGH:
            self._begin()
        ready: list[QueuedStore] = []
        for each in group:
            if each.answer.done():  # it was given up
                self._core.writers.release(each.names)
            else:
                ready.append(each)
        if ready:
            await self._write(ready)

    def _is_plain(self, args: Arguments) -> bool:
        """Whether there is nothing unusual about the arguments of a store, and its classes are known here."""
        known = self._core.known_bundles
        if (args.bundle and args.bundle not in known) or (args.bundles and not known.issuperset(args.bundles)):
            return False
        return is_plain(args)

    def _alone(self, each: QueuedStore, turn: asyncio.Future[None] | None = None) -> None:
        """Do a store by itself, with the lock of its path, which is released afterwards."""
        task = asyncio.get_running_loop().create_task(self._store(each, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if each.names:
            task.add_done_callback(lambda _: self._core.writers.leave(each.names, turn))
        task.add_done_callback(partial(_pass_on, each.answer))
        each.answer.add_done_callback(lambda _: task.cancel())

    async def _store(self, each: QueuedStore, turn: asyncio.Future[None] | None) -> PointerRow:
        if turn is not None:
            await turn
        return await telling(store_one(self._core, each.context, each.args, held=bool(each.names)))

    async def _write(self, ready: list[QueuedStore]) -> None:
        """Write these in one commit, or by itself whichever asks for more."""
        change = Change(dates=self._core.dates, context=ready[0].context, several=len(ready) > 1)
        try:
            places, raws = await self._find(ready)
            pointers = self._plan(change, ready, places, raws)
        except Exception:  # each meets it by itself, and tells it
            for each in ready:
                self._alone(each)
            return
        done: list[tuple[QueuedStore, PointerRow]] = []
        for each, pointer in zip(ready, pointers, strict=True):
            if pointer is not None:
                done.append((each, pointer))
            elif len(places[each.names[:-1]].raws) < len(each.names) - 1:
                self._make(each)
            else:
                self._alone(each)
        if done:
            await self._commit(change, done)

    async def _find(self, ready: list[QueuedStore]) -> tuple[dict[PathNames, Place], dict[PathNames, bytes | None]]:
        """Return a place in each directory, and the packed entry at each path."""
        core = self._core
        places: dict[PathNames, Place] = {}
        others: list[PathNames] = []
        for each in ready:
            directory = each.names[:-1]
            if directory not in places:
                places[directory] = await find_place(core, each.names)
            elif len(places[directory].raws) >= len(directory):
                others.append(each.names)
        raws = {place.names: place.raw for place in places.values()}
        if others:
            keys = [("entries", entry_key(places[names[:-1]].parent, names[-1])) for names in others]
            raws.update(zip(others, await core.store.get(keys), strict=True))
        return places, raws

    def _plan(
        self,
        change: Change,
        ready: list[QueuedStore],
        places: dict[PathNames, Place],
        raws: dict[PathNames, bytes | None],
    ) -> list[PointerRow | None]:
        """Add to a change what each store makes; return the pointers, None for what is to be done by itself."""
        stores = [PlainStore(context, args, names) for context, args, _, names in ready]
        stamped = stamps(self._core.dates.many(len(ready)))
        return plan(change, stores, places, raws, stamped, self._core.node, partial(change.append, "log"))

    async def _commit(self, change: Change, done: list[tuple[QueuedStore, PointerRow]]) -> None:
        try:
            await telling(commit(self._core, change))
        except Exception as error:
            if isinstance(error, EmergeError) and (len(done) == 1 or error.details.get("unknown")):
                self._finish(done, error)
            else:
                for each, _ in done:
                    self._alone(each)
        else:
            self._finish(done)

    def _finish(self, done: list[tuple[QueuedStore, PointerRow]], error: EmergeError | None = None) -> None:
        for (_, _, answer, names), pointer in done:
            self._core.writers.release(names)
            if answer.done():
                continue
            if error is None:
                answer.set_result(pointer)
            else:
                answer.set_exception(error)

    def _make(self, each: QueuedStore) -> None:
        """Let one store make the directories above it; whoever else is to be in the same directory waits for it."""
        directory = each.names[:-1]
        if directory in self._made:
            self._made[directory].append(each)
            return
        self._made[directory] = []
        self._alone(each)
        each.answer.add_done_callback(lambda answer: self._go_on(directory, answer))

    def _go_on(self, directory: PathNames, answer: asyncio.Future[object]) -> None:
        behind = self._made.pop(directory)
        if not answer.cancelled() and answer.exception() is None:
            self._put(behind)
            return
        for each in behind:
            self._alone(each)


def _pass_on(answer: asyncio.Future[object], task: asyncio.Task[PointerRow]) -> None:
    """Give an answer what a task came to."""
    error = None if task.cancelled() else task.exception()
    if answer.done():
        return
    if task.cancelled():
        answer.cancel()
    elif error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())
