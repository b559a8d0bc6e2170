"""What every filesystem must do with objects that were read from another one: more scenarios like those of
`filesystem.py`, over the async `Client`. The other one is here, over memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emerge_wasm import Conflict, EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import Part, item, refused, scenario


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Client]:
    filesystem = await Filesystem.open(await open_store("memory:"), node="elsewhere")
    async with Client(LocalTransport(filesystem, Context("tester", superuser=True))) as client:
        yield client
    await filesystem.close()


async def origins(client: Client, path: str) -> list[str]:
    """Where each version came from, the newest first."""
    return [row["from"] for row in await client.versions(path)]


@scenario
async def what_was_read_elsewhere_is_a_new_object_here(client: Client) -> None:
    async with elsewhere() as other:
        for there, here in ((other, client), (client, other)):
            name = (await there.hello())["node"]
            await there.storeall([item(each, f"/{name}", parts=[Part("wheel")]) for each in ("v", "w", "x")])
            original = await there.update(f"/{name}/w", quantity=7)
            copy = await there.getobject(f"/{name}/w")
            many = [await there.getobject(f"/{name}/v"), await there.getobject(f"/{name}/w", 1)]
            many[1].name = "old"
            stored = [await here.store(copy), *await here.storeall([*many, item("new", f"/{name}")])]
            assert [pointer.version for pointer in stored] == [1] * 4
            assert (copy.version, copy.uuid, copy.node) == (1, stored[0].uuid, stored[0].node)
            uuids = {pointer.uuid for pointer in [*stored, *await there.list(f"/{name}")]}
            assert len(uuids) == 7
            assert await origins(here, f"/{name}/w") == [f"{name}:{original.uuid}@2"]
            assert await origins(here, f"/{name}/old") == [f"{name}:{original.uuid}@1"]
            assert await origins(here, f"/{name}/new") == [""]
            assert await here.getobject(f"/{name}/w") == copy and copy.parts == [Part("wheel")]
            assert [await here.cat(f"/{name}/{each}.quantity") for each in ("w", "old", "v")] == [7, 0, 0]
            copy.quantity = 8
            assert (await here.store(copy)).version == 2
            assert await origins(here, f"/{name}/w") == ["", f"{name}:{original.uuid}@2"]
            assert (await there.get(f"/{name}/w")).version == 2
            assert await there.cat(f"/{name}/w.quantity") == 7


@scenario
async def another_object_at_its_path_is_left_alone(client: Client) -> None:
    """Whatever their versions are, also where the other one was there when this one was read."""
    async with elsewhere() as other:
        for versions in range(3):
            await client.store(item("w", quantity=versions))
        await other.store(item("w", unit_price=1.0))
        for version in (1, 2, 3):
            foreign = await other.getobject("/inventory/w", version)
            foreign.parts = [Part("mine")]
            start = (await client.changes())["position"]
            await refused(client.store(foreign), Conflict, "another object", "another name", "version 0")
            await refused(client.storeall([item("beside"), foreign]), Conflict, "another object")
            assert (await client.changes())["position"] == start and foreign.version == version
            await other.update("/inventory/w", quantity=version)
        mine = await client.getobject("/inventory/w")
        await client.rm("/inventory/w")
        await refused(client.store(mine), Conflict, "moved or removed", "version 0")
        again = item("w", quantity=5)
        for _ in range(mine.version):
            await client.store(again)
        mine.unit_price = 9.0
        await refused(client.store(mine), Conflict, "another object")
        assert await client.cat("/inventory/w.unit_price") == 0.0
        foreign.version = 0
        assert (await client.store(foreign)).uuid == again.uuid
        assert await client.cat("/inventory/w.parts.0.label") == "mine"


@scenario
async def a_copy_that_a_transaction_made_goes_with_it(client: Client) -> None:
    async with elsewhere() as other:
        await other.store(EmergeFile(name="w", data=1))
        foreign = await other.getobject("/w")
        before = foreign.uuid
        try:
            async with client.transaction() as inside:
                await inside.store(foreign)
                foreign.data = 2
                assert (await inside.store(foreign)).version == 2
                raise InterruptedError
        except InterruptedError:
            pass
        assert (foreign.uuid, foreign.version, foreign.node) == (before, 1, "elsewhere")
        assert (await client.store(foreign)).version == 1
        assert await origins(client, "/w") == [f"elsewhere:{before}@1"]
