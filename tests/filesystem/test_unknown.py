"""An error that does not say that the outcome is unknown says that nothing was done: the store goes after it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import EmergeError, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.operations import Context
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores.memory import MemoryStore


class Counter(EmergeFile):
    """Something with a method that changes it."""

    def grow(self) -> int:
        self.data = (self.data or 0) + 1
        return int(self.data)


class Leaving(MemoryStore):
    """A store that is away once the log has grown so many times, until it is said to be back."""

    def __init__(self, largest: int = 0) -> None:
        super().__init__()
        if largest:
            self.capabilities = replace(self.capabilities, largest_batch=largest)
        self.left = -1  # commits of changes until it goes; below 0: it stays
        self.changes = 0

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check()
        return await super().get(keys)

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check()
        return await super().scan(space, start, end, limit=limit, reverse=reverse)

    async def commit(self, batch: Batch) -> list[int]:
        self._check()
        done = await super().commit(batch)
        if batch.appends:
            self.changes += 1
            self.left -= self.left > 0
        return done

    def _check(self) -> None:
        if self.left == 0:
            raise Unavailable("the store is away", remedy="try again")


async def transact(client: Client) -> None:
    async with client.transaction() as inside:
        await inside.update("/d/a", data=5)
        await inside.store(EmergeFile(name="t", path="/d"))


async def put(client: Client, raid: int, size: int = 0) -> None:
    await client.put(io.BytesIO(bytes(size)), f"/d/file{raid}", raid=raid, block_size=4096)


CHANGES: dict[str, Callable[[Client], Awaitable[object]]] = {
    "store": lambda client: client.store(EmergeFile(name="x", path="/d/e/f")),
    "store a large one": lambda client: client.store(EmergeFile(name="x", path="/d", data=bytes(200_000))),
    "storeall": lambda client: client.storeall([EmergeFile(name=f"x{each}", path="/d") for each in range(3)]),
    "update": lambda client: client.update("/d/a", data=2),
    "add": lambda client: client.add("/d/a", "others", "/d/b"),
    "cp": lambda client: client.cp("/d/a", "/d/c"),
    "cp a file": lambda client: client.cp("/d/big", "/d/c"),
    "mv": lambda client: client.mv("/d/a", "/d/c"),
    "rm": lambda client: client.rm("/d/a"),
    "mkdir": lambda client: client.mkdir("/d/new/one"),
    "chmod": lambda client: client.chmod("/d/a", "rw-------"),
    "chown": lambda client: client.chown("/d/a", "anna"),
    "restore": lambda client: client.restore("/d/b", 1),
    "retain": lambda client: client.retain("/d", "1"),
    "purge": lambda client: client.purge("/gone"),
    "run": lambda client: client.run("/d/n", "grow"),
    "once": lambda client: client.once("id 1").update("/d/a", data=3),
    "transact": transact,
    "put nothing": lambda client: put(client, 5),
    "put a small one": lambda client: put(client, 0, 100),
    "put": lambda client: put(client, 0, 50_000),
    "put with parity": lambda client: put(client, 6, 50_000),
    "reshape": lambda client: client.reshape("/d/big", 5),
}


MANY: dict[str, Callable[[Client], Awaitable[object]]] = {
    "cp": lambda client: client.cp("/many", "/copy"),
    "mv": lambda client: client.mv("/many", "/moved"),
    "rm": lambda client: client.rm("/many"),
    "chmod": lambda client: client.chmod("/many", "rwx------", recursive=True),
    "chown": lambda client: client.chown("/many", "anna", recursive=True),
    "run": lambda client: client.run("/many", "grow"),
    "retain": lambda client: client.retain("/many", "1"),
    "purge": lambda client: client.purge("/gone"),
}


async def fresh(largest: int = 0) -> tuple[Leaving, Client]:
    store = Leaving(largest)
    filesystem = await Filesystem.open(store, node="here", runner=Here(given=give_filesystem))
    client = Client(LocalTransport(filesystem, Context("tester", superuser=True)))
    await client.store(EmergeFile(name="a", path="/d", data=1))
    await client.store(EmergeFile(name="b", path="/d", data=1))
    await client.update("/d/b", data=2)
    await client.store(Counter(name="n", path="/d", data=1))
    await client.put(io.BytesIO(bytes(20_000)), "/d/big", block_size=4096)
    await client.storeall([EmergeFile(name=f"g{each}", path="/gone", data=each) for each in range(3)])
    await client.rm("/gone", True)
    return store, client


@pytest.mark.parametrize("name", CHANGES)
async def test_the_store_goes_after_the_change(name: str) -> None:
    store, client = await fresh()
    before, store.left = store.changes, 1
    try:
        await CHANGES[name](client)
    except EmergeError as error:
        assert error.details.get("unknown"), error
    assert store.changes == before + 1
    store.left = -1


@pytest.mark.parametrize("changes", [1, 2])
@pytest.mark.parametrize("name", MANY)
async def test_the_store_goes_in_the_midst_of_many(name: str, changes: int) -> None:
    """Of more objects than a commit takes."""
    store, client = await fresh(100)
    for begin in (0, 8, 16, 24):
        await client.storeall([Counter(name=f"n{begin + number}", path="/many", data=1) for number in range(8)])
    before, store.left = store.changes, changes
    try:
        await MANY[name](client)
    except EmergeError as error:
        assert error.details.get("unknown") or store.changes == before, error
