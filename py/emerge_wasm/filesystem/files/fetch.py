"""Blocks of a filesystem wherever they are: in its own store, at those that were given them, at whoever has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...blocks.block import block_name, short_name
from ...errors import EmergeError, Invalid, NotFound
from ..blocks import elsewhere
from ..core import Core
from .holders import DAMAGED, MISSED, Holders, holders_of

BYTES_AT_ONCE = 4 << 20
"""Bytes of blocks at which an answer ends, so that it fits into any transport's message."""


ASKED_AT_ONCE = 4
"""Blocks that are asked of others together."""


class Fetched(NamedTuple):
    """Blocks, and why others cannot be had. Blocks in neither are to be asked for again."""

    blocks: dict[bytes, bytes]
    lost: dict[bytes, str]


async def fetch_blocks(core: Core, names: Sequence[bytes], *, others: bool = True) -> Fetched:
    """Return some of these blocks, at least one, up to about BYTES_AT_ONCE, each verified by its name.

    Without `others`, only those that are in the own store.
    """
    found = Fetched({}, {})
    why: dict[bytes, str] = {}
    size = 0
    for name in names:
        if size >= BYTES_AT_ONCE:
            return found
        try:
            (found.blocks[name],) = await core.blocks.read([name])
            size += len(found.blocks[name])
        except (NotFound, Invalid) as error:
            why[name] = error.message
            if isinstance(error, Invalid):
                DAMAGED.of(core).add(name)
                MISSED.of(core).set()
    absent = list(why)
    while absent and size < BYTES_AT_ONCE:
        asked, absent = absent[:ASKED_AT_ONCE], absent[ASKED_AT_ONCE:]
        fetched = await from_others(core, asked) if others else {}
        found.blocks.update(fetched)
        found.lost.update(await _reasons(core, {name: why[name] for name in asked if name not in fetched}))
        size += sum(map(len, fetched.values()))
    return found


async def _reasons(core: Core, lost: Mapping[bytes, str]) -> dict[bytes, str]:
    """Say of blocks that cannot be had which nodes were given them."""
    around, hints = holders_of(core), await elsewhere.where(core.blocks, lost)
    nodes = {name: sorted(around.named(each).node for each in hints[name]) for name in lost}
    return {
        name: f"the block {short_name(name)} is held by {' and '.join(nodes[name])}, away or without it"
        if nodes[name]
        else why
        for name, why in lost.items()
    }


async def fetch_block(core: Core, name: bytes) -> bytes:
    """Return a block. Raises NotFound when nobody has it who answers."""
    fetched = await fetch_blocks(core, [name])
    if name not in fetched.blocks:
        raise NotFound(fetched.lost[name], remedy="restore it from a copy, or put it again", block=name.hex())
    return fetched.blocks[name]


async def from_others(core: Core, names: Collection[bytes]) -> dict[bytes, bytes]:
    """Return what others have of these blocks: first those that were given them are asked, then everybody."""
    holders = holders_of(core)
    if holders.alone():
        return {}
    found = await _get(holders, names, await elsewhere.where(core.blocks, names))
    missing = [name for name in names if name not in found]
    if missing:
        MISSED.of(core).set()
        told = (await holders.find(missing)).holders
        found |= await _get(
            holders, missing, {name: [each.filesystem for each in told.get(name, [])] for name in missing}
        )
    return found


async def _get(holders: Holders, names: Collection[bytes], where: Mapping[bytes, Iterable[str]]) -> dict[bytes, bytes]:
    """Ask for each block those who may have it, one after another."""
    found: dict[bytes, bytes] = {}
    left = {name: list(where.get(name, ())) for name in names}
    while asked := {name: left[name].pop(0) for name in names if name not in found and left[name]}:
        for holder in dict.fromkeys(asked.values()):
            found |= await _get_from(holders, holder, [name for name, whom in asked.items() if whom == holder])
    return found


async def _get_from(holders: Holders, holder: str, names: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    try:
        while missing := [name for name in names if name not in found]:
            given = await holders.get(holder, missing)
            right = {name: data for name, data in given.items() if name in missing and block_name(data) == name}
            if not right:
                break
            found |= right
    except EmergeError:  # it is away: there may be another one
        pass
    return found
