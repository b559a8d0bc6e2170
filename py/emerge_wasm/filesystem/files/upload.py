"""Uploads: blocks that a caller sends for a path, and the file that is then made of them in one commit.

What was sent is claimed by the caller for that path and upload, so that one that was cut off goes on where it was, and
the collection of blocks does not take what is about to be a file. A hash is no right to read: a block counts as there
only for who sent it in this upload, or may read the file that is at the path.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...blocks.block import NAME_SIZE, block_name
from ...blocks.block_map import BlockMap
from ...blocks.layout import check_holders
from ...codec import BlockTree, encode
from ...context import Context
from ...errors import Conflict, Invalid
from ...objects import BLOB, EmergeBlob
from ...operations import Names
from ...results import PointerRow
from ..core import Core
from ..layout import access
from ..layout.place import Place
from ..layout.record import Entry
from ..objects.write import Write, change_objects
from ..tree.find import find_place, name
from .tree import file_content, names_below

UPLOAD_LIMIT = 64
"""Characters of an upload's name that count."""


async def haveblocks(core: Core, context: Context, path: str, names: Names, upload: str) -> Names:
    place = await _writable(core, context, path)
    wanted = {read_name(each) for each in names}
    claimant = _claimant(context, place, upload)
    there = await core.blocks.claimed(wanted, claimant)
    there |= wanted & await _readable_there(core, context, place)
    there -= (await core.blocks.unsound(await core.blocks.has(there))).keys()  # they would be acknowledged
    return [each.hex() for each in await core.blocks.claim(there, claimant)] if there else []


async def putblocks(core: Core, context: Context, path: str, blocks: dict[str, bytes], upload: str, maps: bool) -> int:
    place = await _writable(core, context, path)
    named = {read_name(each): data for each, data in blocks.items()}
    for each, data in named.items():
        if not isinstance(data, bytes) or block_name(data) != each:
            raise Invalid(f"block {each.hex()[:12]} does not have that hash: it was damaged on its way", path=path)
        if maps:
            BlockMap.unpack(data)
    await core.blocks.put(named, _claimant(context, place, upload), maps=maps)
    return len(named)


async def putfile(
    core: Core, context: Context, path: str, root: str, upload: str, version: int, perms: str
) -> PointerRow:
    place = await _writable(core, context, path)
    top, claimant = read_name(root), _claimant(context, place, upload)
    if not await core.blocks.claimed([top], claimant):
        raise Conflict(
            f"the blocks for {place.path} are not here, or not any more",
            path=place.path,
            remedy="put the file again: what is here still is not sent twice",
        )
    node = await _keep_tree(core, top, claimant)
    check_holders(node.layout, 1)
    state = encode({"id": "", "content": BlockTree(top, node.size), "layout": node.layout.pack()})

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        return entry._replace(type=BLOB, class_name=EmergeBlob.__name__, bundle=""), state

    write = Write(await name(core, path), edit, version, state, perms=perms)
    pointer = (await change_objects(core, context, [write], "put"))[0]
    if not context.transaction:  # what is to be committed later refers to nothing yet
        await core.blocks.release(claimant)
    return pointer


async def _keep_tree(core: Core, name: bytes, claimant: str) -> BlockMap:
    """Keep a node and those below it as nodes of a map, from below, which fails where one lacks something."""
    (data,) = await core.blocks.read([name])
    node = BlockMap.unpack(data)
    for row in node.rows if node.level else ():
        await _keep_tree(core, row.name, claimant)
    await core.blocks.put({name: data}, claimant, maps=True)
    return node


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
    return f"{context.principal}@{upload[:UPLOAD_LIMIT]}@{place.path}"


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
