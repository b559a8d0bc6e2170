"""Copies and moves between the two filesystems of a tab: states as they are, with their classes, and files by block.

No class is loaded for it. A copy is a new object, whose first version says where it came from.
"""

from __future__ import annotations

from contextlib import suppress

from ...clients.class_loader import Bundles
from ...clients.remote import ending
from ...clients.writes import BATCH, BATCH_BYTES, PackedObject, store_packed
from ...codec import bundles_in
from ...errors import Conflict, EmergeError, Invalid, Unavailable
from ...objects import BLOB, DIRECTORY
from ...paths import child_path
from ...results import ObjectRow, PointerRow
from ..places.attempt import recall
from ..places.place import TabPlace
from ..protocol.step import CarryStep, ChangeStep


async def carry(source: TabPlace, to: TabPlace, step: CarryStep) -> tuple[PointerRow | None, list[ChangeStep]]:
    """Copy or move what is at a path to the other filesystem, or take that back; what was made, and what undoes it."""
    path, target, move = step["path"], step["target"], step["move"]
    back: CarryStep = {"change": "carry", "path": path, "target": target, "to": to.name, "move": move}
    if step["change"] == "uncarry":
        if move:
            await source.call("restore", [path, 0])
        await to.call("rm", [target, True])
        return None, [back]
    carrier = _Carrier(source, to)
    if not await carrier.begun(target) and await to.has(target):
        raise Conflict(f"{target} is there already", path=target, remedy="choose another name, or move what is there")
    if not move or await recall(source, "rm", path) is None:  # the last call of a move
        await _carry(carrier, path, target, move)
    made: PointerRow = await to.call("get", [target])
    back["change"] = "uncarry"
    return made, [back]


async def _carry(carrier: _Carrier, path: str, target: str, move: bool) -> None:
    """Copy, or move; what failed is taken back, unless the original may be gone."""
    source, to = carrier.source, carrier.to
    pointer: PointerRow = await source.call("get", [path])
    try:
        await carrier.carry(pointer, target)
    except BaseException:
        await _take_back(to, target)
        raise
    if move:
        try:
            await source.call("rm", [path, True])
        except EmergeError as error:
            if not isinstance(error, Unavailable):
                await _take_back(to, target)
            raise


async def _take_back(to: TabPlace, target: str) -> None:
    with suppress(Unavailable):
        if await to.has(target):
            await to.call("rm", [target, True])


class _Carrier:
    """Collects what is copied, and stores it in batches. What an earlier attempt has stored is left as it is."""

    def __init__(self, source: TabPlace, to: TabPlace) -> None:
        self.source, self.to = source, to
        self.batch: list[PackedObject] = []
        self.bundles: Bundles = {}
        self.size = 0
        self.resumes = False

    async def begun(self, target: str) -> bool:
        """Tell whether an earlier attempt has stored something: then what is at the target is of that."""
        for name, path in (("mkdir", target), ("putfile", target), ("storeall", "")):
            while await recall(self.to, name, path, at=target) is not None:
                self.resumes = True
        return self.resumes

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
        there = self.resumes and await self.to.has(target)
        made: PointerRow = await self.to.call("get" if there else "mkdir", [target])
        if made["perms"] != pointer["perms"] and pointer["perms"]:
            await self._set_rights(pointer, target)

    async def _add(self, pointer: PointerRow, target: str) -> None:
        path = child_path(pointer["path"], pointer["name"])
        there = self.resumes and await self.to.has(target)
        if pointer["type"] == BLOB:
            if not there:
                await self._copy_file(pointer, path, target)
            await self._set_rights(pointer, target)
            return
        if there:
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

    async def _set_rights(self, pointer: PointerRow, target: str) -> None:
        if await recall(self.to, "chmod", target) is None:
            await self.to.call("chmod", [target, pointer["perms"]])
