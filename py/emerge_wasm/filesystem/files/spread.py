"""Lay blocks of a claim over their holders: those that have some keep them on, others are given what lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from ...blocks.layout import Layout
from ...errors import EmergeError, Unavailable
from ..blocks import elsewhere
from ..core import Core
from .holders import by_node, holders_of
from .placement import assign

HOLD_SECONDS = 3.0
"""In which a holder says which of some blocks it has."""


async def hold_on(
    core: Core, where: Mapping[bytes, Collection[str]], claimant: str, avoid: Collection[str] = ()
) -> dict[bytes, set[str]]:
    """Let those who may have these blocks say so, and keep them for the claimant; return who has each. The nodes to
    `avoid` are not asked, and one that does not answer soon is not waited for."""
    there: dict[bytes, set[str]] = {}
    await elsewhere.promise(core.blocks, [name for name, whom in where.items() if whom], claimant)

    async def ask(holder: str) -> None:
        names = [name for name, whom in where.items() if holder in whom]
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                has = await holders_of(core).hold_again(holder, names)
        except (EmergeError, TimeoutError):  # it is away, and others are asked to hold them
            return
        await elsewhere.confirm(core.blocks, has, holder, claimant)
        for name in has:
            there.setdefault(name, set()).add(holder)

    some = {each for each in set().union(*where.values()) if holders_of(core).named(each).node not in avoid}
    await asyncio.gather(*map(ask, sorted(some)))
    return there


async def places_for(
    core: Core, layout: Layout, names: Sequence[bytes], here: Collection[bytes], claimant: str
) -> dict[bytes, list[str]]:
    """Return who is to be given blocks that come from another filesystem, of which some are `here`: those that have
    them already keep them on. Where there are too few nodes, this one gets what nobody has."""
    around = holders_of(core)
    told = (await around.find(set(names))).holders
    where = {name: {each.filesystem for each in whom} - {core.uuid} for name, whom in told.items()}
    there = await hold_on(core, where, claimant)
    for name in here:
        there.setdefault(name, set()).add(core.uuid)
    apart = {name: by_node(core, whom) for name, whom in there.items()}
    try:
        places = assign(layout, names, apart, [await around.own(), *await around.others()])
    except Unavailable:
        return {name: [core.uuid] for name in names if name not in there}
    await elsewhere.promise(core.blocks, [name for name, whom in places.items() if whom != [core.uuid]], claimant)
    return places


async def put_spread(
    core: Core, blocks: Mapping[bytes, bytes], places: Mapping[bytes, Collection[str]], claimant: str
) -> None:
    """Put blocks where they are to be; what another one does not take is kept here."""
    own = {name for name in blocks if core.uuid in places.get(name, (core.uuid,))}
    for holder in sorted(set().union(*(places.get(name, ()) for name in blocks)) - {core.uuid}):
        given = {name: data for name, data in blocks.items() if holder in places.get(name, ())}
        try:
            await holders_of(core).put(holder, given)
        except EmergeError:
            own |= given.keys()
        else:
            await elsewhere.confirm(core.blocks, given, holder, claimant)
    if own:
        await core.blocks.put({name: blocks[name] for name in own}, claimant)
