"""A client with a list of nodes: another takes over when one goes, and what may have been done is not done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, aclosing
from itertools import pairwise
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.address import endpoints_of
from emerge_wasm.clients.transports.failover import FailoverTransport
from emerge_wasm.clients.transports.registry import open_transport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Invalid, NotFound, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import TABLE
from emerge_wasm.stores.memory import MemoryStore
from tests.backends.postgresql import server as postgresql
from tests.conftest import Server, start_server
from tests.scale import examples

from .conftest import StartNode, eventually, names

NODES = min(2 + examples(1), 4)
MOVED = 1.0
"""Seconds that a client may need to go on at another node."""

Connected = Callable[..., FailoverTransport]


@pytest.fixture
async def fail_over(stack: AsyncExitStack) -> Connected:
    def make(*endpoints: str) -> FailoverTransport:
        transport = open_transport(",".join(endpoints))
        assert isinstance(transport, FailoverTransport)
        stack.push_async_callback(transport.close)
        return transport

    return make


@pytest.fixture
async def pair(start_node: StartNode) -> tuple[Node, Node]:
    """Two nodes on one store."""
    store = MemoryStore()
    one = await start_node("one", store=store)
    other = await start_node("other", (one.endpoint,), store=store)
    await eventually(lambda: names(one.cluster) == ["other"] and names(other.cluster) == ["one"])
    return one, other


def delay(node: Node, calls: list[str]) -> asyncio.Event:
    """Have a node note what it is asked, and answer only once the event is set."""
    goes, dispatch = asyncio.Event(), node.server._dispatch  # private: a node that answers late is made here only

    def late(name: str, args: Any, context: Any) -> Any:
        calls.append(name)

        async def answer() -> Any:
            await goes.wait()
            result: Any = dispatch(name, args, context)
            return await result

        return answer()

    node.server._dispatch, node.server._read_at_once = late, None
    return goes


async def start_at(start_node: StartNode, name: str, endpoint: str) -> Node:
    """Start a node where another one was: ZeroMQ closes that one's socket a little later."""
    for _ in range(100):
        try:
            return await start_node(name, bind=endpoint)
        except Invalid:
            await asyncio.sleep(0.02)
    raise AssertionError(f"{endpoint} stays taken")


