"""Blocks in the stores of a cluster: what a state leads to is in some store, what nothing has any use for in none.

What a state leads to is found here by reading all of them, and not as the collector does it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from emerge_wasm.blocks.block import short_name
from emerge_wasm.blocks.block_map import BlockMap
from emerge_wasm.blocks.layout import Layout
from emerge_wasm.filesystem.blocks.blocks import CLAIM_SECONDS, Blocks, now_micros
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.hold import held_for_others, holds, owners
from emerge_wasm.filesystem.blocks.large_state import STATES, recipe_of
from emerge_wasm.filesystem.files.placement import match, nodes_needed

LATER = 2 * CLAIM_SECONDS * 1_000_000


class Group(NamedTuple):
    """One block of a file: how it is laid down, and the names under which it is kept."""

    layout: Layout
    kept: tuple[bytes, ...]


class Remains(NamedTuple):
    """The blocks that one store has, sound ones; those to which its states lead, and the blocks of files among them;
    what it holds for others, by owner; and what is left for nothing."""

    here: set[bytes]
    needed: set[bytes]
    faults: list[str]
    groups: set[Group]
    holds: dict[str, set[bytes]]


async def remains_of(blocks: Blocks) -> Remains:
    """Collect as if all claims had ended, and look at what is there."""
    await collect(blocks, now_micros() + LATER)
    needed, groups = await _needed(blocks)
    listed: set[bytes] = set()
    last = b""
    while page := await blocks.page(last):
        last = page[-1][0]
        listed.update(name for name, _ in page)
    unused = listed - needed
    unused -= await held_for_others(blocks, unused)
    faults = [f"the block {short_name(name)} is left, though nothing has any use for it" for name in sorted(unused)]
    files = [file async for file in _files(blocks)]
    faults += [f"the file {file} is left" for file in files if bytes.fromhex(file.partition("-")[0]) not in listed]
    here = await blocks.has(listed)
    here -= (await blocks.unsound(here)).keys()
    return Remains(here, needed, faults, groups, {owner: await _held(blocks, owner) for owner in await owners(blocks)})


async def _held(blocks: Blocks, owner: str) -> set[bytes]:
    found: set[bytes] = set()
    while page := await holds(blocks, owner, max(found, default=b"")):
        found |= page.keys()
    return found


def gone(some: Iterable[Remains], all: Iterable[Remains]) -> Iterator[str]:
    """Yield what is in none of `all` stores, though a state in one of `some` leads to it."""
    here = set().union(*(each.here for each in all))
    for name in sorted(set().union(*(each.needed for each in some)) - here):
        yield f"the block {short_name(name)} is gone, though a state leads to it"


def unlevel(stores: Mapping[str, Remains], owners: Collection[str]) -> Iterator[str]:
    """Yield what is on fewer or more nodes than its level wants, of files of these owners; `stores` by filesystem.

    A name that several blocks have may be where each of them wants it; and a node that owns one may have what it holds
    for another owner.
    """
    for owner in owners:
        having: dict[bytes, set[str]] = defaultdict(set)
        for name in stores[owner].here & stores[owner].needed:
            having[name].add(owner)
        for holder, held in stores.items():
            for name in held.holds.get(owner, set()) & held.here:
                having[name].add(holder)
        most = Counter[bytes]()
        for layout, kept in stores[owner].groups:
            needed = nodes_needed(layout)
            met = len(match({name: having[name] for name in kept})) if layout.fragments else len(having[kept[0]])
            if met < needed:
                yield f"{short_name(kept[0])} of {layout.pack()} at {owner[:8]} is on {met} nodes"
            for name in kept:
                most[name] = most[name] + 1 if layout.fragments else max(most[name], needed)
        for_others = set().union(*stores[owner].holds.values())
        for name, number in most.items():
            if len(having[name] - ({owner} if name in for_others else set())) > number:
                yield f"{short_name(name)} of {owner[:8]} is on {len(having[name])} nodes, and is to be on {number}"


def held_for_nothing(stores: Mapping[str, Remains]) -> Iterator[str]:
    """Yield what is held for owners that do not want it any more."""
    for holder, held in stores.items():
        for owner, names in held.holds.items():
            unwanted = names - stores[owner].needed if owner in stores else set()
            for name in sorted(unwanted)[:3]:
                yield f"{holder[:8]} holds {short_name(name)} for {owner[:8]}, which has no use for it"


async def _files(blocks: Blocks) -> AsyncIterator[str]:
    last = ""
    while blocks.files is not None and (page := await blocks.files.page(last)):
        last = page[-1]
        for file in page:
            yield file


async def _needed(blocks: Blocks) -> tuple[set[bytes], set[Group]]:
    """The names of all blocks to which a state leads, and the blocks of files."""
    needed: set[bytes] = set()
    groups: set[Group] = set()
    pending: list[bytes] = []
    start = b""
    while rows := await blocks.store.scan(STATES, start, limit=100):
        start = rows[-1][0] + b"\0"
        recipes = [recipe for _, raw in rows if (recipe := recipe_of(raw)) is not None]
        needed.update(name for recipe in recipes for name in recipe.names())
        pending += [root for recipe in recipes for root in recipe.roots]
    seen: set[bytes] = set()
    while pending:
        name = pending.pop()
        if name in seen or not await blocks.has([name]):
            continue
        seen.add(name)
        node = BlockMap.unpack((await blocks.read([name]))[0])
        needed.update(each for row in node.rows for each in row.kept)
        if node.level:
            pending += [row.name for row in node.rows]
        else:
            groups |= {Group(node.layout, tuple(row.kept)) for row in node.rows}
    return needed, groups
