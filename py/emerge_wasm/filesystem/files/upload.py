"""Uploads: blocks that a caller sends for a path, and the file that is then made of them in one commit.

What was sent is claimed by the caller for that path and upload, so that one that was cut off goes on where it was, and
the collection of blocks does not take what is about to be a file. A hash is no right to read: a block counts as there
only for who sent it in this upload, or may read the file that is at the path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ...blocks.block import NAME_SIZE
from ...blocks.block_map import BlockMap
from ...blocks.layout import Layout
from ...blocks.upload import is_live
from ...codec import BlockTree, encode
from ...context import Context
from ...errors import Conflict, Invalid, LimitExceeded, Unavailable
from ...objects import BLOB, EmergeBlob
from ...operations import Names
from ...results import BlockNode, BlockPlaces, PointerRow
from ..blocks import elsewhere
from ..blocks.blocks import LIVE, check_blocks
from ..core import Core
from ..layout import access
from ..layout.place import Place
from ..layout.record import Entry
from ..objects.write import Write, change_objects
from ..tree.find import find_place, name
from .holders import BlockHolder, by_node, holders_of
from .placement import assign, check_level, fit_layout, nodes_needed, too_few
from .spread import hold_on
from .tree import file_content, names_below

UPLOAD_LIMIT = 64
"""Characters of an upload's name that count."""

PLACED_AT_ONCE = 4096
"""Names of blocks and fragments that are placed in one call."""


async def haveblocks(core: Core, context: Context, path: str, names: Names, upload: str) -> Names:
    place = await _writable(core, context, path)
    wanted = {read_name(each) for each in names}
    claimant = _claimant(context, place, upload)
    if not wanted:
        await core.blocks.prolong(claimant)
        return []
    there = await core.blocks.claimed(wanted, claimant)
    there |= wanted & await _readable_there(core, context, place)
    there -= (await core.blocks.unsound(await core.blocks.has(there))).keys()  # they would be acknowledged
    return [each.hex() for each in await core.blocks.claim(there, claimant)] if there else []


async def placeblocks(
    core: Core, context: Context, path: str, names: Names, upload: str, layout: str, avoid: Names | None
) -> BlockPlaces:
    place = await _writable(core, context, path)
    around = holders_of(core)
    own, alone = await around.own(), around.alone()
    others = [] if alone else await around.others(avoid or ())
    fits = fit_layout(layout, 1 + len(others), spread=not alone)
    if alone:
        _check_alone(core, fits, place.path)
    elif nodes_needed(fits) > 1 + len(others):
        raise too_few(f"raid {fits.raid}", nodes_needed(fits), 1 + len(others))
    wanted = check_names(names, PLACED_AT_ONCE, path)
    claimant = _claimant(context, place, upload)
    there = await _there(core, context, place, wanted, claimant, avoid or ()) if wanted else {}
    if alone:
        sent = {name: [own.filesystem] for name in wanted if own.filesystem not in there.get(name, ())}
    else:
        sent = assign(fits, wanted, {name: by_node(core, whom) for name, whom in there.items()}, [own, *others])
    await elsewhere.promise(core.blocks, [name for name, whom in sent.items() if whom != [own.filesystem]], claimant)
    nodes = {each.filesystem: each for each in (own, *others)}
    return {
        "layout": fits.pack(),
        "places": {name.hex(): [nodes[each].node for each in whom] for name, whom in sent.items()},
        "nodes": node_rows(nodes.values(), context),
    }


def node_rows(holders: Iterable[BlockHolder], context: Context) -> dict[str, BlockNode]:
    """Show holders. No other node knows a transaction: in one, all goes by way of the owner."""
    return {
        each.node: {
            "filesystem": each.filesystem,
            "rpc": "" if context.transaction else each.rpc,
            "host": each.host,
        }
        for each in holders
    }


def _check_alone(core: Core, layout: Layout, path: str) -> None:
    """Check that a level needs no other nodes, where there are none. Of a store of several nodes copies are its own
    matter."""
    if layout.raid == 1 and not core.store.capabilities.many_writers:
        error = too_few("raid 1", nodes_needed(layout), 1)
        error.path = path
        raise error


