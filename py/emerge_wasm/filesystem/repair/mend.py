"""Make blocks again that are lost or damaged, where they were, or elsewhere when that holder is gone.

They are made of parity, of a map's other copy, or of what others have. A holder that is away keeps what it has: it is
counted on until `away` says that it has been away for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ...blocks.block import block_name
from ...blocks.block_map import BlockRow
from ...blocks.layout import Layout, join, split
from ...errors import EmergeError, Invalid, NotFound, Unavailable
from ...results import BlockFault
from ..blocks import elsewhere
from ..core import Core
from ..files.fetch import from_others
from ..files.holders import by_node, holders_of
from ..files.kept import KeptBy
from ..files.placement import assign

PARITY, COPY = "parity", "copy"
"""What a block was made of."""

FETCHED_AT_ONCE = 16

IsGone = Callable[[str], bool]
"""Tells whether a holder that is away is not to be counted on any more."""


def at_once(holder: str) -> bool:
    """Who is away is gone."""
    return True


@dataclass(slots=True)
class Mended:
    """What was made again, by name, of what; and what is still amiss. `lost`: the block cannot be had."""

    made: dict[bytes, str] = field(default_factory=dict)
    left: dict[bytes, BlockFault] = field(default_factory=dict)
    lost: bool = False


async def mend_row(core: Core, layout: Layout, row: BlockRow, kept: KeptBy, gone: IsGone) -> Mended:
    """Make again what is amiss of one block of a file, and what its raid level lacks, given who keeps it."""
    good = {name: {who for who, fault in kept[name].items() if fault is None} for name in row.kept}
    sends = {name: _to_mend(core, kept[name], good[name]) for name in row.kept}
    counted = {
        name: by_node(core, (who for who, fault in kept[name].items() if fault != "away" or not gone(who)))
        | sends[name]
        for name in row.kept
    }
    await _add_lacking(core, layout, row, counted, sends)
    data, parity = await _obtain(core, layout, row, [name for name, whom in sends.items() if whom], good)
    done = Mended()
    for name, whom in sends.items():
        for holder in whom:
            if name in data and await _give(core, holder, name, data[name]):
                done.made[name] = PARITY if name in parity else COPY
                good[name].add(holder)
                kept[name][holder] = None  # another block may have the name, too
        if not whom <= good[name] or not good[name]:
            done.left[name] = _fault(kept[name])
    done.lost = sum(not good[name] for name in row.kept) > (layout.parity if row.fragments else 0)
    return done


def _to_mend(core: Core, whom: Mapping[str, BlockFault | None], good: Collection[str]) -> set[str]:
    """Return who is to be given a block anew: it is lost or damaged there; or nobody has it."""
    bad = {who for who, fault in whom.items() if fault in ("lost", "damaged")}
    return bad or (set() if whom else {core.uuid})


async def _add_lacking(
    core: Core, layout: Layout, row: BlockRow, counted: dict[bytes, set[str]], sends: dict[bytes, set[str]]
) -> None:
    """Add who is to get what the raid level lacks; where too few nodes are here, what nobody has goes to this one."""
    around = holders_of(core)
    if around.leads() and not around.alone():
        try:
            lacking = assign(layout, row.kept, counted, [await around.own(), *await around.others()])
        except Unavailable:
            lacking = {}
        for name, whom in lacking.items():
            sends[name] |= set(whom)
    for name in row.kept:
        if not counted[name] and not sends[name]:
            sends[name].add(core.uuid)


async def _obtain(
    core: Core, layout: Layout, row: BlockRow, names: list[bytes], good: Mapping[bytes, Collection[str]]
) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Return those of these blocks that can be had, and which of them parity made."""
    data = await _read(core, names, good)
    for others in (fetch_elsewhere, None):
        missing = [name for name in names if name not in data]
        if not missing:
            break
        if row.fragments:
            data |= await _read(core, [name for name in row.fragments if name not in data], good)
            if made := _by_parity(layout, row, data):
                return data | made, set(made)
        if others is not None:
            data |= await others(core, missing)
    return data, set()


def _by_parity(layout: Layout, row: BlockRow, data: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the fragments of a block that are not at hand, if the others are enough."""
    try:
        whole = split(layout, join(layout, row.name, row.size, row.fragments, data))
    except EmergeError:
        return {}
    return {name: each for name, each in zip(row.fragments, whole, strict=True) if name not in data}


async def _read(core: Core, names: Iterable[bytes], good: Mapping[bytes, Collection[str]]) -> dict[bytes, bytes]:
    """Return blocks of who keeps them well."""
    found: dict[bytes, bytes] = {}
    for name in names:
        for holder in sorted(good[name], key=lambda each: each != core.uuid):
            try:
                if holder == core.uuid:
                    found[name] = (await core.blocks.read([name]))[0]
                else:
                    found |= await holders_of(core).get(holder, [name])
            except EmergeError:  # meanwhile
                continue
            if name in found:
                break
    return {name: data for name, data in found.items() if block_name(data) == name}


async def _give(core: Core, holder: str, name: bytes, data: bytes) -> bool:
    """Have a block kept by a filesystem; tell whether it is."""
    if holder == core.uuid:
        await core.blocks.remake({name: data})
        return True
    await elsewhere.note(core.blocks, [name], holder)  # first, so that it is wanted when the holder asks
    try:
        await holders_of(core).put(holder, {name: data})
    except EmergeError:
        return False
    return True


def _fault(whom: Mapping[str, BlockFault | None]) -> BlockFault:
    faults = [fault for fault in whom.values() if fault is not None]
    return min(faults, key=["damaged", "away", "lost"].index, default="lost")


async def mend_blocks(core: Core, amiss: Mapping[bytes, BlockFault]) -> Mended:
    """Make blocks again here that no parity covers: maps, of their other copy, and others of who has them."""
    made: dict[bytes, str] = {}
    for name in amiss:
        try:
            data = (await core.blocks.read([name]))[0]
        except (NotFound, Invalid):
            continue
        await core.blocks.remake({name: data})
        made[name] = COPY
    copies = await fetch_elsewhere(core, amiss.keys() - made.keys())
    await core.blocks.remake(copies)
    made |= dict.fromkeys(copies, COPY)
    left = {name: fault for name, fault in amiss.items() if name not in made}
    return Mended(made, left, bool(left))


async def fetch_elsewhere(core: Core, names: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return those of these blocks that others have, each verified."""
    wanted, found = list(names), dict[bytes, bytes]()
    for begin in range(0, len(wanted), FETCHED_AT_ONCE):
        some = wanted[begin : begin + FETCHED_AT_ONCE]
        answer = await from_others(core, some)
        found |= {name: data for name, data in answer.items() if name in some and block_name(data) == name}
    return found
