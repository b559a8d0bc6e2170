"""One pass over all blocks of a store: each is read, and what is lost or damaged is made again, as far as it can be.

It goes over the ledger by name, and looks whether all is where it is to be that maps and states refer to, here and at
other holders. What nothing refers to is left to the collector: whoever brings it may not have written it yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from ...blocks.block import short_name
from ...codec.msgpack_engine import engine
from ...errors import Invalid, Unavailable
from ...results import BlockFault
from ..blocks.blocks import scan_all
from ..blocks.collector import referred
from ..blocks.hold import held_for_others
from ..blocks.large_state import STATES, recipe_of
from ..blocks.row import RECIPE
from ..core import Core
from ..files.holders import DAMAGED
from ..files.kept import look
from .absence import Absences
from .leaves import leaves, map_nodes
from .mend import Mended, mend_blocks, mend_row
from .surplus import give_up_surplus, may_have_surplus

log = logging.getLogger("emerge.filesystem")

PAGE = 64
LOST_LIMIT = 100
"""Names of lost blocks that are remembered."""

SURPLUS_AT_ONCE = 10_000
"""Blocks of which there may be too many copies; it is decided then, which takes a look at all maps."""

Pace = Callable[[int], Awaitable[None]]
"""Waits as long as reading so many bytes is to take."""

Save = Callable[[], Awaitable[None]]
"""Keeps how far the pass is, where that is due."""


@dataclass(slots=True)
class ScrubPass:
    """How far a pass is: what it has read, and what was amiss, by number; `lost` are names of what cannot be had, 100
    at most; `given_up` are copies beyond a level. `unread` could not be read now, which says nothing of them. Moments
    are in microseconds since 1970."""

    begun: int = 0
    ended: int = 0
    after: bytes = b""
    blocks: int = 0
    size: int = 0
    mended: int = 0
    unread: int = 0
    losses: int = 0
    given_up: int = 0
    lost: list[str] = field(default_factory=list)


async def run_pass(core: Core, done: ScrubPass, pace: Pace, save: Save) -> None:
    """Go on with a pass until its end.

    Raises:
        Unavailable: the store is away; what was saved is where to go on.
    """
    while page := await core.blocks.page(done.after, PAGE):
        suspects: dict[bytes, BlockFault] = {}
        for name, size in page:
            try:
                fault = await core.blocks.unsound([name])
                suspects |= fault
                if not fault:
                    await core.blocks.renew([name])
            except Unavailable as error:
                done.unread += 1
                log.warning("the block %s cannot be read now: %s", short_name(name), error)
            done.blocks += 1
            done.size += size
            await pace(size)
        await settle(core, suspects, done)
        done.after = page[-1][0]
        await save()
    await check_levels(core, done, Absences(core), pace)
    async for names in _other_names(core):
        here = await core.blocks.has(names)
        await settle(core, {name: "lost" for name in names if name not in here}, done)


async def check_levels(core: Core, done: ScrubPass, absences: Absences, pace: Pace) -> set[bytes]:
    """Look where each block of the files here is kept, make what lacks, and give up what is beyond their levels.

    Return the blocks of which that is to be decided later.
    """
    surplus: set[bytes] = set()
    undecided: set[bytes] = set()

    async def give_up() -> None:
        given = await give_up_surplus(core, surplus)
        done.given_up += given.copies
        undecided.update(given.undecided)
        surplus.clear()

    async for node in leaves(core):
        for begin in range(0, len(node.rows), PAGE):
            rows = node.rows[begin : begin + PAGE]
            kept = await look(core, [name for row in rows for name in row.kept], verify=False)
            absences.note(kept)
            for row in rows:
                mended = await mend_row(core, node.layout, row, kept, absences.are_over)
                _note(mended, done)
                if mended.made:
                    await pace(row.size)
                if not mended.left:
                    surplus |= may_have_surplus(node.layout, row.kept, kept)
            if len(surplus) > SURPLUS_AT_ONCE:
                await give_up()
    await give_up()
    return undecided


async def settle(core: Core, suspects: Mapping[bytes, BlockFault], done: ScrubPass) -> None:
    """Make blocks again that are amiss here still and that something refers to, here or elsewhere."""
    if not suspects:
        return
    held = await held_for_others(core.blocks, suspects)
    amiss = await core.blocks.unsound({*await referred(core.blocks, set(suspects)), *held})
    if not amiss:
        return
    left = set(amiss)
    async for node in leaves(core):
        for row in node.rows:
            if not left.isdisjoint(row.kept):
                kept = await look(core, row.kept, verify=True)
                _note(await mend_row(core, node.layout, row, kept, Absences(core).are_over), done)
                left.difference_update(row.kept)
    mended = await mend_blocks(core, {name: amiss[name] for name in left})
    _note(mended, done)
    DAMAGED.of(core).difference_update(suspects)
    DAMAGED.of(core).update(mended.left.keys() & held)


def _note(mended: Mended, done: ScrubPass) -> None:
    for name, how in mended.made.items():
        done.mended += 1
        log.warning("the block %s was damaged or lost, and is made again of %s", short_name(name), how)
    for name, fault in mended.left.items():
        if fault == "away" or name.hex() in done.lost:
            continue
        done.losses += 1
        if len(done.lost) < LOST_LIMIT:
            done.lost.append(name.hex())
        log.error("the block %s is %s, and cannot be made again", short_name(name), fault)


async def _other_names(core: Core) -> AsyncIterator[set[bytes]]:
    """Yield what states refer to, one state at a time, and the lower nodes of maps."""
    async for node in map_nodes(core):
        if node.level:
            yield {row.name for row in node.rows}
    async for key, _ in scan_all(core.blocks.store, RECIPE):
        (raw,) = await core.blocks.store.get([(STATES, key[len(RECIPE) :])])
        try:
            recipe = recipe_of(raw) if raw is not None else None
        except Invalid:  # a check names it
            continue
        if recipe is not None:
            yield recipe.names()
        await asyncio.sleep(0)


def pack_passes(passes: Iterable[ScrubPass | None], by: str, at: int) -> bytes:
    return engine.packb([[asdict(each) if each is not None else None for each in passes], by, at])


def unpack_passes(raw: bytes) -> tuple[list[ScrubPass | None], str, int]:
    passes, by, at = engine.unpackb(raw)
    return [ScrubPass(**each) if each is not None else None for each in passes], by, at
