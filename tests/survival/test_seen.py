"""A commit that is acknowledged on one node is seen by the next read on another, whatever is read."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from emerge_wasm import codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import Conflict, NotFound
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, MANY_WRITERS, Started
from tests.scale import examples

TURNS = examples(12)
NODES = 3
NAMES = [f"o{number}" for number in range(6)]
PLACES = ["/a", "/a/b", "/c"]


class Shared:
    """Several filesystems over one store, each with connections and caches of its own, and what must be in them."""

    def __init__(self, clients: list[Client], seed: int) -> None:
        self.clients = clients
        self.source = random.Random(seed)
        self.things: dict[str, int] = {}
        self.indexed = False

    async def change(self, client: Client) -> None:
        """Make one change on a node, and note it once it is acknowledged."""
        path = f"{self.source.choice(PLACES)}/{self.source.choice(NAMES)}"
        n, there = self.source.randrange(100), sorted(self.things)
        step = self.source.choice(["store", "store", "update", "rm", "mv", "rmdir", "index", "batch"])
        if step == "store" or not there:
            await client.remote.store(path, codec.encode({"n": n}))
            self.things[path] = n
        elif step == "update":
            old = self.source.choice(there)
            await client.update(old, n=n)
            self.things[old] = n
        elif step == "rm":
            old = self.source.choice(there)
            await client.rm(old)
            del self.things[old]
        elif step == "mv" and path not in self.things:
            old = self.source.choice(there)
            await client.mv(old, path)
            self.things[path] = self.things.pop(old)
        elif step == "rmdir" and any(each.startswith("/c/") for each in there):
            await client.rm("/c", True)
            self.things = {each: n for each, n in self.things.items() if not each.startswith("/c/")}
        elif step == "index":
            await client.index("/", "n", drop=self.indexed)
            self.indexed = not self.indexed
        elif step == "batch":
            more = {f"/a/b/{name}": n for name in NAMES[:3]}
            await client.remote.storeall([[each, codec.encode({"n": n})] for each in more])
            self.things |= more

    async def read(self, client: Client) -> None:
        """See on another node that all is as it was acknowledged, by each way of reading in turn."""
        way = self.source.choice(["cat", "get", "list", "tree", "search", "search", "count", "versions"])
        path = f"{self.source.choice(PLACES)}/{self.source.choice(NAMES)}"
        n, expected = self.things.get(path), sorted(self.things.items())
        if way in ("cat", "get", "versions"):
            try:
                await getattr(client, way)(path)
                seen = (await client.cat(path))["n"] if n is not None else None
                assert n is not None, f"{path} is still there by {way}"
                assert seen == n, f"{way} {path}"
            except NotFound:
                assert n is None, f"{path} is absent by {way}"
        elif way == "list":
            for place in PLACES:
                try:
                    names = sorted([p.name async for p in client.dir(place) if not p.is_directory])
                except NotFound:
                    names = []
                assert names == sorted(each.rpartition("/")[2] for each in self.things if _in(each, place)), place
        elif way == "tree":
            found = [p.full_path async for p in client.tree("/") if not p.is_directory]
            assert sorted(found) == [each for each, _ in expected]
        elif way == "search":
            limit = self.source.randrange(100)
            hits = []
            async for page in client.search_pages(lambda obj: obj.n < limit):
                hits += [f"{row['pointer']['path']}/{row['pointer']['name']}" for row in page["objects"]]
            assert sorted(hits) == [each for each, n in expected if n < limit]
        else:
            assert (await client.count(lambda obj: obj.n >= 50)) == sum(n >= 50 for n in self.things.values())


def _in(path: str, directory: str) -> bool:
    return path.rpartition("/")[0] == directory


async def opened(stack: AsyncExitStack, url: str, name: str) -> Client:
    store = await open_store(url)
    filesystem = await Filesystem.open(store, node=name, url=url)
    stack.push_async_callback(filesystem.close)
    return Client(LocalTransport(filesystem, Context("tester", superuser=True)))


@pytest.mark.parametrize("backend", MANY_WRITERS)
async def test_the_next_read_sees_it(backend: str, backends: Started) -> None:
    url = backends.url(backend)
    async with AsyncExitStack() as stack:
        clients = [await opened(stack, url, f"n{number}") for number in range(NODES)]
        shared = Shared(clients, seed=len(backend))
        for _ in range(TURNS):
            writer, reader = shared.source.sample(clients, 2)
            await shared.change(writer)
            for _ in range(2):
                await shared.read(reader)


@pytest.mark.parametrize("backend", MANY_WRITERS)
async def test_the_next_read_sees_it_while_others_write_too(backend: str, backends: Started) -> None:
    """Pairs of nodes pass a counter on, each reading what the other has just acknowledged, all at the same time."""
    url = backends.url(backend)
    async with AsyncExitStack() as stack:
        clients = [await opened(stack, url, f"n{number}") for number in range(NODES)]

        async def pass_on(number: int) -> None:
            path, source = f"/p{number}/x", random.Random(number)
            await clients[0].remote.store(path, codec.encode({"n": 0}))
            for turn in range(1, TURNS // 3):
                writer, reader = source.sample(clients, 2)
                while True:
                    try:
                        await writer.update(path, n=turn)
                        break
                    except Conflict:
                        continue
                assert (await reader.cat(path))["n"] == turn
                made = await writer.remote.store(f"/p{number}/y{turn}", codec.encode({}))
                assert (await reader.get(f"/p{number}/y{turn}")).uuid == made["uuid"]

        await asyncio.gather(*(pass_on(number) for number in range(4)))


@pytest.mark.parametrize("backend", BACKENDS)
async def test_hello_says_whether_several_nodes_may_share_it(backend: str, backends: Started) -> None:
    async with AsyncExitStack() as stack:
        client = await opened(stack, backends.url(backend), "one")
        assert (await client.hello())["shared"] == (backend in MANY_WRITERS)
