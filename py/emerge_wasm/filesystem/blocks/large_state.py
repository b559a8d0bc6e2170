"""A store that keeps the large values of states as blocks, for all who read and write its space `states`.

Above it a state is whole; below, a recipe. Blocks are put in the commit of the state that names them, so there is
nothing half-written. A recipe keeps its blocks for as long as it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...blocks.block import short_name
from ...blocks.recipe import MARK, Recipe, cut_state, is_recipe, read_recipe
from ...errors import Invalid, NotFound
from ...store import Batch, Capabilities, JoinedScan, Key, Store
from .blocks import Blocks, again, touch
from .row import RECIPE, key_of

STATES = "states"
ATTEMPTS = 3


class LargeStateStore:
    """Wraps a store; `blocks` are those of the same store."""

    def __init__(self, store: Store, blocks: Blocks) -> None:
        self.base = store
        self.blocks = blocks
        self.capabilities: Capabilities = store.capabilities
        self.scan_joined: JoinedScan | None = getattr(store, "scan_joined", None)
        """What the engine offers. Nobody asks it for rows of `states`, which would be recipes."""
        self.on_drop: Callable[[], None] = lambda: None
        """Called when states were removed, whose blocks may be kept by nothing now."""

    # --- reading
    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        for _ in range(ATTEMPTS):
            values = await self.base.get(keys)
            for space, _ in keys:
                if space == STATES:
                    break
            else:
                return values
            cut = [value for (space, _), value in zip(keys, values, strict=True) if space == STATES and _is_cut(value)]
            if not cut:
                return values
            try:
                whole = iter(await self._whole(cut))
            except NotFound as error:  # removed meanwhile with its state; else it is lost
                lost = error
                continue
            return [
                next(whole) if space == STATES and _is_cut(value) else value
                for (space, _), value in zip(keys, values, strict=True)
            ]
        raise lost

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        for _ in range(ATTEMPTS):
            rows = await self.base.scan(space, start, end, limit=limit, reverse=reverse)
            if space != STATES or not any(is_recipe(value) for _, value in rows):
                return rows
            try:
                whole = iter(await self._whole([value for _, value in rows if is_recipe(value)]))
            except NotFound as error:
                lost = error
                continue
            return [(key, next(whole) if is_recipe(value) else value) for key, value in rows]
        raise lost

    async def _whole(self, raws: Sequence[bytes | None]) -> list[bytes]:
        """Return the states of recipes, each block read once.

        Raises:
            NotFound: a block is not there.
            Invalid: a block or a recipe is damaged.
        """
        await asyncio.sleep(0)  # this takes its time: whoever wants the answer at once gives up here
        recipes = [read_recipe(raw or b"") for raw in raws]
        parts = [part for recipe in recipes for part in recipe.parts]
        names = list(dict.fromkeys(part[0] for part in parts if isinstance(part, tuple)))
        blocks = dict(zip(names, await self.blocks.read(names) if names else [], strict=True))
        return [recipe.fill(blocks) for recipe in recipes]

    # --- changing
    async def commit(self, batch: Batch) -> list[int]:
        positions = await self._commit(batch)
        if any(space == STATES for space, _ in batch.deletes):
            self.on_drop()
        return positions

    async def _commit(self, batch: Batch) -> list[int]:
        states = [number for number, (space, _, _) in enumerate(batch.puts) if space == STATES]
        if not states:
            return await self.base.commit(batch)
        free = self.capabilities.largest_batch - len(batch)
        puts = list(batch.puts)
        blocks: dict[bytes, bytes] = {}
        roots: set[bytes] = set()
        for number in states:
            space, key, state = puts[number]
            if state[:1] == MARK:
                raise Invalid("a state that was sent is none", remedy="send it again")
            cut = cut_state(state, max((free - 1) // 2, 0))
            if cut is not None:
                puts[number] = space, key, cut[0].pack()
                puts.append((*key_of(RECIPE, key), b""))
                blocks |= cut[1]
                roots.update(cut[0].roots)
                free -= 1 + 2 * len(cut[0].names())

        async def attempt() -> list[int]:
            cut = Batch(list(puts), batch.deletes, list(batch.expects), batch.appends, batch.counts)
            await self._refer(cut, blocks, roots - blocks.keys())
            return await self.base.commit(cut)

        return await again(attempt) if blocks or roots else await self.base.commit(batch)

    async def _refer(self, batch: Batch, blocks: dict[bytes, bytes], roots: set[bytes]) -> None:
        """Add to a batch what it needs to refer to these blocks, and to the trees with these roots."""
        if blocks:
            files = await self.blocks.enlist(batch, blocks)
            if files and self.blocks.files is not None:
                await self.blocks.files.put(files)
        here = await self.blocks.ledger(roots) if roots else {}
        for name in roots - here.keys():
            raise Invalid(
                f"the state refers to the tree of blocks {short_name(name)}, which is not here",
                remedy="put its blocks first",
                block=name.hex(),
            )
        touch(batch, here)

    async def close(self) -> None:
        await self.base.close()


def _is_cut(value: bytes | None) -> bool:
    return value is not None and is_recipe(value)


def with_blocks(store: Store) -> LargeStateStore:
    """Return the store with its large states whole; one that is so already, as it is.

    Blocks that are put lie in the files that the engine gives as its `block_files`, or else in the store. They are
    encrypted by what whoever opened it put at its `block_cipher`.
    """
    if isinstance(store, LargeStateStore):
        return store
    files, cipher = getattr(store, "block_files", None), getattr(store, "block_cipher", None)
    return LargeStateStore(store, Blocks(store, files, cipher))


def recipe_of(value: bytes) -> Recipe | None:
    """Return the recipe in a row of `states`; None if the state is whole."""
    return read_recipe(value) if is_recipe(value) else None
