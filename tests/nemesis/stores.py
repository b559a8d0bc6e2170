"""What the stores of a cluster hold when its nodes have ended, read by this process and not by them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from emerge_wasm import codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.cluster.volume import MountTable, unpack
from emerge_wasm.codec import BlockTree
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store

from .cluster import Deployment
from .history import Fault
from .remains import Remains, gone, held_for_nothing, remains_of, unlevel

TABLE = ("meta", b"volumes")
COPIES = "copies/*/*.copy.db"
"""The copies that a node keeps, in its folder."""

Content = dict[str, tuple[str, int, str]]
"""By path: uuid, version and value."""


class Held(NamedTuple):
    """What one store holds: whose it is, the filesystem's uuid, its objects and its mount table."""

    name: str
    filesystem: str
    content: Content
    table: MountTable | None
    remains: Remains


async def check_stores(cluster: Deployment) -> tuple[list[Fault], set[str]]:
    """Stop the nodes, and see that each store agrees with itself, that nothing is where another one owns the volume,
    and that there are as many copies as were promised, with all that the owner has. The values in conflicts, too."""
    cluster.stop()
    urls = {member.name: f"sqlite:///{member.folder}/node.db" for member in cluster.members}
    if cluster.database is not None:
        urls = {"database": cluster.database.url("nemesis")}
    for member in cluster.members:
        urls |= {f"{member.name} {file.stem[:8]}": f"sqlite:///{file}" for file in member.folder.glob(COPIES)}
    faults: list[Fault] = []
    stores: list[Held] = []
    for name, url in urls.items():
        held, wrong = await read_store(name, url)
        stores.append(held)
        faults += [Fault("audit", name, text) for text in wrong]
    used = stores
    tables = [held.table for held in stores if held.table is not None]
    if tables:
        table = max(tables, key=lambda each: each.version)
        faults += misplaced(table, stores) + uncopied(table, stores, cluster)
        used = [held for held in stores if held.filesystem in owners_and_copies(table)]
        faults += misheld(table, stores) if cluster.whole else []
    faults += [
        Fault("blocks", "", text) for text in gone([each.remains for each in used], [each.remains for each in stores])
    ]
    conflicts = {value for held in stores for path, (_, _, value) in held.content.items() if "/conflicts/" in path}
    return faults, conflicts


async def read_store(name: str, url: str) -> tuple[Held, list[str]]:
    """Read a store whole; what is wrong with it."""
    async with opened(url) as filesystem:
        store = filesystem.core.store
        (raw,) = await store.get([TABLE])
        client = Client(LocalTransport(filesystem, Context("nemesis", superuser=True)))
        content: Content = {}
        async for pointer in client.tree("/"):
            if not pointer.is_directory:
                row = await client.remote.getobject(pointer.full_path)
                value = value_of(codec.decode(row["state"]))
                content[pointer.full_path] = pointer.uuid, pointer.version, value
        table = None if raw is None else unpack(raw)
        wrong = (await audit(store)).faults
        remains = await remains_of(filesystem.core.blocks)
        return Held(name, filesystem.uuid, content, table, remains), wrong + remains.faults


def value_of(fields: dict[str, object]) -> str:
    """The value of an object of the load; of a file the name of its tree of blocks."""
    content = fields.get("content")
    return content.root.hex() if isinstance(content, BlockTree) else str(fields.get("value"))


def owners_and_copies(table: MountTable) -> set[str]:
    """The filesystems whose states count, and not those of former owners and copies."""
    copies = {copy.filesystem for volume in table.volumes for copy in table.copies(volume.path)}
    return copies | {volume.filesystem for volume in table.volumes}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Filesystem]:
    store = await open_store(url)
    filesystem = await Filesystem.open(store)
    try:
        yield filesystem
    finally:
        await filesystem.close()
        await store.close()


def misplaced(table: MountTable, stores: list[Held]) -> list[Fault]:
    """Objects in a store that another one's volume is to hold, which is no copy of it: nobody can reach them."""
    faults: list[Fault] = []
    for held in stores:
        copied = table.replica(held.filesystem)
        lost = [path for path in held.content if table.volume_of(path).filesystem != held.filesystem]
        if copied is None:
            faults += [Fault("out of reach", held.name, path) for path in lost[:5]]
    return faults


def misheld(table: MountTable, stores: list[Held]) -> list[Fault]:
    """Blocks of files that are on fewer or more nodes than their level wants, or are held for nothing."""
    remains = {held.filesystem: held.remains for held in stores}
    owners = {volume.filesystem for volume in table.volumes} & remains.keys()
    texts = [*unlevel(remains, owners), *held_for_nothing(remains)]
    return [Fault("level", f"{len(texts)} in all", text) for text in texts[:10]]


def uncopied(table: MountTable, stores: list[Held], cluster: Deployment) -> list[Fault]:
    """Volumes that have not as many copies as they are to have, or others than their owner's."""
    by_uuid = {held.filesystem: held for held in stores}
    faults: list[Fault] = []
    older = cluster.older.name if cluster.older is not None else ""
    for path in [path for path, node in cluster.volumes.items() if cluster.copies and node != older]:
        copies = [each for each in table.copies(path) if each.filesystem in by_uuid]
        hosts = {table.name(each.filesystem) for each in copies} - {table.name(table.volume_of(path).filesystem)}
        if len(hosts) < cluster.copies:
            faults.append(Fault("copies", path, f"{len(hosts)} of {cluster.copies} are there"))
        owner = part(table, path, by_uuid[table.volume_of(path).filesystem])
        for each in copies:
            copy = part(table, path, by_uuid[each.filesystem])
            wrong = sorted(where for where in {*owner, *copy} if owner.get(where) != copy.get(where))
            if wrong:
                text = f"{owner.get(wrong[0])} at its owner, {copy.get(wrong[0])} at the copy"
                faults.append(Fault("copies", path, f"{by_uuid[each.filesystem].name} {wrong[0]}: {text}"))
    return faults


def part(table: MountTable, path: str, held: Held) -> Content:
    """What a store has of a volume."""
    return {each: what for each, what in held.content.items() if table.volume_of(each).path == path}
