"""Methods whose packages their node has not loaded run on one that has, with the caller's rights; the first stores."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest
import pytest_asyncio
import shapely

from emerge_wasm import EmergeFile, ExecutionFailed, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import OPERATOR, TIMES, eventually

from .survey import Survey
from .unsupplied import Unsupplied

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes() -> AsyncIterator[dict[str, Node]]:
    """a has no packages; b has shapely; c has no code at all."""
    async with AsyncExitStack() as stack:
        started: dict[str, Node] = {}
        pools = {"a": Pool(2), "b": Pool(2, preload=("shapely",)), "c": None}
        for name, pool in pools.items():
            if pool is not None:
                await stack.enter_async_context(pool)
            filesystem = await Filesystem.open(MemoryStore(), node=name, runner=pool, run_timeout=20.0)
            stack.push_async_callback(filesystem.close)
            join = [node.endpoint for node in started.values()]
            node = Node(filesystem, "tcp://127.0.0.1:0", join=join, times=TIMES, context=OPERATOR)
            started[name] = await stack.enter_async_context(node)
            if not join:
                await node.volumes.found()
        await eventually(lambda: all(len(node.cluster.peers()) == 2 for node in started.values()))
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def holder(nodes: dict[str, Node]) -> Client:
    """A client of the node that holds everything, and lacks the package."""
    client = as_principal(nodes, "operator", superuser=True)
    for name in ("one", "two"):
        await client.store(Survey(name=name, path="/surveys", width=2.0, height=3.0))
    await client.store(Survey(name="small", path="/surveys", width=1.0))
    await client.store(EmergeFile(name="plain", path="/surveys"))
    await client.store(EmergeFile(name="secret", path="/hidden", data="secret"))
    await client.chmod("/hidden", "700")
    return client


def as_principal(nodes: dict[str, Node], name: str, *, superuser: bool = False) -> Client:
    return Client(LocalTransport(nodes["a"].filesystem, Context(name, superuser=superuser, via="zeromq")))


async def test_nodes_say_what_they_can_run(nodes: dict[str, Node]) -> None:
    said = {name: await node.dispatch("hello", [], OPERATOR) for name, node in nodes.items()}  # type: ignore[misc]
    assert {each["python"] for each in said.values()} == {platform.python_version()}
    assert said["b"]["packages"]["shapely"] == shapely.__version__
    assert set(said["a"]["packages"]) == {"emerge", "emerge_wasm", "msgpack"} and said["c"]["packages"] == {}


async def test_runs_where_the_package_is_and_is_stored_by_its_holder(holder: Client, nodes: dict[str, Node]) -> None:
    done = await holder.run_with_receipt("/surveys/one", "area")
    assert (done["result"], done["output"], done["receipt"]["node"]) == (6.0, "measuring\n", "b")
    assert await holder.run("/surveys/one", "widen", 1.0) == 3.0
    assert (await holder.get("/surveys/one")).version == 2
    assert await holder.cat("/surveys/one.width") == 3.0
    assert [each["node"] for each in await holder.receipts("/surveys/one")] == ["b", "b"]
    assert (await nodes["b"].filesystem.dispatch("list", ["/"], OPERATOR))["entries"] == []  # type: ignore[misc]
    with pytest.raises(ExecutionFailed, match="it was spoilt"):
        await holder.run("/surveys/one", "spoil")
    assert await holder.cat("/surveys/one.width") == 3.0


async def test_streams_directories_and_nested_runs(holder: Client) -> None:
    async with aclosing(holder.runstream("/surveys/two", "area")) as events:
        seen = [event async for event in events]
    assert [event["event"] for event in seen] == ["output", "result"] and seen[0]["text"] == "measuring\n"
    rows = {row["path"]: row.get("result") for row in await holder.run("/surveys", "area")}
    assert rows["/surveys/two"] == 6.0 and rows["/surveys/plain"] is None
    assert await holder.run("/surveys/two", "sum_of", "/surveys/small") == 7.0
    with pytest.raises(LimitExceeded) as caught:
        await holder.run("/surveys/small", "again")
    assert caught.value.details["limit"] == "depth"


async def test_searches_too(holder: Client) -> None:
    found = await holder.search(lambda o: o.large, path="/surveys")
    assert {"one", "two"} <= {each.name for each in found} and "small" not in {each.name for each in found}


async def test_rights_are_the_caller_s(holder: Client, nodes: dict[str, Node]) -> None:
    await holder.chmod("/surveys", "755")
    await holder.chmod("/surveys/two", "755")
    await holder.chmod("/surveys/small", "750")
    ann = as_principal(nodes, "ann")
    assert await ann.run("/surveys/two", "look", "/surveys") == ["ann", ["two"]]  # what ann may read
    with pytest.raises(PermissionDenied):
        await ann.run("/surveys/small", "area")
    with pytest.raises(ExecutionFailed, match="PermissionDenied"):
        await ann.run("/surveys/two", "read", "/hidden/secret")
    assert await holder.run("/surveys/two", "read", "/hidden/secret.data") == "secret"


async def test_a_run_that_is_left_ends_there_too(holder: Client, nodes: dict[str, Node]) -> None:
    async with aclosing(holder.runstream("/surveys/two", "wait")) as events:
        async for event in events:
            assert event["text"] == "waiting\n"
            break
    async with asyncio.timeout(5):
        assert await holder.run("/surveys/two", "area") == 6.0  # its turn has come: the run is over


async def test_a_transaction_stays_on_its_node(holder: Client) -> None:
    async with holder.transaction() as tx:
        with pytest.raises(Unavailable, match="run it outside the transaction"):
            await tx.run("/surveys/two", "area")


async def test_where_nobody_has_it_each_node_is_named(holder: Client) -> None:
    await holder.store(Unsupplied(name="none", path="/surveys"))
    with pytest.raises(Unavailable) as caught:
        await holder.run("/surveys/none", "parse")
    assert re.search(
        r"needs iniconfig, which this node has not loaded, and no other node can run it: ", str(caught.value)
    )
    assert "b has not loaded iniconfig; c runs no code" in str(caught.value)
    assert "--preload iniconfig" in (caught.value.remedy or "") and caught.value.details["packages"] == ["iniconfig"]


async def test_who_has_which_python_is_told(holder: Client) -> None:
    part = SourcePart("class", "Box", "class Box[T](EmergeFile):\n    def f(self) -> T: ...", False)
    made = Bundle.of(
        Content("Box", imports=("from emerge_wasm import EmergeFile",), parts=(part,), module="m", grammar=(3, 99))
    )
    state = (await holder.remote.getobject("/surveys/plain"))["state"]
    await holder.remote.store("/boxes/one", state, "Box", made.hash, 0, "file", "", {made.hash: made.data})
    with pytest.raises(Unavailable, match=r"b has Python 3\.\d+; c runs no code") as raised:
        await holder.run("/boxes/one", "f")
    assert raised.value.message.startswith("the class Box cannot be loaded by Python 3.")
    found = await holder.search(lambda o: o.f() == 1, "/boxes")
    assert (len(found), found.errors["count"]) == (0, 1)
    assert "cannot be loaded by Python 3." in found.errors["first"][0]["error"]
