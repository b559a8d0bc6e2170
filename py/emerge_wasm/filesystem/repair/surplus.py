"""Give up copies beyond what the raid levels want: of a holder that came back after what it had was made again.

All are read before: what is given up is sound elsewhere, as often as every block wants it that has the name.
What an upload counts on, and what a holder has that is away, is not decided yet, and stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress

from ...blocks.layout import Layout
from ...blocks.rendezvous import ranked
from ...errors import EmergeError
from ..blocks import elsewhere
from ..blocks.collector import Collected, claimed_of, referred_by_states, remove
from ..blocks.hold import held_for_others
from ..blocks.row import MAP, key_of
from ..core import Core, Part
from ..files.holders import holders_of
from ..files.kept import KeptBy, look
from ..files.placement import match, nodes_needed
from .leaves import leaves

log = logging.getLogger("emerge.filesystem")

GIVEN_UP: Part[Counter[str]] = Part(Counter)
"""How many copies were given up since the filesystem was opened."""

_LOCK: Part[asyncio.Lock] = Part(asyncio.Lock)

BlockGroup = tuple[Layout, tuple[bytes, ...]]
"""A block: how it is laid down, and the names under which it is kept."""


def may_have_surplus(layout: Layout, kept: Collection[bytes], by: KeptBy) -> set[bytes]:
    """Return which of the names under which a block is kept have more holders than the block itself wants."""
    wanted = 1 if layout.fragments else nodes_needed(layout)
    return {name for name in kept if sum(fault is None for fault in by[name].values()) > wanted}


async def give_up_surplus(core: Core, names: Collection[bytes]) -> int:
    """Give up what of these blocks is on more nodes than their levels want; how many copies that were."""
    around = holders_of(core)
    if not names or around.alone() or not around.leads():
        return 0
    async with _LOCK.of(core):  # each decides by what the one before has left
        given = await _decide(core, set(names))
    GIVEN_UP.of(core)["copies"] += given
    if given:
        log.info("%d copies are beyond the raid levels of their files, and are given up", given)
        await hand_back(core)
    return given


async def hand_back(core: Core) -> None:
    """Let holders give up what they are to; one that is away asks when it is back."""
    for holder, names in (await elsewhere.surplus(core.blocks)).items():
        with suppress(EmergeError):
            held = await holders_of(core).review(holder, names)
            await elsewhere.is_given_back(core.blocks, names - held, holder)


async def _decide(core: Core, suspects: set[bytes]) -> int:
    own = await core.blocks.ledger(suspects)  # these two as they were before it is found out what counts on them
    given_to = await elsewhere.where_stamps(core.blocks, suspects)
    suspects -= await claimed_of(core.blocks, suspects)
    groups = [group async for group in _groups(core, suspects)]
    kept = await look(core, {name for _, names in groups for name in names}, verify=True)
    good = {name: {who for who, fault in whom.items() if fault is None} for name, whom in kept.items()}
    hosts = await _hosts(core)
    stays = await _to_be_here(core, own.keys())
    given = 0
    for name in sorted(suspects & kept.keys()):
        if "away" in kept[name].values():
            continue
        concerned = [group for group in groups if name in group[1]]
        for holder in _dispensable(name, good[name], hosts):
            if holder == core.uuid and name in stays:
                continue
            good[name].discard(holder)
            if all(_is_met(layout, names, good) for layout, names in concerned) and await _give_up(
                core, name, holder, own.get(name, b"") if holder == core.uuid else given_to[name].get(holder, b"")
            ):
                given += 1
            else:
                good[name].add(holder)
    return given


async def _groups(core: Core, suspects: set[bytes]) -> AsyncIterator[BlockGroup]:
    """Yield all blocks that have something of one of these names."""
    found: set[BlockGroup] = set()
    async for node in leaves(core):
        for row in node.rows:
            group = node.layout, tuple(row.kept)
            if group not in found and not suspects.isdisjoint(row.kept):
                found.add(group)
                yield group


async def _hosts(core: Core) -> dict[str, str]:
    around = holders_of(core)
    return {each.filesystem: each.host or each.filesystem for each in (await around.own(), *await around.others())}


async def _to_be_here(core: Core, names: Collection[bytes]) -> set[bytes]:
    """Return which of these blocks something else than a file wants in this store."""
    marks = await core.blocks.store.get([key_of(MAP, name) for name in names]) if names else []
    maps = {name for name, mark in zip(names, marks, strict=True) if mark is not None}
    return maps | await referred_by_states(core.blocks, set(names)) | await held_for_others(core.blocks, names)


def _dispensable(name: bytes, holders: Collection[str], hosts: Mapping[str, str]) -> list[str]:
    """Return holders, the first to be given up before: those that share a machine, then those that come last for it."""
    there = Counter(hosts.get(each, each) for each in holders)
    order = ranked(name, holders)
    return sorted(holders, key=lambda each: (there[hosts.get(each, each)] == 1, -order.index(each)))


def _is_met(layout: Layout, names: tuple[bytes, ...], good: Mapping[bytes, Collection[str]]) -> bool:
    if layout.fragments:
        return len(match({name: good[name] for name in names})) == layout.fragments
    return len(good[names[0]]) >= nodes_needed(layout)


async def _give_up(core: Core, name: bytes, holder: str, row: bytes) -> bool:
    """Give up a copy whose row is still what it was; tell whether it is."""
    if holder != core.uuid:
        return await elsewhere.give_back(core.blocks, name, holder, row)
    done = Collected()
    await remove(core.blocks, name, row, done)
    return bool(done.blocks)
