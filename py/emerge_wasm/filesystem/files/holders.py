"""Who can hold blocks for a filesystem beside itself, and what the node around it does with them. A Protocol.

A filesystem that is served by no node of a cluster is alone. So is one whose store several nodes open: its engine keeps
more than one copy, or does not, and no node could keep a second one any better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from ...results import BlockFault
from ..core import Core, Part


class BlockHolder(NamedTuple):
    """A filesystem that holds blocks: its uuid, the node that serves it and where, and the machine of that."""

    filesystem: str
    node: str
    rpc: str = ""
    host: str = ""


class WhoHas(NamedTuple):
    """Who has each of some blocks, as they said when all were asked, and the nodes that gave no answer."""

    holders: dict[bytes, list[BlockHolder]]
    silent: list[str]


class Holders(Protocol):
    """The holders around one filesystem, which is the owner of what they hold."""

    def alone(self) -> bool:
        """Tell whether there are no others that could ever hold something, be they away or not."""
        ...

    def leads(self) -> bool:
        """Tell whether the filesystem owns something: a copy lays down nothing at others."""
        ...

    async def own(self) -> BlockHolder:
        """The filesystem itself."""
        ...

    async def others(self, avoid: Collection[str] = ()) -> list[BlockHolder]:
        """The others that can be given blocks now, less the nodes to `avoid`, which are not asked."""
        ...

    def named(self, filesystem: str) -> BlockHolder:
        """A holder by its filesystem, which may be away."""
        ...

    async def hold_again(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        """Let a holder tell which of these blocks it has, and keep them from now on. Raises Unavailable."""
        ...

    async def put(self, holder: str, blocks: Mapping[bytes, bytes]) -> None:
        """Have blocks held that are promised or kept. Raises Unavailable, LimitExceeded."""
        ...

    async def get(self, holder: str, names: Collection[bytes]) -> dict[bytes, bytes]:
        """Return those of these blocks that a holder gives, as many as go into a message. Raises Unavailable."""
        ...

    async def check(self, holder: str, names: Collection[bytes], verify: bool) -> dict[bytes, BlockFault]:
        """Return what is amiss with these blocks at a holder: nothing, lost, or (`verify`: each is read) damaged. What
        it has is held for this filesystem from now on."""
        ...

    async def review(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        """Let a holder ask which of these blocks it is to have, and give up the others; those that it holds still.
        Raises Unavailable."""
        ...

    async def find(self, names: Collection[bytes]) -> WhoHas:
        """Ask everybody who has these blocks, for whatever reason."""
        ...


class NoHolders:
    """There are none."""

    def __init__(self, filesystem: str = "", node: str = "") -> None:
        self._own = BlockHolder(filesystem, node)

    def alone(self) -> bool:
        return True

    def leads(self) -> bool:
        return True

    async def own(self) -> BlockHolder:
        return self._own

    async def others(self, avoid: Collection[str] = ()) -> list[BlockHolder]:
        return []

    def named(self, filesystem: str) -> BlockHolder:
        return self._own if filesystem == self._own.filesystem else BlockHolder(filesystem, filesystem[:8])

    async def hold_again(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        return set()

    async def put(self, holder: str, blocks: Mapping[bytes, bytes]) -> None:
        raise AssertionError("there is nobody")

    async def get(self, holder: str, names: Collection[bytes]) -> dict[bytes, bytes]:
        return {}

    async def check(self, holder: str, names: Collection[bytes], verify: bool) -> dict[bytes, BlockFault]:
        return dict.fromkeys(names, "away")

    async def review(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        return set()

    async def find(self, names: Collection[bytes]) -> WhoHas:
        return WhoHas({}, [])


DAMAGED: Part[set[bytes]] = Part(set)
"""Blocks that were seen to be damaged here, see `still_damaged`: their owner has them made again."""

MISSED: Part[asyncio.Event] = Part(asyncio.Event)
"""Set when those who were given a block did not give it: the owner looks soon where all are."""

_HOLDERS = Part[Holders | None](lambda: None)


def holders_of(core: Core) -> Holders:
    """Return the holders around a filesystem."""
    return _HOLDERS.of(core) or NoHolders(core.uuid, core.node)


async def still_damaged(core: Core, names: Collection[bytes]) -> dict[bytes, BlockFault]:
    """Return what is amiss with those of these blocks that were seen to be damaged here, read once more: they may have
    been made again, or put anew."""
    seen = DAMAGED.of(core).intersection(names)
    faults = await core.blocks.unsound(seen) if seen else {}
    DAMAGED.of(core).difference_update(seen - faults.keys())
    return faults


def by_node(core: Core, filesystems: Iterable[str]) -> set[str]:
    """Return who of these keep something apart: another filesystem of this node counts as the owner's own, since both
    are lost together."""
    named = holders_of(core).named
    return {core.uuid if named(each).node == core.node else each for each in filesystems}


def set_holders(core: Core, holders: Holders) -> None:
    """Put a filesystem among these holders."""
    _HOLDERS.set(core, holders)
