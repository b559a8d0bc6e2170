"""The holders around a filesystem of this node, its owner: whom its blocks can be given to, and what these are asked.

What is answered when a holder is asked is in `held_blocks`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from time import monotonic
from typing import cast

from ..blocks.block import block_name
from ..cluster.peer import Identity
from ..cluster.volume import Member
from ..errors import EmergeError, Unavailable
from ..filesystem import Filesystem
from ..filesystem.blocks import elsewhere
from ..filesystem.core import Core
from ..filesystem.files.holders import BlockHolder, WhoHas, set_holders
from ..filesystem.repair.surplus import hand_back
from ..operations import Wire
from ..results import BlockFault
from .volumes import Volumes

log = logging.getLogger("emerge.node")

ABOUT_SECONDS = 2.0
"""How long it is remembered whether a node takes blocks; one that does not take them after all is gone round."""

PATIENCE, LATE_SECONDS = 5.0, 0.3
"""Seconds in which a node answers about itself, and after which one that did so before is not waited for."""

BLOCK_PATIENCE = 15.0
"""Seconds in which a holder answers with blocks, or takes some; one that stands still is gone round then."""


class MemberAbouts:
    """What the members of the cluster say of themselves."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._known: dict[str, tuple[float, Wire | None]] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}

    async def of(self, member: Member) -> Wire | None:
        """What a member says; None when it does not answer. Of one that is late, what it said before."""
        name = member.filesystem
        if not self._volumes.is_here(name):
            return None
        until, about = self._known.get(name, (0.0, None))
        if until > monotonic():
            return about
        if name not in self._asked:
            self._asked[name] = asyncio.get_running_loop().create_task(self._ask(member))
        await asyncio.wait([self._asked[name]], timeout=PATIENCE if about is None else LATE_SECONDS)
        return self._known.get(name, (0.0, None))[1]

    async def _ask(self, member: Member) -> None:
        about: Wire | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                about = cast(Wire, await self._volumes.ask(member.filesystem, "_cluster_about", []))
        except (EmergeError, TimeoutError) as error:
            log.info("node %s does not say whether it takes blocks: %s", member.node, error)
        self._known[member.filesystem] = monotonic() + ABOUT_SECONDS, about
        del self._asked[member.filesystem]


class NodeHolders:
    """The holders around one filesystem of this node. See `filesystem.files.holders`."""

    def __init__(self, core: Core, volumes: Volumes, abouts: MemberAbouts) -> None:
        self._core = core
        self._volumes = volumes
        self._abouts = abouts

    def alone(self) -> bool:
        table = self._volumes.table
        return self._core.store.capabilities.many_writers or table is None or len(table.members) < 2

    def leads(self) -> bool:
        table = self._volumes.table
        return table is None or any(each.filesystem == self._core.uuid for each in table.volumes)

    async def own(self) -> BlockHolder:
        identity = self._volumes.cluster.identity
        about = await self._volumes.steps["_cluster_about"]()
        return BlockHolder(self._core.uuid, self._core.node, identity.rpc, str(cast(Wire, about)["host"]))

    async def others(self, avoid: Collection[str] = ()) -> list[BlockHolder]:
        table = self._volumes.table
        apart = {self._core.node, *avoid}
        members = [each for each in (table.members if table is not None else ()) if each.node not in apart]
        abouts = await asyncio.gather(*map(self._abouts.of, members))
        return [
            BlockHolder(member.filesystem, member.node, self._serving(member).rpc, str(about["host"]))
            for member, about in zip(members, abouts, strict=True)
            if about is not None and about.get("blocks") is True
        ]

    def named(self, filesystem: str) -> BlockHolder:
        table = self._volumes.table
        if filesystem == self._core.uuid or table is None:
            return BlockHolder(filesystem, self._core.node, self._volumes.cluster.identity.rpc)
        member = table.member(filesystem)
        return BlockHolder(filesystem, table.name(filesystem), self._serving(member).rpc if member else "")

    def _serving(self, member: Member) -> Identity | Member:
        try:
            return self._volumes.serving(member.filesystem)
        except Unavailable:
            return member

    async def _ask(self, holder: str, name: str, args: list[object]) -> object:
        try:
            async with asyncio.timeout(BLOCK_PATIENCE):
                return await self._volumes.ask(holder, name, args)
        except TimeoutError:
            node = self.named(holder).node
            raise Unavailable(
                f"node {node} does not answer", remedy="see whether it runs: emerge nodes", missing=[node]
            ) from None

    async def hold_again(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        answer = await self._ask(holder, "_block_again", [self._core.uuid, list(names)])
        return set(cast(list[bytes], answer)) & set(names)

    async def put(self, holder: str, blocks: Mapping[bytes, bytes]) -> None:
        await self._ask(holder, "_block_hold", [self._core.uuid, [list(each) for each in blocks.items()]])

    async def get(self, holder: str, names: Collection[bytes]) -> dict[bytes, bytes]:
        answer = await self._ask(holder, "_block_get", [list(names)])
        return {name: data for name, data in cast(list[tuple[bytes, bytes]], answer) if block_name(data) == name}

    async def check(self, holder: str, names: Collection[bytes], verify: bool) -> dict[bytes, BlockFault]:
        found: dict[bytes, BlockFault] = {}
        try:
            answer = await self._ask(holder, "_block_check", [list(names), verify, self._core.uuid])
        except EmergeError:
            return dict.fromkeys(names, "away")
        for name, fault in cast(list[tuple[bytes, BlockFault]], answer):
            found[name] = fault
        return found

    async def review(self, holder: str, names: Collection[bytes]) -> set[bytes]:
        return set(cast(list[bytes], await self._ask(holder, "_block_review", [self._core.uuid, list(names)])))

    async def find(self, names: Collection[bytes]) -> WhoHas:
        told = await self._volumes.cluster.whohas([], [], [name.hex() for name in names])
        found: dict[bytes, list[BlockHolder]] = {name: [] for name in names}
        for text, whom in told.blocks.items():
            found[bytes.fromhex(text)] += [BlockHolder(each.filesystem, each.node, each.rpc) for each in whom]
        own = BlockHolder(self._volumes.own, self._core.node, self._volumes.cluster.identity.rpc)
        for local in (self._volumes.filesystem, *self._volumes.hosted.values()):
            for name in await local.core.blocks.has(names):
                if own not in found[name]:
                    found[name].append(own)
        return WhoHas(found, sorted(each.node for each in told.silent))


def surround(filesystem: Filesystem, volumes: Volumes, abouts: MemberAbouts) -> None:
    """Put a filesystem of this node among its holders, and let those go on that hold what nothing there keeps."""
    core = filesystem.core
    around = NodeHolders(core, volumes, abouts)
    set_holders(core, around)

    async def give_up() -> None:
        async for holder, rows in elsewhere.unkept(core.blocks):
            with suppress(EmergeError):  # it is away, and is asked the next time
                held = await around.review(holder, rows)
                await elsewhere.forget(
                    core.blocks, holder, {name: stamp for name, stamp in rows.items() if name not in held}
                )
        await hand_back(core)

    filesystem.collection.after = give_up
