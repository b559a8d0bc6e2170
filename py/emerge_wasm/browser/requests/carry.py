"""Copies and moves between the two filesystems of a tab: states as they are, with their classes, and files by block.

No class is loaded for it. A copy is a new object, whose first version says where it came from.
"""

from __future__ import annotations

from ...clients.class_loader import Bundles
from ...clients.remote import ending
from ...clients.writes import BATCH, BATCH_BYTES, PackedObject, store_packed
from ...codec import bundles_in
from ...errors import Conflict, Invalid
from ...objects import BLOB, DIRECTORY
from ...paths import child_path
from ...results import ObjectRow, PointerRow
from ..places.place import TabPlace
from ..protocol import CarryStep, ChangeStep


async def carry(source: TabPlace, to: TabPlace, step: CarryStep) -> tuple[PointerRow | None, list[ChangeStep]]:
    """Copy or move what is at a path to the other filesystem, or take that back; what was made, and what undoes it."""
    path, target, move = step["path"], step["target"], step["move"]
    back: CarryStep = {"change": "carry", "path": path, "target": target, "to": to.name, "move": move}
    if step["change"] == "uncarry":
        if move:
            await source.call("restore", [path, 0])
        await to.call("rm", [target, True])
        return None, [back]
    if await to.has(target):
        raise Conflict(f"{target} is there already", path=target, remedy="choose another name, or move what is there")
    pointer: PointerRow = await source.call("get", [path])
    carrier = _Carrier(source, to)
    try:
        await carrier.carry(pointer, target)
        if move:
            await source.call("rm", [path, True])
    except BaseException:
        if await to.has(target):
            await to.call("rm", [target, True])
        raise
    made: PointerRow = await to.call("get", [target])
    back["change"] = "uncarry"
    return made, [back]


class _Carrier:
    """Collects what is copied, and stores it in batches."""

    def __init__(self, source: TabPlace, to: TabPlace) -> None:
        self.source, self.to = source, to
        self.batch: list[PackedObject] = []
        self.bundles: Bundles = {}
        self.size = 0

    async def carry(self, pointer: PointerRow, target: str) -> None:
        if pointer["type"] != DIRECTORY:
            await self._add(pointer, target)
        else:
            await self._make_directory(pointer, target)
            top = child_path(pointer["path"], pointer["name"]) if pointer["name"] else "/"
            async with ending(self.source.reader.remote.tree(top)) as below:
                async for each in below:
                    path = child_path(each["path"], each["name"])
                    there = target.rstrip("/") + path[len(top.rstrip("/")) :]
                    await (self._make_directory if each["type"] == DIRECTORY else self._add)(each, there)
        await self._flush()

    async def _make_directory(self, pointer: PointerRow, target: str) -> None:
        if "missing" in pointer:
            raise Invalid(f"{target} is on a node that is away", path=target, remedy="copy it when the node is back")
        made: PointerRow = await self.to.call("mkdir", [target])
        if made["perms"] != pointer["perms"] and pointer["perms"]:
            await self.to.call("chmod", [target, pointer["perms"]])

    async def _add(self, pointer: PointerRow, target: str) -> None:
        path = child_path(pointer["path"], pointer["name"])
        if pointer["type"] == BLOB:
            await self._copy_file(pointer, path, target)
            return
        row: ObjectRow = await self.source.call("getobject", [path])
        found, state = row["pointer"], row["state"]
        for hash in {found["bundle"], *bundles_in(state)} - {"", *self.bundles}:
            self.bundles |= await self.source.reader.fetch_bundles(hash)
        read = (found["version"], found["type"], found["perms"], found["uuid"], found["node"])
        version, type, perms, uuid, node = read
        packed = PackedObject(target, state, found["class_name"], found["bundle"], version, type, perms, uuid, node)
        self.batch.append(packed)
        self.size += len(state)
        if len(self.batch) >= BATCH or self.size >= BATCH_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if self.batch:
            await store_packed(self.to.reader, self.batch, self.bundles)
        self.batch, self.size = [], 0

    async def _copy_file(self, pointer: PointerRow, path: str, target: str) -> None:
        async with await self.source.reader.open(path, version=pointer["version"]) as reader:
            async with await self.to.reader.open(target, "xb") as writer:
                async for part in reader:
                    await writer.write(part)
        await self.to.call("chmod", [target, pointer["perms"]])
