"""Bring files from another filesystem: which blocks of their trees are not here yet, and those that come.

A tree is kept from its leaves up, each node once all is here that it names. Who fetches the blocks is the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from uuid import uuid4

from ...blocks.block import block_name, short_name
from ...blocks.block_map import BlockMap
from ...errors import Conflict, Invalid, Unavailable
from ..core import Core
from .holders import holders_of
from .spread import places_for, put_spread

ASKED_AT_ONCE = 16
"""Blocks of one request; of those of full size, an answer has fewer."""

FetchBlocks = Callable[[list[bytes]], Awaitable[Mapping[bytes, bytes]]]
"""Gets some of these blocks, at least one, from where they are."""


class Carrier:
    """The trees that are on their way to one filesystem, claimed until they are referred to.

    It keeps all of their blocks itself, or `spreads` them over its holders as their raid levels want it. When its claim
    ended, since who has them was away, it looks anew what is here.
    """

    def __init__(self, core: Core, claimant: str = "", *, spreads: bool = False) -> None:
        self._core = core
        self._spreads = spreads
        self._claimant = claimant or f"carried {uuid4().hex}"
        self._forget()

    def _forget(self) -> None:
        self._places: dict[bytes, list[str]] = {}
        self._nodes: dict[bytes, bytes | None] = {}  # those that lack something; None: they have not come
        self._left: dict[bytes, dict[bytes, None]] = {}  # what each node that came may lack
        self._asked: set[bytes] = set()
        self._done: set[bytes] = set()

    async def missing(self, roots: Collection[bytes]) -> list[bytes]:
        """Return blocks that the trees with these roots lack, to be asked for next; none when they are whole."""
        try:
            found = await self._missing(roots)
            if found or await self._core.blocks.claimed(roots, self._claimant) == set(roots):
                return found
        except Conflict as error:
            if "block" not in error.details:
                raise
        self._forget()
        return await self._missing(roots)

    async def _missing(self, roots: Collection[bytes]) -> list[bytes]:
        found: list[bytes] = []
        for root in roots:
            found += await self._settle(root)
            if len(found) >= ASKED_AT_ONCE:
                break
        found = list(dict.fromkeys(found))[:ASKED_AT_ONCE]
        self._asked.update(found)
        return found

    async def keep(self, blocks: Mapping[bytes, bytes]) -> None:
        """Keep those of these blocks that were missing.

        Raises:
            Invalid: one was damaged on its way.
            Conflict: the claim ended meanwhile; ask again what is missing.
        """
        data: dict[bytes, bytes] = {}
        for name in self._asked & blocks.keys():
            if block_name(blocks[name]) != name:
                raise Invalid(f"the block {short_name(name)} was damaged on its way", remedy="try again")
            if name in self._nodes:
                await self._begin(name, blocks[name])
            else:
                data[name] = blocks[name]
        try:
            if data:
                await put_spread(self._core, data, self._places, self._claimant)
        except Conflict:
            self._forget()
            raise
        self._asked.difference_update(blocks)
        for left in self._left.values():
            for name in data:
                left.pop(name, None)

    async def end(self) -> None:
        """End the claim: what has come is referred to, or was in vain."""
        await self._core.blocks.let_go(self._claimant)

    async def _begin(self, name: bytes, data: bytes) -> None:
        node = BlockMap.unpack(data)
        names = dict.fromkeys(each for row in node.rows for each in row.kept)
        here = set() if node.level else await self._core.blocks.claim(names, self._claimant)
        self._nodes[name] = data
        self._left[name] = dict.fromkeys(each for each in names if each not in here)
        if not node.level and self._spreads and not holders_of(self._core).alone():
            kept = [each for row in node.rows for each in row.kept]
            places = await places_for(self._core, node.layout, kept, here, self._claimant)
            self._places |= places
            self._left[name] = dict.fromkeys(places)

    async def _settle(self, name: bytes) -> list[bytes]:
        """Return what a node lacks, itself if it has not come; put it when that is nothing."""
        if name in self._done:
            return []
        if name not in self._nodes:
            self._nodes[name] = None
            if await self._core.blocks.claim([name], self._claimant):  # perhaps only as bytes of another file
                await self._begin(name, (await self._core.blocks.read([name]))[0])
        data = self._nodes[name]
        if data is None:
            return [name]
        found: list[bytes] = []
        above = BlockMap.unpack(data).level > 0
        for each in list(self._left[name]):
            found += await self._settle(each) if above else [each]
            if len(found) >= ASKED_AT_ONCE:
                return found
        if not found:
            await self._core.blocks.put({name: data}, self._claimant, maps=True)
            del self._nodes[name], self._left[name]
            self._done.add(name)
        return found


async def carry(carrier: Carrier, roots: Collection[bytes], fetch: FetchBlocks) -> None:
    """Bring the trees with these roots, with all their blocks.

    Raises:
        Unavailable: one of them cannot be had.
    """
    while missing := await carrier.missing(roots):
        blocks = await fetch(missing)
        if not blocks:
            raise Unavailable(
                f"the block {short_name(missing[0])} cannot be had",
                remedy="verify the file where it is (emerge verify)",
                block=missing[0].hex(),
            )
        await carrier.keep(blocks)
