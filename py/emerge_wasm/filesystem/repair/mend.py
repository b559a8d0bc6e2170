"""Make blocks again that are lost or damaged: from parity, from a map's other copy, or from who else has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ...blocks.block import block_name
from ...blocks.block_map import BlockRow
from ...blocks.layout import Layout, join, split
from ...errors import EmergeError, Invalid, NotFound
from ...results import BlockFault
from ..core import Core, Part

Fetch = Callable[[Collection[bytes]], Awaitable[Mapping[bytes, bytes]]]
"""Gets some of these blocks, perhaps none, from others that have them; whoever made it says nothing of their hashes."""

PARITY, COPY = "parity", "copy"
"""What a block was made of."""

FETCHED_AT_ONCE = 16


async def nobody(names: Collection[bytes]) -> Mapping[bytes, bytes]:
    """Get none: nobody else has them."""
    return {}


@dataclass
class Elsewhere:
    """Who else has the blocks of a filesystem. A node says so."""

    fetch: Fetch = nobody


ELSEWHERE = Part(Elsewhere)


@dataclass(slots=True)
class Mended:
    """What was made again, by name, of what; and what is still amiss."""

    made: dict[bytes, str] = field(default_factory=dict)
    left: dict[bytes, BlockFault] = field(default_factory=dict)


async def mend_row(core: Core, layout: Layout, row: BlockRow, amiss: Mapping[bytes, BlockFault]) -> Mended:
    """Make again what is amiss of one block of a file."""
    found = await _by_parity(core, layout, row, amiss, {})
    made = dict.fromkeys(found, PARITY)
    if lacking := amiss.keys() - found.keys():
        copies = await fetch_elsewhere(core, lacking)
        made |= dict.fromkeys(copies, COPY)
        found |= copies
        if copies and copies.keys() != lacking:
            more = await _by_parity(core, layout, row, amiss, copies)
            made |= dict.fromkeys(more, PARITY)
            found |= more
    await core.blocks.remake(found)
    return Mended(made, {name: fault for name, fault in amiss.items() if name not in found})


async def mend_blocks(core: Core, amiss: Mapping[bytes, BlockFault]) -> Mended:
    """Make blocks again that no parity covers: maps, of their other copy, and others of who has them."""
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
    return Mended(made, {name: fault for name, fault in amiss.items() if name not in made})


async def fetch_elsewhere(core: Core, names: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return those of these blocks that others have, each verified."""
    wanted, found = list(names), dict[bytes, bytes]()
    for begin in range(0, len(wanted), FETCHED_AT_ONCE):
        some = wanted[begin : begin + FETCHED_AT_ONCE]
        answer = await ELSEWHERE.of(core).fetch(some)
        found |= {name: data for name, data in answer.items() if name in some and block_name(data) == name}
    return found


async def _by_parity(
    core: Core, layout: Layout, row: BlockRow, amiss: Mapping[bytes, BlockFault], more: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    """Return the fragments that are amiss, computed from the others; none if too many are, or it has none."""
    good = [name for name in row.fragments if name not in amiss or name in more]
    if not row.fragments or len(good) < layout.data:
        return {}
    fragments = dict(more)
    for name in good:
        if name not in fragments:
            try:
                fragments[name] = (await core.blocks.read([name]))[0]
            except (NotFound, Invalid):  # meanwhile
                continue
    try:
        whole = split(layout, join(layout, row.name, row.size, row.fragments, fragments))
    except EmergeError:
        return {}
    return {name: each for name, each in zip(row.fragments, whole, strict=True) if name in amiss and name not in more}