async def _there(
    core: Core, context: Context, place: Place, wanted: list[bytes], claimant: str, avoid: Collection[str]
) -> dict[bytes, set[str]]:
    """Return who has which of these blocks for this upload: they were sent in it, or are in the file that is there.

    All of them are claimed, and those who have them keep them.
    """
    blocks, own = core.blocks, core.uuid
    sent = await blocks.claimed(wanted, claimant)
    there = await elsewhere.confirmed(blocks, sent, claimant)
    readable = set(wanted) & await _readable_there(core, context, place)
    if sent or readable:
        for name in await blocks.claim(sent | readable, claimant):
            there.setdefault(name, set()).add(own)
    hints = await elsewhere.where(blocks, readable - sent)
    for name, whom in (await hold_on(core, hints, claimant, avoid)).items():
        there.setdefault(name, set()).update(whom)
    return there


async def vouched(core: Core, context: Context, path: str, names: Names, upload: str) -> Names:
    """Return those of these blocks that an upload of the caller is to have held by others."""
    place = await _writable(core, context, path)
    wanted = {read_name(each) for each in names}
    return [each.hex() for each in await elsewhere.promised(core.blocks, wanted, _claimant(context, place, upload))]


async def confirm(core: Core, context: Context, path: str, names: Names, upload: str, holder: str) -> None:
    """Note that a holder has these blocks."""
    place = await _writable(core, context, path)
    named = [read_name(each) for each in names]
    await elsewhere.confirm(core.blocks, named, holder, _claimant(context, place, upload))


async def putblocks(
    core: Core, context: Context, path: str, blocks: dict[str, bytes], upload: str, maps: bool, holder: str
) -> int:
    place = await _writable(core, context, path)
    named, claimant = _named(blocks, path), _claimant(context, place, upload)  # put compares hashes
    if holder not in ("", (await holders_of(core).own()).node):
        await _put_at(core, named, holder, claimant, path)
        return len(named)
    for data in named.values() if maps else ():
        BlockMap.unpack(data)
    await core.blocks.put(named, claimant, maps=maps)
    return len(named)


async def _put_at(core: Core, blocks: dict[bytes, bytes], node: str, claimant: str, path: str) -> None:
    """Pass blocks on to their holder: of an upload in a transaction, which that does not know."""
    around = holders_of(core)
    holder = next((each for each in await around.others() if each.node == node), None)
    if holder is None:
        raise Invalid(f"there is no node {node} to hold blocks", path=path, remedy="ask placeblocks who can")
    if await elsewhere.promised(core.blocks, blocks, claimant) != blocks.keys():
        raise Conflict(f"these blocks are of no upload to {path}", path=path, remedy="ask placeblocks where they go")
    try:
        await around.put(holder.filesystem, blocks)
    except (Unavailable, LimitExceeded) as error:
        error.details["holder"] = node
        raise
    await elsewhere.confirm(core.blocks, blocks, holder.filesystem, claimant)


async def putfile(
    core: Core, context: Context, path: str, root: str, upload: str, version: int, perms: str
) -> PointerRow:
    place = await _writable(core, context, path)
    top, claimant = read_name(root), _claimant(context, place, upload)
    node = await _sent_tree(core, place, top, claimant)
    state = encode({"id": "", "content": BlockTree(top, node.size), "layout": node.layout.pack()})

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        return entry._replace(type=BLOB, class_name=EmergeBlob.__name__, bundle=""), state

    write = Write(await name(core, path), edit, version, state, perms=perms)
    pointer = (await change_objects(core, context, [write], "put"))[0]
    if not context.transaction:  # what is to be committed later refers to nothing yet
        await core.blocks.let_go(claimant)
    return pointer


async def dropblocks(core: Core, context: Context, path: str, upload: str) -> None:
    place = await _writable(core, context, path)
    await core.blocks.release(_claimant(context, place, upload))


async def keep_sent(core: Core, context: Context, path: str, trees: Mapping[bytes, int], upload: str) -> None:
    """Keep the trees of files that are about to be at a path, given their roots and sizes.

    Raises:
        Conflict: the caller has not sent one of them for this path, in this upload.
        Invalid: one has another size.
    """
    place = await _writable(core, context, path)
    claimant = _claimant(context, place, upload)
    for root, size in trees.items():
        node = await _sent_tree(core, place, root, claimant)
        if node.size != size:
            raise Invalid(f"the blocks for {place.path} are {node.size} bytes, not {size}", path=place.path)


