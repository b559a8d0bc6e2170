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
from typing import NamedTuple

from ...blocks.layout import Layout
from ...blocks.rendezvous import ranked
from ...errors import EmergeError
from ..blocks import elsewhere
from ..blocks.collector import Collected, claimed_of, referred_by_states, remove
from ..blocks.hold import held_for_others
from ..blocks.row import MAP, key_of
from ..core import Core, Part
from ..files.holders import by_node, holders_of
from ..files.kept import KeptBy, look
from ..files.placement import match, nodes_needed
from .leaves import leaves

log = logging.getLogger("emerge.filesystem")

GIVEN_UP: Part[Counter[str]] = Part(Counter)
"""How many copies were given up since the filesystem was opened."""


class GivenUp(NamedTuple):
    """How many copies were given up, and the blocks of which it is to be decided later: an upload counts on one, who
    has one does not answer, or it was given anew meanwhile."""

    copies: int
    undecided: set[bytes]


_LOCK: Part[asyncio.Lock] = Part(asyncio.Lock)

BlockGroup = tuple[Layout, tuple[bytes, ...]]
"""A block: how it is laid down, and the names under which it is kept."""


def may_have_surplus(layout: Layout, kept: Collection[bytes], by: KeptBy) -> set[bytes]:
    """Return which of the names under which a block is kept have more holders than the block itself wants."""
    wanted = 1 if layout.fragments else nodes_needed(layout)
    return {name for name in kept if sum(fault is None for fault in by[name].values()) > wanted}


async def give_up_surplus(core: Core, names: Collection[bytes]) -> GivenUp:
    """Give up what of these blocks is on more nodes than their levels want."""
    around = holders_of(core)
    if not names or around.alone() or not around.leads():
        return GivenUp(0, set())
    async with _LOCK.of(core):  # each decides by what the one before has left
        given = await _decide(core, set(names))
    GIVEN_UP.of(core)["copies"] += given.copies
    if given.copies:
        log.info("%d copies are beyond the raid levels of their files, and are given up", given.copies)
        await hand_back(core)
    return given


async def hand_back(core: Core) -> None:
    """Let holders give up what they are to; one that is away asks when it is back."""
    for holder, names in (await elsewhere.surplus(core.blocks)).items():
        with suppress(EmergeError):
            held = await holders_of(core).review(holder, names)
            await elsewhere.is_given_back(core.blocks, names - held, holder)


async def _decide(core: Core, suspects: set[bytes]) -> GivenUp:
    own = await core.blocks.ledger(suspects)  # these two as they were before it is found out what counts on them
    given_to = await elsewhere.where_stamps(core.blocks, suspects)
    claimed = await claimed_of(core.blocks, suspects)
    groups = [group async for group in _groups(core, suspects - claimed)]
    suspects = set().union(*(names for _, names in groups)) & (suspects - claimed)
    away = _away(await look(core, suspects, verify=False))
    groups = [group for group in groups if not (suspects - away).isdisjoint(group[1])]
    kept = await look(core, {name for _, names in groups for name in names}, verify=True)
    away |= _away(kept) & suspects
    good = {name: {who for who, fault in whom.items() if fault is None} for name, whom in kept.items()}
    hosts = await _hosts(core)
    stays = await _to_be_here(core, own.keys())
    given: dict[str, dict[bytes, bytes]] = {}
    for name in sorted(suspects - away):
        concerned = [group for group in groups if name in group[1]]
        for holder in _dispensable(core, name, good[name], hosts):
            if holder == core.uuid and name in stays:
                continue
            good[name].discard(holder)
            if all(_is_met(core, layout, names, good) for layout, names in concerned):
                row = own.get(name) if holder == core.uuid else given_to[name].get(holder)
                given.setdefault(holder, {})[name] = row or b""
            else:
                good[name].add(holder)
    copies, late = await _give_up(core, given)
    return GivenUp(copies, claimed | away | late)


def _away(kept: KeptBy) -> set[bytes]:
    return {name for name, whom in kept.items() if "away" in whom.values()}


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


def _dispensable(core: Core, name: bytes, holders: Collection[str], hosts: Mapping[str, str]) -> list[str]:
    """Return holders, the first to be given up before: a second one on the owner's node, then those that share a
    machine, then those that come last for it."""
    here = {each for each in holders if by_node(core, [each]) == {core.uuid}}
    twice = here - {core.uuid} if core.uuid in here else set()
    there = Counter(hosts.get(each, each) for each in holders)
    order = ranked(name, holders)
    return sorted(holders, key=lambda each: (each not in twice, there[hosts.get(each, each)] == 1, -order.index(each)))


def _is_met(core: Core, layout: Layout, names: tuple[bytes, ...], good: Mapping[bytes, Collection[str]]) -> bool:
    if layout.fragments:
        return len(match({name: by_node(core, good[name]) for name in names})) == layout.fragments
    return len(by_node(core, good[names[0]])) >= nodes_needed(layout)


async def _give_up(core: Core, given: Mapping[str, Mapping[bytes, bytes]]) -> tuple[int, set[bytes]]:
    """Give up copies, by holder, whose rows are still what they were; how many were, and of which one was not."""
    copies, late = 0, set[bytes]()
    for holder, rows in given.items():
        if holder == core.uuid:
            done = Collected()
            await remove(core.blocks, rows, done)
            left = await core.blocks.has(rows) if done.kept else set[bytes]()
        else:
            left = rows.keys() - await elsewhere.give_back(core.blocks, holder, rows)
        copies += len(rows) - len(left)
        late |= left
    return copies, late
