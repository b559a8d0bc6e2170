"""Nodes on one store find each other in it: they come, leave, die and stand still, in any order and under any name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster.membership import Times
from emerge_wasm.codec import encode
from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.lease import PATIENCE, LeaseRecord, read_leases
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

OPERATOR = Context("operator", superuser=True, via="zeromq")
TIMES = Times(period=0.1, silence=0.5, patience=0.5, roster=0.1)


class View:
    """One process's view of the shared store. It can stand still with the process, or be out of reach."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.capabilities = replace(store.capabilities, many_writers=True)
        self.goes = asyncio.Event()
        self.goes.set()
        self.away = False

    async def _reach(self) -> None:
        await self.goes.wait()
        if self.away:
            raise Unavailable("the database is away")

    async def get(self, keys: Any) -> Any:
        await self._reach()
        return await self._store.get(keys)

    async def scan(self, *args: Any, **kwargs: Any) -> Any:
        await self._reach()
        return await self._store.scan(*args, **kwargs)

    async def commit(self, batch: Batch) -> list[int]:
        await self._reach()
        return await self._store.commit(batch)

    async def close(self) -> None: ...


async def started(node: Node) -> None:
    """Start a node, perhaps where another one was: ZeroMQ closes that one's socket a little later."""
    for attempt in range(100):
        try:
            await node.start()
            return
        except Invalid as error:
            if "is taken" not in error.message or attempt == 99:
                raise
            await asyncio.sleep(0.02)


