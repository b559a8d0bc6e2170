"""Two nodes on one store: no update is lost where both may write, and where one alone may, the other is kept out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Conflict, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, KEEPS_OUT, MANY_WRITERS, Started
from tests.conftest import Server
from tests.scale import examples, pairs

from .load import note
from .nodes import node, refused

CLIENTS = 2  # of each node
COUNTERS = ("/counters/a", "/counters/b")
INCREMENTS = examples(4)  # of each client
ROUNDS = min(examples(2), 4)  # in which each client adds and makes something


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def connect(stack: AsyncExitStack, server: Server) -> Client:
    transport = ZeroMQTransport(server.found["node"])
    stack.push_async_callback(transport.close)
    return Client(transport)


async def start(stack: AsyncExitStack, backend: str, url: str, name: str, *more: str) -> Server:
    return await asyncio.to_thread(stack.enter_context, node(backend, url, *more, name=name))


async def start_two(stack: AsyncExitStack, backend: str, url: str, joined: bool = False) -> tuple[Server, Server]:
    one = await start(stack, backend, url, "one")
    other = await start(stack, backend, url, "other", *(("--join", one.host) if joined else ()))
    return one, other


async def increment(client: Client, path: str, conflicts: list[str]) -> None:
    """Read, add one, and write on condition that nobody else did meanwhile, until that is so."""
    while True:
        pointer = await client.get(path)
        n = await client.cat(f"{path}.n", pointer.version)
        try:
            await client.update(path, pointer.version, n=n + 1)
            return
        except Conflict:
            conflicts.append(path)


async def check_store(url: str, commits: int) -> None:
    """See that all of a store agrees, and that so many commits were made."""
    store = await open_store(url)
    try:
        report = await audit(store)
        assert report.faults == []
        assert report.counts["commits"] == commits
    finally:
        await store.close()


@pytest.mark.parametrize(("backend", "how"), pairs(MANY_WRITERS, ["apart", "joined"]))
async def test_no_update_is_lost(backend: str, how: str, backends: Started, stack: AsyncExitStack) -> None:
    url = backends.url(backend)
    servers = await start_two(stack, backend, url, how == "joined")
    clients = [connect(stack, server) for server in servers for _ in range(CLIENTS)]
    if how == "joined":
        await until_joined(clients[0])
    for path in COUNTERS:
        await clients[0].store(note(path, 0))
    conflicts: list[str] = []
    acknowledged = dict.fromkeys(COUNTERS, 0)

    async def work(client: Client) -> None:
        for turn in range(INCREMENTS):
            path = COUNTERS[turn % len(COUNTERS)]
            await increment(client, path, conflicts)
            acknowledged[path] += 1

    await asyncio.gather(*map(work, clients))
    assert sum(acknowledged.values()) == len(clients) * INCREMENTS
    for path, count in acknowledged.items():
        for client in (clients[0], clients[-1]):
            assert (await client.cat(f"{path}.n"), (await client.get(path)).version) == (count, count + 1)
    assert conflicts, "they never met"
    await stack.aclose()
    await check_store(url, len(COUNTERS) + sum(acknowledged.values()))


@pytest.mark.parametrize("backend", MANY_WRITERS)
async def test_what_both_add_or_make_is_there(backend: str, backends: Started, stack: AsyncExitStack) -> None:
    """One list, and directories that all of them make at once; a watch at one node tells of what both did."""
    url = backends.url(backend)
    servers = await start_two(stack, backend, url)
    clients = [connect(stack, server) for server in servers for _ in range(CLIENTS)]
    await clients[0].store(note("/list", 0))
    await clients[0].update("/list", to=[])
    since = (await clients[0].changes())["position"]
    watched = [asyncio.create_task(watch(client, len(clients) * ROUNDS)) for client in (clients[0], clients[-1])]
    await asyncio.sleep(0.2)

    async def work(number: int, client: Client) -> None:
        for turn in range(ROUNDS):
            await client.add("/list", "to", f"{number}.{turn}")
            await client.store(note(f"/made/{turn}/deep/{number}", turn))

    await asyncio.gather(*(work(number, client) for number, client in enumerate(clients)))
    values = [f"{number}.{turn}" for number in range(len(clients)) for turn in range(ROUNDS)]
    names = [f"/made/{turn}/deep/{number}" for number in range(len(clients)) for turn in range(ROUNDS)]
    for client in (clients[0], clients[-1]):
        assert sorted(await client.cat("/list.to")) == sorted(values)
        tree = [f"{pointer.path}/{pointer.name}" async for pointer in client.tree("/made")]
        directories = {f"/made/{turn}{rest}" for turn in range(ROUNDS) for rest in ("", "/deep")}
        assert sorted(tree) == sorted({*names, *directories})
    for seen in await asyncio.wait_for(asyncio.gather(*watched), 10):
        assert sorted(seen) == sorted(names)
    assert (await clients[-1].changes())["position"] == since + 2 * len(values)
    await stack.aclose()
    await check_store(url, since + 2 * len(values))


async def watch(client: Client, count: int) -> list[str]:
    """So many objects that a node tells of, as they are made."""
    seen: list[str] = []
    async with aclosing(client.watch("/made")) as changes:  # type: ignore[type-var]
        async for change in changes:
            if change["pointer"]["type"] != "directory":
                seen.append(change["path"])
            if len(seen) == count:
                return seen
    return seen


async def until_joined(client: Client) -> None:
    async with asyncio.timeout(10):
        while len(await client.nodes()) < 2:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("backend", KEEPS_OUT)
async def test_a_second_node_is_refused(backend: str, backends: Started, stack: AsyncExitStack) -> None:
    url = backends.url(backend)
    client = connect(stack, await start(stack, backend, url, "one"))
    await client.store(note("/kept", 1))
    error = await asyncio.to_thread(refused, backend, url)
    assert error["code"] == "Unavailable" and "in use" in error["message"] and error["remedy"], error
    assert (await client.update("/kept", 1, n=2)).version == 2
    await stack.aclose()
    await check_store(url, 2)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if BACKENDS[name].writers == "newest"])
async def test_a_newer_node_takes_the_store_over(backend: str, backends: Started, stack: AsyncExitStack) -> None:
    """The first one is fenced off: it says so, and all that it acknowledged is there."""
    url = backends.url(backend)
    old = connect(stack, await start(stack, backend, url, "one"))
    acknowledged = 0

    async def work() -> None:
        nonlocal acknowledged
        while True:
            await old.store(note(f"/of/old/{acknowledged}", acknowledged))
            acknowledged += 1

    working = asyncio.create_task(work())
    while acknowledged < 3:
        await asyncio.sleep(0.01)
    new = connect(stack, await start(stack, backend, url, "other"))
    await new.store(note("/of/new/0", 0))
    with pytest.raises(Unavailable) as failure:
        await asyncio.wait_for(working, 20)
    assert failure.value.remedy
    names = {pointer.name for pointer in await new.list("/of/old")}
    assert {str(number) for number in range(acknowledged)} <= names
    assert len(names) <= acknowledged + 1
    with pytest.raises(Unavailable):
        await old.store(note("/of/old/late", 0))
    await stack.aclose()
    await check_store(url, len(names) + 1)


async def test_equal_increments_both_count() -> None:
    """Two who read 5 and write 6 have added two, or the second must hear of it."""
    filesystem = await Filesystem.open(await open_store("memory:"))
    async with Client(LocalTransport(filesystem)) as client:
        await client.store(note("/counter", 5))
        await client.update("/counter", 1, n=6)
        with pytest.raises(Conflict):
            await client.update("/counter", 1, n=6)
