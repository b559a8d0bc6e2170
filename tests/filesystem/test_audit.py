"""The audit finds nothing where nothing is wrong, whatever was done; and names each thing that was made wrong."""

from __future__ import annotations

import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from emerge_wasm import EmergeError, EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.audit import audit
from emerge_wasm.filesystem.execute import execute
from emerge_wasm.filesystem.record import (
    INLINE_LIMIT,
)
from emerge_wasm.store import Store
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import Part, item


@pytest.fixture
async def store() -> Store:
    return await open_store("memory:")


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    filesystem = await Filesystem.open(store, runner=execute)
    async with Client(LocalTransport(filesystem)) as client:
        yield client


# --- what is healthy
class Workload:
    """Random operations of every kind; those that cannot be done just then are refused, and that is all."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.source = random.Random(seed)
        self.done: dict[str, int] = {}
        self.known: list[str] = ["/a"]

    def fresh(self) -> str:
        depth = self.source.choice((1, 2, 2, 3))
        return "".join("/" + self.source.choice("abcd") for _ in range(depth))

    def path(self) -> str:
        """One where something is, or was; or any."""
        return self.source.choice(self.known) if self.source.random() < 0.9 else self.fresh()

    async def some(self, client: Client, number: int) -> None:
        for _ in range(number):
            kind = self.source.choice(sorted(OPERATIONS))
            try:
                await OPERATIONS[kind](self, client)
                self.done[kind] = self.done.get(kind, 0) + 1
            except EmergeError:
                continue

    async def in_transaction(self) -> None:
        async with self.client.transaction() as tx:
            await self.some(tx, self.source.randrange(1, 8))
            if self.source.random() < 0.2:
                raise EmergeError("changed my mind")

    async def run(self) -> None:
        for _ in range(50):
            found = [pointer async for pointer in self.client.tree("/")]
            files = [p.full_path for p in found if not p.is_directory]
            self.known = [p.full_path for p in found] + 5 * [p for p in files if "/n" not in p] + self.known[:5]
            await self.some(self.client, 8)
            try:
                await self.in_transaction()
            except EmergeError:
                continue

    async def store(self, client: Client) -> None:
        directory, _, name = self.fresh().rpartition("/")
        size = self.source.choice((1, 1, 10, INLINE_LIMIT + 5))
        await client.store(item(name, directory or "/", data="x" * size, parts=[Part("p")]))

    async def storeall(self, client: Client) -> None:
        path = self.fresh() + "/many"
        await client.storeall([EmergeFile(name=f"n{number}", path=path, data=number) for number in range(20)])

    async def refer(self, client: Client) -> None:
        await client.update(
            self.path(), data=[await client.reference(self.path()), await client.reference(self.path())]
        )

    async def update(self, client: Client) -> None:
        await client.update(self.path(), data=self.source.random())

    async def restore(self, client: Client) -> None:
        await client.restore(self.path(), self.source.choice((0, 0, 1, 2)))

    async def restore_removed(self, client: Client) -> None:
        path = self.path()
        await client.rm(path, recursive=True)
        await client.restore(path, self.source.choice((0, 0, 0, 1)))

    async def archive(self, client: Client) -> None:
        file, path = io.BytesIO(), self.path()
        await client.export(path, file, versions=self.source.random() < 0.7)
        if self.source.random() < 0.7:
            await client.rm(path, recursive=True)
        file.seek(0)
        await client.load(file, self.source.choice(("/", "/loaded", "/a")))

    async def archive_from_elsewhere(self, client: Client) -> None:
        file = io.BytesIO()
        async with Client(LocalTransport(await Filesystem.open(await open_store("memory:")))) as other:
            await other.store(item("w", "/x", data=1))
            await other.update("/x/w", data=2)
            await other.rm("/x/w")
            await other.restore("/x/w")
            await other.export("/x", file)
        file.seek(0)
        await client.load(file, f"/loaded/{self.source.randrange(1000)}")


OPERATIONS: dict[str, Callable[[Workload, Client], Awaitable[object]]] = {
    "store": Workload.store,
    "store again": Workload.store,
    "storeall": Workload.storeall,
    "update": Workload.update,
    "refer": Workload.refer,
    "restore": Workload.restore,
    "restore removed": Workload.restore_removed,
    "archive": Workload.archive,
    "archive from elsewhere": Workload.archive_from_elsewhere,
    "run": lambda self, client: client.run(self.path(), "sell", 0),
    "sell": lambda self, client: client.run(self.path(), "sell", -1),
    "add": lambda self, client: client.add(self.path(), "parts", Part("more")),
    "mixin": lambda self, client: client.mixin(self.path(), self.path(), "Mixed", "m", self.fresh()),
    "mkdir": lambda self, client: client.mkdir(self.fresh()),
    "cp": lambda self, client: client.cp(self.path(), self.fresh(), recursive=True),
    "mv": lambda self, client: client.mv(self.path(), self.fresh()),
    "mv again": lambda self, client: client.mv(self.path(), self.path()),
    "rm": lambda self, client: client.rm(self.path(), recursive=self.source.random() < 0.5),
    "retain": lambda self, client: client.retain(self.fresh()[:2], self.source.choice(("1", "2", "", "all", "9 days"))),
    "chmod": lambda self, client: client.chmod(
        self.source.choice((self.path(), "/")), self.source.choice(("g+w", "o+x")), True
    ),
    "chown": lambda self, client: client.chown(self.path(), self.source.choice(("ann", "bob"))),
}


@pytest.mark.parametrize("seed", range(6))
async def test_a_healthy_store_has_no_fault(client: Client, store: Store, seed: int) -> None:
    workload = Workload(client, seed)
    await workload.run()
    report = await audit(store)
    assert report.faults == []
    assert set(workload.done) == set(OPERATIONS), "every operation was done"
    assert min(report.counts.values()) > 0