async def _sent_tree(core: Core, place: Place, root: bytes, claimant: str) -> BlockMap:
    """Keep a tree that the claimant has sent, whole; its top."""
    if not await core.blocks.claimed([root], claimant):
        raise Conflict(
            f"the blocks for {place.path} are not here, or not any more",
            path=place.path,
            remedy="put the file again: what is here still is not sent twice",
        )
    return await _keep_tree(core, root, claimant, place.path)


async def _keep_tree(core: Core, name: bytes, claimant: str, path: str) -> BlockMap:
    """Keep a node and those below it as nodes of a map, from below, which fails where one lacks something, or its
    blocks are not where the raid level wants them."""
    (data,) = await core.blocks.read([name])
    node = BlockMap.unpack(data)
    for row in node.rows if node.level else ():
        await _keep_tree(core, row.name, claimant, path)
    await core.blocks.put({name: data}, claimant, maps=True)
    if node.level == 0:
        await _check_level(core, node, claimant, path)
    return node


async def _check_level(core: Core, node: BlockMap, claimant: str, path: str) -> None:
    """Check that each block of a node is on so many nodes, as far as they have said so in this upload."""
    if holders_of(core).alone():
        _check_alone(core, node.layout, path)
        return
    if node.layout.raid == 0:  # what is claimed is kept by somebody
        return
    names = {name for row in node.rows for name in row.kept}
    having = await elsewhere.confirmed(core.blocks, names, claimant)
    for each in await core.blocks.claim(names, claimant):
        having[each].add(core.uuid)
    for row in node.rows:
        check_level(node.layout, row.kept, {each: by_node(core, having[each]) for each in row.kept}, path)


async def _writable(core: Core, context: Context, path: str) -> Place:
    """Return the place of a path, at which the caller may put a file."""
    names = await name(core, path)
    if not names:
        raise Invalid("/ cannot be a file", path="/", remedy="give the file a name")
    place = await find_place(core, names)
    if place.entry is None:
        access.check_inside(context, place)
    else:
        access.check(context, place, "w")
    return place


async def _readable_there(core: Core, context: Context, place: Place) -> frozenset[bytes]:
    """Return the names of all blocks of the file at a place, as far as the caller may read it."""
    entry = place.entry
    if entry is None or entry.type != BLOB or not access.may(context, place.chain[-1], "r"):
        return frozenset()
    content = await file_content(core, entry, place.path)
    return frozenset() if isinstance(content, bytes) else await names_below(core, content.root)


def _claimant(context: Context, place: Place, upload: str) -> str:
    """Name an upload; that of a writer who says that it goes on, by which its claim soon ends when it is gone. In a
    transaction it is written long before it is committed."""
    live = LIVE if is_live(upload) and not context.transaction else ""
    return f"{live}{context.principal}@{upload[:UPLOAD_LIMIT]}@{place.path}"


def read_blocks(blocks: dict[str, bytes], path: str) -> dict[bytes, bytes]:
    """Read blocks by their names. Raises Invalid where one is not what its name says."""
    named = _named(blocks, path)
    check_blocks(named)
    return named


def _named(blocks: dict[str, bytes], path: str) -> dict[bytes, bytes]:
    named = {read_name(each): data for each, data in blocks.items()}
    for each, data in named.items():
        if not isinstance(data, bytes):
            raise Invalid(f"block {each.hex()[:12]} has no bytes", path=path)
    return named


def read_name(text: str) -> bytes:
    """Read the name of a block. Raises Invalid for what is none."""
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        found = b""
    if len(found) != NAME_SIZE:
        raise Invalid(f"{str(text)[:40]!r} is not the name of a block", remedy=f"it has {2 * NAME_SIZE} hex digits")
    return found


def check_names(names: Sequence[str], most: int, path: str) -> list[bytes]:
    """Read the names of blocks of one call. Raises Invalid for too many."""
    if len(names) > most:
        raise Invalid(f"{len(names)} blocks are asked for at once", path=path, remedy=f"ask for at most {most}")
    return [read_name(each) for each in names]