async def refuses(endpoint: str) -> None:
    """Wait until nobody listens there: ZeroMQ closes the socket of a stopped node a little later."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.02)
    raise AssertionError(f"{endpoint} still listens")


# What each operation is asked with; all others stream, need code, or are bound to a transaction or a file.
ARGUMENTS: dict[str, list[Any]] = {
    "get": ["/x"],
    "cat": ["/x"],
    "list": ["/"],
    "search": ["/"],
    "versions": ["/x"],
    "store": ["/x", codec.encode({"n": 1})],
    "update": ["/x", codec.encode({"n": 2})],
    "mkdir": ["/d"],
    "chmod": ["/x", "750"],
    "rm": ["/x"],
}


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_reads_are_asked_again_and_changes_are_not(
    name: str, pair: tuple[Node, Node], fail_over: Connected
) -> None:
    one, other = pair
    transport = fail_over(one.endpoint, other.endpoint)
    await transport.call("store", ["/x", codec.encode({"n": 0})])
    asked: list[str] = []
    delay(one, asked)
    call = asyncio.ensure_future(transport.call(name, ARGUMENTS[name]))
    await eventually(lambda: asked)
    await one.server.stop()
    if TABLE[name].changes:
        with pytest.raises(Unavailable, match="unknown whether a change was made") as lost:
            await call
        assert lost.value.details["unknown"] is True
    else:
        await call
    assert asked == [name]
    assert (await transport.call("hello", []))["node"] == "other"


async def test_what_was_not_sent_goes_elsewhere_whatever_it_is(pair: tuple[Node, Node], fail_over: Connected) -> None:
    one, other = pair
    await one.stop()
    await refuses(one.endpoint)
    started = time.monotonic()
    transport = fail_over(one.endpoint, other.endpoint)
    assert (await transport.call("store", ["/x", codec.encode({"n": 1})]))["version"] == 1
    assert [row["name"] async for row in transport.stream("dir", ["/"])] == ["x"]
    assert time.monotonic() - started < MOVED


async def test_it_goes_on_at_a_node_that_nobody_named(
    pair: tuple[Node, Node], start_node: StartNode, fail_over: Connected
) -> None:
    one, other = pair
    alone = await start_node("alone")  # it listens, and is no member
    transport = fail_over(one.endpoint, "tcp://127.0.0.1:1")
    assert (await transport.call("hello", []))["node"] == "one"
    await eventually(lambda: other.endpoint in transport.addresses)
    assert alone.endpoint not in transport.addresses
    await one.stop()
    assert (await transport.call("hello", []))["node"] == "other"


async def test_a_stranger_at_the_address_of_a_member_is_not_believed(
    pair: tuple[Node, Node], start_node: StartNode, fail_over: Connected
) -> None:
    one, other = pair
    transport = fail_over(one.endpoint, "tcp://127.0.0.1:1")
    await transport.call("hello", [])
    await eventually(lambda: other.endpoint in transport.addresses)
    endpoint = other.endpoint
    await other.stop()
    await start_at(start_node, "stranger", endpoint)
    await one.stop()
    await refuses(one.endpoint)
    with pytest.raises(Unavailable, match="no node answers"):
        await transport.call("hello", [])


async def test_a_transaction_stays_where_it_was_begun(pair: tuple[Node, Node], fail_over: Connected) -> None:
    one, other = pair
    transport = fail_over(other.endpoint, one.endpoint)
    client = Client(transport)
    async with client.transaction() as inside:
        await inside.mkdir("/a")
        with pytest.raises(NotFound):
            await client.get("/a")
    assert (await client.get("/a")).name == "a"
    with pytest.raises(Unavailable):
        async with client.transaction() as inside:
            await inside.mkdir("/b")
            await other.stop()
            await inside.mkdir("/c")
    assert [pointer.name async for pointer in client.dir("/")] == ["a"]


async def test_a_stream_is_begun_again_only_while_nothing_has_come(
    pair: tuple[Node, Node], fail_over: Connected
) -> None:
    one, other = pair
    transport = fail_over(one.endpoint, other.endpoint)
    for number in range(300):
        await transport.call("store", [f"/d/{number}", codec.encode({})])
    items: Any = transport.stream("dir", ["/d"])
    seen = [await anext(items)]
    await one.server.stop()
    with pytest.raises(Unavailable):
        async for item in items:
            seen.append(item)
    assert 0 < len(seen) < 300
    assert len([item async for item in transport.stream("dir", ["/d"])]) == 300


async def test_a_watch_that_was_lost_says_so(pair: tuple[Node, Node], fail_over: Connected) -> None:
    one, other = pair
    transport = fail_over(one.endpoint, other.endpoint)
    await transport.call("hello", [])
    async with aclosing(transport.stream("watch", ["/", -1])) as items:  # type: ignore[type-var]  # a generator
        first = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0.1)
        await one.server.stop()
        with pytest.raises(Unavailable):  # what happened meanwhile would be missed
            await first


async def test_all_are_away_and_one_comes_back(
    pair: tuple[Node, Node], start_node: StartNode, fail_over: Connected
) -> None:
    one, other = pair
    transport = fail_over(one.endpoint, other.endpoint)
    await transport.call("hello", [])
    for node in pair:
        await node.stop()
    with pytest.raises(Unavailable, match=r"no node answers at 127\.0\.0\.1:\d+ or 127\.0\.0\.1:\d+"):
        await transport.call("hello", [])
    await start_at(start_node, "again", other.endpoint)
    for _ in range(20):  # ZeroMQ tries again by itself, every tenth of a second
        try:
            assert (await transport.call("hello", []))["node"] == "again"
            return
        except Unavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("it is not found again")


@pytest.mark.parametrize("hosts", ["a,", ",a", "a,,b", "a,http://b", "a,b c", "a:0,b"])
def test_a_bad_address_of_a_list_is_named(hosts: str) -> None:
    with pytest.raises(Invalid, match="is not the address of a node"):
        endpoints_of(hosts)


def test_a_list_names_nodes_only() -> None:
    assert endpoints_of("a, b:1,tcp://c") == "tcp://a:5558,tcp://b:1,tcp://c:5558"
    for address in ("ws://a,ws://b", "http://a,tcp://b"):
        with pytest.raises(Invalid, match="is not the address of a node"):
            open_transport(address)
    with pytest.raises(Invalid, match="takes no token"):
        open_transport("tcp://a,tcp://b", "secret")


# --- processes on one PostgreSQL
@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Any, list[Server]]]:
    """Nodes on one database, which is this test's to stop; none is told of another."""
    with postgresql() as database, ExitStack() as stack:
        url = database.url("shop")

        def start(name: str) -> Server:
            return start_server("node", "start", "--name", name, "--port", "0", "--store", url, sandbox=False)

        servers = await asyncio.gather(*(asyncio.to_thread(start, f"n{number}") for number in range(NODES)))
        for server in servers:
            stack.callback(server.kill)
        yield database, list(servers)


