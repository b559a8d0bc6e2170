"""The tree of a file's block map as it is in the store: its nodes, and the names of all that belongs to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ...blocks.block_map import BlockMap
from ...codec import BlockTree, decode
from ...errors import Invalid
from ...objects import BLOB
from ..core import Core, Part
from ..layout.record import Entry
from ..tree.load import load_state

KNOWN_NAMES = 1 << 20
"""Names of blocks that are remembered, of the files read last."""


@dataclass
class KnownTrees:
    """The names that belong to the files read last, by the roots of their maps. They never change."""

    names: OrderedDict[bytes, frozenset[bytes]] = field(default_factory=OrderedDict)

    def add(self, root: bytes, names: frozenset[bytes]) -> None:
        self.names[root] = names
        while len(self.names) > 1 and sum(map(len, self.names.values())) > KNOWN_NAMES:
            self.names.popitem(last=False)


KNOWN = Part(KnownTrees)


async def content_of(core: Core, entry: Entry, path: str) -> BlockTree:
    """Return the content of a file in blocks. Raises Invalid for anything else."""
    content = await file_content(core, entry, path)
    if isinstance(content, bytes):
        raise Invalid(
            f"{path} is not a file in blocks: its {len(content)} bytes are kept inline", path=path, remedy="open it"
        )
    return content


async def file_content(core: Core, entry: Entry, path: str) -> BlockTree | bytes:
    """Return the content of a file: its tree of blocks, or its bytes where they are kept inline.

    Raises:
        Invalid: it is no file.
    """
    fields = {} if entry.is_directory else decode(await load_state(core, entry, path))
    content = fields.get("content") if isinstance(fields, dict) else None
    if entry.type != BLOB or not isinstance(content, BlockTree | bytes):
        what = "a directory" if entry.is_directory else "an object whose state is kept as a whole"
        raise Invalid(f"{path} is not a file in blocks: it is {what}", path=path, remedy="put a file there, or cat it")
    return content


async def names_below(core: Core, root: bytes) -> frozenset[bytes]:
    """Return the names of all nodes, blocks and fragments of a file, given the root of its map."""
    known = KNOWN.of(core)
    if root in known.names:
        known.names.move_to_end(root)
        return known.names[root]
    found = {root}
    async for node in nodes(core, root):
        found.update(name for row in node.rows for name in row.kept)
    names = frozenset(found)
    known.add(root, names)
    return names


async def nodes(core: Core, root: bytes) -> AsyncIterator[BlockMap]:
    """Yield the nodes of a block map in order, each before those below it."""
    pending = [root]
    while pending:
        node = BlockMap.unpack((await core.blocks.read([pending.pop()]))[0])
        yield node
        if node.level:
            pending += [row.name for row in reversed(node.rows)]
