"""Copies across filesystems: the node of the target asks the owners of the source for what there is to be copied."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from ..bundles import parse
from ..cluster.membership import Register
from ..codec import trees_in
from ..errors import Unavailable
from ..filesystem.files.carry import Carrier, carry
from ..filesystem.layout.record import Entry
from ..filesystem.objects.copy import CopySource, copy
from ..operations import Context, Values, find_operation
from ..results import AuthorMap, BlockAnswer, PointerRow
from .calls import CALLS
from .forward import read_context, write_context
from .locate import Locator
from .paths import normal
from .skew import ask_member
from .volumes import INTERNAL, check_node


class CopyRoutes:
    """Copies from several owners to one."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    def register(self, register: Register) -> None:
        """Let other nodes have copies made here."""
        register("_cluster_copy", self._on_copy)

    async def cp(self, source: str, target: str, recursive: bool, context: Context) -> PointerRow:
        """Copy, where the owner of the target does it. Each part of the source must be here."""
        source, target = normal(source), normal(target)
        for part in self._locator.parts(source):
            self._locator.serving(part.filesystem, part.path)
        holder = self._locator.holder(target)
        if holder is None or self._locator.volumes.local(holder.filesystem) is not None:
            return await self._copy(holder.filesystem if holder else "", source, target, recursive, context)
        sent = [source, target, recursive, write_context(context), *self._locator.volumes.apart(holder.filesystem)]
        link = self._locator.cluster.link(holder)
        return cast(PointerRow, await ask_member(link, holder.node, "_cluster_copy", sent))

    async def _on_copy(self, name: str, args: Values, context: Context) -> PointerRow:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._copy(call.taker, call.source, call.target, call.recursive, read_context(call.who))

    async def _copy(self, taker: str, source: str, target: str, recursive: bool, context: Context) -> PointerRow:
        local = self._locator.volumes.local(taker)
        if local is None:
            raise Unavailable("another node serves this filesystem now", path=target, remedy="try again", mounted=True)
        carrier = Carrier(local.core, spreads=True)

        def sources() -> AsyncGenerator[CopySource, None]:
            return self._sources(source, recursive, context, carrier)

        try:
            return await copy(local.core, context, target, recursive, sources, self.classes)
        finally:
            await carrier.end()

    async def _sources(
        self, source: str, recursive: bool, context: Context, carrier: Carrier
    ) -> AsyncGenerator[CopySource, None]:
        """Yield what the caller may read of all owners, with its blocks here; a mount point is what its owner says."""
        top, *below = self._locator.parts(source)
        borders = {part.path for part in below}
        for part in (top, *(below if recursive else [])):
            call = CALLS["_copied"].bind([part.path, recursive])
            async with aclosing(self._locator.stream(part.path, "_copied", call, context, source)) as rows:
                async for row in rows:
                    found = CopySource(Entry.unpack(row["entry"]), row["directory"], row["state"])
                    if found.path == part.path or found.path not in borders:
                        await self._carry(found, context, carrier)
                        yield found

    async def _carry(self, found: CopySource, context: Context, carrier: Carrier) -> None:
        """Bring the blocks of a file from its owner."""

        async def fetch(names: list[bytes]) -> dict[bytes, bytes]:
            asked = [found.path, [name.hex() for name in names], found.entry.version]
            bound = find_operation("getblocks").bind(asked)
            answer: BlockAnswer = await self._locator.ask(found.path, "getblocks", bound, context)
            return {bytes.fromhex(name): data for name, data in answer["blocks"].items()}

        if found.state is not None and (roots := trees_in(found.state)):
            await carry(carrier, roots, fetch)

    async def authors(self, hashes: set[str], context: Context) -> AuthorMap:
        """Who stands for classes, wherever that is known."""
        dispatch = self._locator.filesystem.core.dispatch
        assert dispatch is not None
        answer = dispatch("authors", [sorted(hashes)], replace(context, transaction=""))
        assert not isinstance(answer, AsyncGenerator)
        found: AuthorMap = await answer  # type: ignore[misc]
        return found

    async def classes(self, hashes: set[str]) -> dict[str, bytes]:
        """Find class bundles, and all that they require, wherever they are."""
        dispatch = self._locator.filesystem.core.dispatch
        assert dispatch is not None
        found: dict[str, bytes] = {}
        wanted = sorted(hashes)
        while wanted:
            answer = dispatch("classes", [wanted], INTERNAL)
            assert not isinstance(answer, AsyncGenerator)
            fresh: dict[str, bytes] = await answer  # type: ignore[misc]
            found |= fresh
            wanted = sorted({each for hash, raw in fresh.items() for each in parse(raw, hash).requires} - found.keys())
        return found