class Load:
    """A client that stores and reads what it stored, one thing after another, and times itself."""

    def __init__(self, number: int, client: Client) -> None:
        self.number, self.client = number, client
        self.stored: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        self.refused = 0
        self.successes: list[float] = []

    async def work(self, until: Callable[[], bool]) -> None:
        turn = 0
        while not until():
            turn += 1
            path = f"/load/c{self.number}/o{turn}"
            try:
                await self.client.remote.store(path, codec.encode({"n": turn}))
                self.stored[path] = turn
                read = f"/load/c{self.number}/o{max(turn // 2, 1)}"
                if read in self.stored:
                    assert (await self.client.cat(read))["n"] == self.stored[read]
                self.successes.append(time.monotonic())
            except Unavailable as error:
                if path not in self.stored:
                    if error.details.get("unknown"):
                        self.unknown[path] = turn
                    else:
                        self.refused += 1
                        await asyncio.sleep(0.02)

    def longest_pause(self, since: float) -> float:
        """The longest time without a success after a moment, in seconds."""
        times = [since, *(moment for moment in self.successes if moment > since)]
        return max(after - before for before, after in pairwise(times))


async def check_all(client: Client, loads: list[Load]) -> None:
    """What was acknowledged is there, and of the rest only what may be."""
    for load in loads:
        there = {f"{p.path}/{p.name}" async for p in client.dir(f"/load/c{load.number}")}
        assert load.stored.keys() <= there, "an acknowledged write is lost"
        assert there <= {*load.stored, *load.unknown}, "what was refused was made all the same"


async def test_a_node_is_killed_under_load_and_the_database_goes_and_comes_back(
    cluster: tuple[Any, list[Server]], stack: AsyncExitStack
) -> None:
    database, servers = cluster
    loads = []
    for number in range(8):
        first = servers[number % NODES].host  # one node each is named, and a dead address: the others are learned
        transport = open_transport(endpoints_of(f"{first},127.0.0.1:1"))
        stack.push_async_callback(transport.close)
        loads.append(Load(number, Client(transport)))
    finished = False
    tasks = [asyncio.create_task(load.work(lambda: finished)) for load in loads]
    watcher = ZeroMQTransport(servers[0].found["node"])
    stack.push_async_callback(watcher.close)
    for _ in range(100):
        if len(await watcher.call("nodes", [])) == NODES:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    for number in range(1, NODES - 1):
        killed_at = time.monotonic()
        os.kill(servers[number].process.pid, signal.SIGKILL)
        await asyncio.sleep(1.5)
        pauses = {load.number: load.longest_pause(killed_at) for load in loads}
        assert max(pauses.values()) < MOVED, pauses
    assert sum(load.refused for load in loads) == 0
    before = sum(len(load.stored) for load in loads)
    await asyncio.to_thread(database.stop)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(database.start)
    await asyncio.sleep(1.5)
    finished = True
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert all(load.successes[-1] > time.monotonic() - 2 for load in loads), "a client did not go on"
    assert sum(len(load.stored) for load in loads) > before
    await check_all(Client(watcher), loads)
    assert sorted(row["node"] for row in await watcher.call("nodes", [])) == ["n0", f"n{NODES - 1}"]
