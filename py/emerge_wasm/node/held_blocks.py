"""Blocks that this node holds for filesystems of others: taken, given, verified, and given up when these say so.

A client's blocks are taken only for an upload that their owner vouches for, and are given only to who may read the file
that they are of, which is asked where that is, or of a copy of it, and remembered for a moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from time import monotonic
from typing import cast

from ..blocks.block_map import BlockMap
from ..cluster.membership import Register
from ..codec import BlockTree, decode
from ..context import asker
from ..errors import Conflict, EmergeError, LimitExceeded, NotFound, Unavailable
from ..filesystem.blocks import elsewhere, hold
from ..filesystem.core import Core
from ..filesystem.files import upload as uploads
from ..filesystem.files.download import BLOCKS_AT_ONCE, block_answer
from ..filesystem.files.fetch import BYTES_AT_ONCE, Fetched
from ..filesystem.files.holders import DAMAGED, still_damaged
from ..filesystem.files.tree import KnownTrees
from ..operations import Arguments, Context, Names, Values, Wire
from ..results import BlockAnswer, ObjectRow
from ..stores.block_folder import BlockFolder
from .calls import CALLS
from .forward import read_context, write_context
from .holders import BLOCK_PATIENCE
from .paths import in_registry, normal
from .volumes import Volumes, check_node

log = logging.getLogger("emerge.node")

REVIEW_SECONDS = 600.0
"""Between questions to all owners what of theirs is wanted; they also tell themselves."""

REMEMBER_SECONDS = 30.0
"""How long who may read a file may go on reading it here."""

MOST = 10_000
"""Readers that are remembered."""

LEAST_ROOM = 64 << 20
"""Bytes on the disk below which a node takes no blocks of others."""

STEPS = ("put", "give", "vouch", "confirm", "again", "hold", "get", "check", "review", "kept")


class HeldBlocks:
    """Holds blocks in this node's own filesystem, and answers its owners' holders."""

    def __init__(self, volumes: Volumes, *, drains: bool = False) -> None:
        self._volumes = volumes
        self._drains = drains
        volumes.takes_blocks = self.takes
        self._readers = Readers(volumes)
        self._reviewing: asyncio.Task[None] | None = None
        self.review_seconds = REVIEW_SECONDS
        volumes.steps.update({f"_block_{name}": getattr(self, name) for name in STEPS})

    def register(self, register: Register) -> None:
        """Let other nodes have blocks held here."""
        for name in STEPS:
            register(f"_block_{name}", self._on_call)

    def start(self) -> None:
        self._reviewing = asyncio.get_running_loop().create_task(self._review_always())

    async def stop(self) -> None:
        if self._reviewing is not None:
            self._reviewing.cancel()
            await asyncio.wait([self._reviewing])

    async def _on_call(self, name: str, args: Values, context: Context) -> object:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._volumes.steps[name](*call)

    @property
    def _own(self) -> Core:
        return self._volumes.filesystem.core

    def takes(self) -> bool:
        """Tell whether this node takes blocks of others: it drains not, and has room."""
        files = self._own.blocks.files
        return not self._drains and (not isinstance(files, BlockFolder) or files.room() > LEAST_ROOM)

    # --- for clients
    async def route_put(self, args: Arguments, context: Context) -> int | None:
        """Put blocks to the holder that a call names; None when that is the owner of the path."""
        holder = self._holder(args.path, args.holder)
        if not holder:
            return None
        sent: list[object] = [args.path, args.blocks, args.upload, write_context(context)]
        return cast(int, await self._ask(holder, args.holder, "_block_put", sent))

    async def route_get(self, args: Arguments, context: Context) -> BlockAnswer | None:
        """Get blocks from the holder that a call names; None when that is the owner of the path."""
        holder = self._holder(args.path, args.holder)
        if not holder:
            return None
        sent: list[object] = [args.path, args.names, args.version, args.as_of, write_context(context)]
        return cast(BlockAnswer, await self._ask(holder, args.holder, "_block_give", sent))

    async def _ask(self, holder: str, node: str, name: str, sent: list[object]) -> object:
        """Ask a holder for a client; an error says that this one could not, so that another one is asked."""
        try:
            async with asyncio.timeout(BLOCK_PATIENCE):
                return await self._volumes.ask(holder, name, sent)
        except TimeoutError:
            raise Unavailable(f"node {node} does not answer", remedy="ask another one", holder=node) from None
        except (Unavailable, LimitExceeded) as error:
            error.details["holder"] = node
            raise

    def _holder(self, path: str, node: str) -> str:
        """The filesystem that the node of this name holds blocks in; "" if it owns the path."""
        table = self._volumes.table
        if not node or table is None:
            return ""
        if not in_registry(path) and table.name(table.volume_of(normal(path)).filesystem) == node:
            return ""
        return self._volumes.named(node)

    async def put(self, path: str, blocks: dict[str, bytes], upload: str, who: Wire) -> int:
        named = uploads.read_blocks(blocks, path)
        owner = self._volumes.current().volume_of(normal(path)).filesystem
        asked: list[object] = [owner, path, list(blocks), upload]
        vouched = await self._volumes.ask(owner, "_block_vouch", [*asked, who])
        if not blocks.keys() <= set(cast(Names, vouched)):
            raise Conflict(
                f"these blocks are of no upload to {path} that its owner knows, or not any more",
                path=path,
                remedy="put the file again: placeblocks says where they go",
            )
        await hold.hold(self._own.blocks, owner, named)
        try:
            await self._volumes.ask(owner, "_block_confirm", [*asked, self._volumes.own, who])
        except Conflict:  # the upload was dropped meanwhile
            await self.review(owner, [*named])
            raise
        return len(named)

    async def give(self, path: str, names: Names, version: int, as_of: str, who: Wire) -> BlockAnswer:
        wanted = uploads.check_names(names, BLOCKS_AT_ONCE, path)
        await self._readers.check(wanted, path, version, as_of, read_context(who))
        found = await self._read(wanted)
        return block_answer(found.blocks, found.lost)

    async def _read(self, names: Sequence[bytes]) -> Fetched:
        """Read blocks that any filesystem of this node has, as many as go into a message."""
        found = Fetched({}, {})
        size = 0
        for name in names:
            if size >= BYTES_AT_ONCE:
                break
            for local in (self._volumes.filesystem, *self._volumes.hosted.values()):
                try:
                    (data,) = await local.core.blocks.read([name])
                except EmergeError as error:
                    found.lost.setdefault(name, error.message)
                    if "rotten" in error.details:
                        DAMAGED.of(local.core).add(name)
                    continue
                found.blocks[name] = data
                found.lost.pop(name, None)
                size += len(data)
                break
        return found

    # --- what a holder asks of the owner
    async def vouch(self, owner: str, path: str, names: Names, upload: str, who: Wire) -> Names:
        return await uploads.vouched(self._core(owner), read_context(who), path, names, upload)

    async def confirm(self, owner: str, path: str, names: Names, upload: str, holder: str, who: Wire) -> None:
        await uploads.confirm(self._core(owner), read_context(who), path, names, upload, holder)

    async def kept(self, owner: str, names: list[bytes], holder: str) -> list[bytes]:
        return list(await elsewhere.wanted_of(self._core(owner).blocks, names, holder))

    def _core(self, filesystem: str) -> Core:
        local = self._volumes.local(filesystem)
        if local is None:
            raise Unavailable("another node serves this filesystem now", remedy="try again", mounted=True)
        return local.core

    # --- what the owner asks of a holder
    async def again(self, owner: str, names: list[bytes]) -> list[bytes]:
        return list(await hold.hold_again(self._own.blocks, owner, names))

    async def hold(self, owner: str, blocks: list[tuple[bytes, bytes]]) -> None:
        named = uploads.read_blocks({name.hex(): data for name, data in blocks}, "/")
        await hold.hold(self._own.blocks, owner, named)

    async def get(self, names: list[bytes]) -> list[tuple[bytes, bytes]]:
        return list((await self._read(names)).blocks.items())

    async def check(self, names: list[bytes], verify: bool, owner: str = "") -> list[tuple[bytes, str]]:
        blocks = self._own.blocks
        if owner:  # it may have been given others alone: an owner notes a holder before it gives it anything
            loose = await blocks.has(names) - (await hold.stamps(blocks, owner, names)).keys()
            await hold.hold_again(blocks, owner, loose)
        if verify:
            return list((await blocks.unsound(names)).items())
        here = await blocks.has(names)
        damaged = await still_damaged(self._own, here)
        return [(name, damaged.get(name, "lost")) for name in names if name not in here or name in damaged]

    async def has(self, names: Names) -> Names:
        """Those of these blocks that any filesystem of this node has."""
        wanted = [uploads.read_name(name) for name in names]
        found: set[bytes] = set()
        for local in (self._volumes.filesystem, *self._volumes.hosted.values()):
            found |= await local.core.blocks.has(wanted)
        return [name.hex() for name in found]

    # --- giving up what is not wanted
    async def review(self, owner: str, names: list[bytes]) -> list[bytes]:
        """Ask the owner of blocks which are wanted, and hold the others no longer; those that are held still."""
        blocks = self._own.blocks
        await self._review(owner, await hold.stamps(blocks, owner, names))
        return list(await hold.stamps(blocks, owner, names))

    async def _review(self, owner: str, held: dict[bytes, bytes]) -> None:
        if not held:
            return
        kept = await self._volumes.ask(owner, "_block_kept", [owner, list(held), self._volumes.own])
        unwanted = held.keys() - set(cast(list[bytes], kept))
        await hold.drop(self._own.blocks, owner, {name: held[name] for name in unwanted})

    async def review_all(self) -> None:
        """Ask the owners of all blocks that are held here."""
        for owner in await hold.owners(self._own.blocks):
            after = b""
            try:
                while held := await hold.holds(self._own.blocks, owner, after, elsewhere.ASKED_AT_ONCE):
                    await self._review(owner, held)
                    after = max(held)
            except (EmergeError, TimeoutError) as error:  # who does not answer has not said that it wants nothing
                log.info("blocks of filesystem %s are held on: %s", owner[:8], error)

    async def _review_always(self) -> None:
        while True:
            await asyncio.sleep(self.review_seconds)
            try:
                await self.review_all()
            except Exception:
                log.exception("blocks of others are held on")


class Readers:
    """Who may read which blocks, as the owners of the files, or copies, have said a moment ago."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._until: dict[tuple[str, str, int, str], tuple[float, bytes]] = {}
        self._trees = KnownTrees()

    async def check(self, names: Collection[bytes], path: str, version: int, as_of: str, context: Context) -> None:
        """Check that a caller may read blocks of the file at a path.

        Raises:
            NotFound: the file has no such block.
        """
        key = asker(context), path, version, as_of
        until, root = self._until.get(key, (0.0, b""))
        remembered = until > monotonic() and root in self._trees.names and not context.transaction
        if remembered and self._trees.names[root].issuperset(names):
            return
        root = await self._root(path, version, as_of, context)
        if root not in self._trees.names:
            self._trees.add(root, await self._names(root, path, version, as_of, context))
        foreign = [name for name in names if name not in self._trees.names[root]]
        if foreign:
            raise NotFound(f"{path} has no block {foreign[0].hex()[:12]}", path=path, block=foreign[0].hex())
        if len(self._until) > MOST:
            self._until.clear()
        self._until[key] = monotonic() + REMEMBER_SECONDS, root

    async def _root(self, path: str, version: int, as_of: str, context: Context) -> bytes:
        row = cast(ObjectRow, await self._ask("getobject", [path, version, as_of], context))
        fields = decode(row["state"]) if row["state"] else None
        content = fields.get("content") if isinstance(fields, dict) else None
        if not isinstance(content, BlockTree):
            raise NotFound(f"{path} is not a file in blocks", path=path)
        return content.root

    async def _names(self, root: bytes, path: str, version: int, as_of: str, context: Context) -> frozenset[bytes]:
        found, pending = {root}, [root]
        while pending:
            asked = [name.hex() for name in pending[:BLOCKS_AT_ONCE]]
            answer = cast(BlockAnswer, await self._ask("getblocks", [path, asked, version, as_of], context))
            if not answer["blocks"]:
                raise Unavailable(f"the block map of {path} cannot be had", path=path, remedy="verify the file")
            for name, data in answer["blocks"].items():
                pending.remove(bytes.fromhex(name))
                node = BlockMap.unpack(data)
                found.update(each for row in node.rows for each in row.kept)
                pending += [row.name for row in node.rows] if node.level else []
        return frozenset(found)

    async def _ask(self, name: str, args: list[object], context: Context) -> object:
        dispatch = self._volumes.filesystem.core.dispatch
        assert dispatch is not None
        return await dispatch(name, args, context)  # type: ignore[misc]  # it does not stream
