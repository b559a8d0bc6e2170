"""Commit a change with its rows of references and indexes, and retry changes that became stale."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar

from ..errors import Conflict, Unavailable
from ..store import Batch
from .change import Change
from .core import Core
from .indexes.definitions import read_catalogue
from .indexes.maintain import finish, follow, reserve
from .indexes.unique import taken_by
from .layout.ancestry import DirectoryGone
from .layout.catalogue import CATALOGUE, parse
from .layout.touched import Frozen, Taken
from .quota import USAGE

T = TypeVar("T")

ATTEMPTS = 20
LONGEST_PAUSE = 1.0
"""Seconds until a change is tried again."""

THAW_SECONDS = 10.0
"""How long a writer waits for what is on its way to another filesystem."""

SPARE = 16
"""Rows kept free in a commit for one more object."""


_made: ContextVar[list[bool]] = ContextVar("made")
"""Has an item for each commit of the operation that is under way."""


def is_inside() -> bool:
    """Whether this is called by an operation that changes something."""
    return _made.get(None) is not None


class Stale(Exception):
    """The data that a change is based on has changed; the change can be made again (see `retry`)."""


async def commit(core: Core, change: Change) -> None:
    """Commit a change as one entry of the log, and notify the watchers.

    Raises:
        Stale: the data that the change is based on has changed.
        Conflict: a unique index already holds these values for another object.
        LimitExceeded: it is above the quota of an owner.
        Unavailable: it may not be acknowledged, though it is made (`details["unknown"]`).
    """
    usage = USAGE.of(core)
    for _ in range(ATTEMPTS):
        try:
            batch = await finish(core, change)
        except DirectoryGone as error:
            raise Stale from error
        except Frozen as error:
            await until_thawed(core)
            raise Stale from error
        except Taken as error:
            raise await taken_by(core, change.context, error) from None
        try:
            positions = await _commit_counted(core, change, batch) if usage.counts else await commit_batch(core, batch)
            break
        except Conflict as error:
            if (error.details.get("space"), error.details.get("key")) != CATALOGUE:
                raise Stale from error
            await read_catalogue(core)
    else:
        raise Stale
    if change.following is not None and change.following.defined is not None:
        await read_catalogue(core)
    await core.made(positions)


async def commit_dropped(core: Core, change: Change) -> None:
    """Commit a change that does nothing but remove versions, of which nobody is told."""
    await (_commit_counted(core, change, change) if USAGE.of(core).counts else core.store.commit(change))


async def _commit_counted(core: Core, change: Change, batch: Batch) -> list[int]:
    admitted = await USAGE.of(core).admit(change)
    try:
        positions = await commit_batch(core, batch)
    except BaseException:
        admitted.undo()
        raise
    if core.settled is None:
        admitted.settle()
    else:  # who frees something in a transaction and rolls it back has gained nothing
        core.settled.append(admitted.settle)
    return positions


async def commit_batch(core: Core, batch: Batch) -> list[int]:
    """Commit a batch to the store, between calls of `core.guard`.

    That is inside `core.way_change` when it changes a directory above a mount point.
    """
    core.guard(False)
    positions = await _commit_batch(core, batch)
    _made.get([]).append(True)
    core.guard(True)
    return positions


async def _commit_batch(core: Core, batch: Batch) -> list[int]:
    above = _above(core.catalogue)
    if above and any(space == "entries" and value[:16] in above for space, _, value in batch.puts):
        async with core.way_change():
            return await core.store.commit(batch)
    return await core.store.commit(batch)


@lru_cache(maxsize=64)
def _above(catalogue: bytes) -> frozenset[bytes]:
    """The uuids of all directories above mount points."""
    return frozenset().union(*parse(catalogue).mounts.values())


async def until_thawed(core: Core, uuid: bytes = b"") -> None:
    """Wait until something is frozen no more; with a `uuid`, until that is not.

    Raises:
        Unavailable: that takes too long.
    """
    frozen = {uuid} if uuid else parse(core.catalogue).frozen.keys()
    loop = asyncio.get_running_loop()
    until = loop.time() + THAW_SECONDS
    while frozen <= parse(await read_catalogue(core)).frozen.keys():
        if loop.time() > until:
            raise Unavailable(
                "this is being moved to another node", remedy="try again when it is there, or the node is back"
            )
        await asyncio.sleep(0.02)


async def is_full(core: Core, change: Change, most: int) -> bool:
    """Whether a change must be committed before one more object is added; `most` is the limit in rows."""
    try:
        rows = len(change) + await follow(core, change)
    except (DirectoryGone, Taken):
        return True  # `commit` raises the error
    return rows > max(most - SPARE - reserve(core, parse(core.catalogue)), 0)


async def telling(operation: Awaitable[T]) -> T:
    """Await an operation that changes something.

    Raises:
        Unavailable: with `details["unknown"]` if something was changed before.
    """
    outer, made = _made.get(None), list[bool]()
    token = _made.set(made)
    try:
        return await operation
    except Unavailable as error:
        if made:
            error.details["unknown"] = True
        raise
    finally:
        _made.reset(token)
        if outer is not None:  # a method that runs calls operations
            outer += made


async def retry(path: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Make a change, and make it again from the current data when another commit came between.

    The pauses grow: who is always a little later than one other writer outlasts that one's many changes.
    """
    clock = asyncio.get_running_loop().time
    for turn in range(ATTEMPTS):
        began = clock()
        try:
            return await attempt()
        except Stale:
            await asyncio.sleep(min(random.uniform(0, turn) * (clock() - began), LONGEST_PAUSE))
    raise Conflict(f"{path} is being changed by too many at once", path=path, remedy="try again")