class Place:
    """A shared store, and the nodes on it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.views: dict[str, View] = {}
        self.nodes: dict[str, Node] = {}

    async def start(self, name: str, bind: str = "tcp://127.0.0.1:0") -> Node:
        view = View(self.store)
        filesystem = await Filesystem.open(view, node=name)
        node = Node(filesystem, bind, times=TIMES, context=OPERATOR)
        try:
            await started(node)
        except BaseException:
            await filesystem.close()
            raise
        self.views[name], self.nodes[name] = view, node
        return node

    async def stop(self, name: str) -> None:
        self.views.pop(name).goes.set()
        node = self.nodes.pop(name)
        await node.stop()
        await node.filesystem.close()

    async def kill(self, name: str) -> None:
        """End a node so that nobody is told: its socket is gone, its store is not written any more."""
        node, view = self.nodes.pop(name), self.views.pop(name)
        view.away = True
        node.cluster._broadcast.say = lambda message: None  # type: ignore[method-assign]  # private: the dead say nothing
        await node.stop()
        await node.filesystem.close()
        host, port = node.endpoint.removeprefix("tcp://").rsplit(":", 1)
        while True:  # ZeroMQ closes the socket a little later; that of a process that is killed is closed
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except (ConnectionRefusedError, ConnectionResetError):
                return
            writer.close()
            await asyncio.sleep(0.01)

    async def rows(self) -> list[LeaseRecord]:
        return await read_leases(self.store, "node/")

    async def agreed(self) -> None:
        """Wait until the rows and every node name the nodes that are there."""
        expected = sorted(self.nodes)
        seen: object = None
        for _ in range(400):
            rows = sorted(row.name.removeprefix("node/") for row in await self.rows())
            seen = rows, {name: sorted(p.node for p in node.cluster.peers()) for name, node in self.nodes.items()}
            if seen == (expected, {name: [each for each in expected if each != name] for name in expected}):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{expected}: {seen}")


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    for name in list(place.nodes):
        await place.stop(name)


async def test_nodes_meet_without_being_told(place: Place) -> None:
    await asyncio.gather(*(place.start(f"n{number}") for number in range(4)))
    await place.agreed()
    await place.start("late")
    await place.agreed()
    await place.stop("n1")
    assert "node/n1" not in [row.name for row in await place.rows()], "who leaves says so at once"
    await place.agreed()


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_whoever_comes_and_goes_all_agree(place: Place, seed: int) -> None:
    source = random.Random(seed)
    for turn in range(8):
        there = sorted(place.nodes)
        step = source.choice(["start", "start", "stop", "kill"])
        if step == "start" or not there:
            await place.start(
                source.choice([f"n{turn}", *(f"n{old}" for old in range(turn) if f"n{old}" not in there)])
            )
        else:
            await getattr(place, step)(source.choice(there))
    await place.agreed()


async def test_a_second_node_of_a_name_is_refused_while_the_first_lives(place: Place) -> None:
    first = await place.start("twin")
    with pytest.raises(Invalid, match="a node called twin serves this store already") as refused:
        await place.start("twin")
    assert "--name" in refused.value.remedy and first.endpoint in refused.value.message
    (row,) = await place.rows()
    assert row.holder == first.cluster.identity.uuid
    transport = ZeroMQTransport(first.endpoint)
    assert (await transport.call("hello", []))["node"] == "twin"
    await transport.close()


async def test_a_killed_node_comes_back_at_once_and_is_another_one(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    first = await place.start("one")
    await place.start("other")
    await place.agreed()
    endpoint, uuid = first.endpoint, first.cluster.identity.uuid
    for bind in (endpoint, "tcp://127.0.0.1:0"):  # at its old port, and elsewhere
        await place.kill("one")
        again = await place.start("one", bind)
        assert "waiting to see whether it lives" not in caplog.text
        assert again.cluster.identity.uuid != uuid
        await place.agreed()


async def test_of_several_that_start_under_the_name_of_a_dead_one_one_is_served(place: Place) -> None:
    await place.start("one")
    await place.kill("one")
    made = await asyncio.gather(*(place.start("one") for _ in range(4)), return_exceptions=True)
    (node,) = [each for each in made if isinstance(each, Node)]
    assert all(isinstance(each, Invalid) for each in made if each is not node)
    (row,) = await place.rows()
    assert row.holder == node.cluster.identity.uuid


async def test_a_name_is_taken_from_a_node_that_stands_still_and_it_is_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    first = await place.start("one")
    view = place.views["one"]
    view.goes.clear()  # it still accepts connections, as a stopped process does
    second = await place.start("one")
    view.goes.set()
    await asyncio.sleep(3 * TIMES.roster)
    assert [row.holder for row in await place.rows()] == [second.cluster.identity.uuid]
    assert "another node is called one now" in caplog.text
    await first.stop()
    await first.filesystem.close()
    assert [row.holder for row in await place.rows()] == [second.cluster.identity.uuid], "it took the other's along"


async def test_nobody_is_dropped_while_the_store_is_away(place: Place) -> None:
    for name in ("one", "other"):
        await place.start(name)
    await place.agreed()
    before = {row.name: row.holder for row in await place.rows()}
    for view in place.views.values():
        view.away = True
    await asyncio.sleep(2 * PATIENCE * TIMES.roster)
    for view in place.views.values():
        view.away = False
    await asyncio.sleep(2 * TIMES.roster)
    assert {row.name: row.holder for row in await place.rows()} == before
    await place.agreed()


async def test_what_another_host_calls_its_own_address_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback address means this host to each host: nodes of several on one database do not take it for a peer's."""
    one = await place.start("one")
    monkeypatch.setattr("emerge_wasm.cluster.roster.host_id", lambda: "elsewhere")  # patched: a test has one host
    other = await place.start("other")
    await asyncio.sleep(3 * TIMES.roster)
    assert one.cluster.peers() == [] and other.cluster.peers() == []
    assert len(await place.rows()) == 2


async def test_an_index_is_built_on_when_the_node_that_builds_dies(place: Place) -> None:
    """No node asks for anything: the others notice by themselves that there is work."""
    one, other = await place.start("one"), await place.start("other")
    dispatch: Callable[..., Any] = one.filesystem.dispatch
    await dispatch("storeall", [[[f"/inv/i{n}", encode({"price": n})] for n in range(3000)]], OPERATOR)
    await dispatch("index", ["/inv", ["price"]], OPERATOR)
    place.views["one"].away = True  # from here on it builds nothing
    ask: Callable[..., Awaitable[Any]] = other.filesystem.dispatch  # type: ignore[assignment]
    assert [row["state"] for row in await ask("index", ["/inv"], OPERATOR)] == ["building"]
    await place.kill("one")
    for _ in range(1000):
        if [row["state"] for row in await ask("index", ["/inv"], OPERATOR)] == ["ready"]:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("nobody went on")
    found = await ask("count", ["/inv"], OPERATOR)
    assert found["count"] == 3000
