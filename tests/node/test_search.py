"""Searching over nodes that each have a part of a directory: the answer is that of one filesystem with all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pytest

from emerge_wasm import EmergeFile, Invalid, NotFound, PermissionDenied, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.searches.cursor import write_cursor
from emerge_wasm.node.join import JOINT
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore
from tests.contracts import searching
from tests.contracts.filesystem import SCENARIOS, Scenario, refused
from tests.node.conftest import Connect, StartNode, eventually

VALUES: list[Any] = [3, 1.5, "x", None, True, -2, "abc", 7, b"b", 2**70, [1], 1.5, "y" * 300, 0, {"a": 1}, -0.5, 3, 3]


ONE_NODE = ("searches_follow_every_change",)
"""Scenarios that move and restore directories, which works within one node."""


@dataclass
class Crop(EmergeFile):
    tons: Any = 0

    @property
    def kilos(self) -> Any:
        return self.tons * 1000


class Spread:
    """A transport that stores by name on one or the other node, and asks them in turn."""

    def __init__(self, transports: list[ZeroMQTransport]) -> None:
        self._transports = transports
        self._turn = 0

    def _of(self, path: str) -> ZeroMQTransport:
        return self._transports[crc32(path.encode()) % len(self._transports)]

    def _next(self) -> ZeroMQTransport:
        self._turn += 1
        return self._transports[self._turn % len(self._transports)]

    async def call(self, name: str, args: list[Any], context: Any = None) -> Any:
        if name != "storeall":
            return await (self._of(args[0]) if name == "store" else self._next()).call(name, args, context)
        answers = {row[0]: await self._of(row[0]).call(name, [[row], *args[1:]], context) for row in args[0]}
        return [answers[row[0]][0] for row in args[0]]

    def stream(self, name: str, args: list[Any], context: Any = None) -> AsyncIterator[Any]:
        return self._next().stream(name, args, context)

    async def close(self) -> None: ...


@pytest.fixture
async def nodes(start_node: StartNode) -> list[Node]:
    a = await start_node("a", runner=Here(given=give_filesystem))
    b = await start_node("b", (a.endpoint,), runner=Here(given=give_filesystem))
    await eventually(lambda: a.cluster.peers() and b.cluster.peers())
    return [a, b]


@pytest.fixture
def client(nodes: list[Node], connect: Connect) -> Client:
    return Client(Spread([connect(node.endpoint) for node in nodes]))


@pytest.fixture
async def alone() -> AsyncIterator[Client]:
    """One filesystem, to be compared with."""
    filesystem = await Filesystem.open(MemoryStore(), node="alone", runner=Here(given=give_filesystem))
    yield Client(LocalTransport(filesystem, Context("operator", superuser=True)))
    await filesystem.close()


def beside(node: Node) -> Client:
    """A client of one node's own filesystem."""
    return Client(LocalTransport(node.filesystem, Context("operator", superuser=True)))


async def plant(*clients: Client) -> None:
    for client in clients:
        await client.storeall(
            Crop(name=f"c{number:02}", path=f"/farm/{'ab'[number % 2]}", tons=value)
            for number, value in enumerate(VALUES)
        )


async def pages(client: Client, *args: Any, cursor_at: int = 5) -> list[list[str]]:
    """The names on each page of a search."""
    found: list[list[str]] = []
    args = args if len(args) > cursor_at else (*args, "")
    operation = "search" if cursor_at == 5 else "searchtext"
    while True:
        page = await client.transport.call(operation, list(args))
        found.append([row["pointer"]["name"] for row in page["objects"]])
        if not page["cursor"]:
            return found
        args = (*args[:cursor_at], page["cursor"], *args[cursor_at + 1 :])


async def names(client: Client, *args: Any, limit: int) -> list[str]:
    found = await pages(client, *args, limit)
    assert all(len(page) <= limit for page in found)
    return [name for page in found for name in page]


@pytest.mark.parametrize(
    "scenario",
    [each for each in SCENARIOS if each.__module__ == searching.__name__ and each.__name__ not in ONE_NODE],
    ids=lambda scenario: scenario.__name__,
)
async def test_two_nodes_answer_as_one_filesystem(scenario: Scenario, client: Client) -> None:
    await scenario(client)


@pytest.mark.parametrize("text", [None, "o.tons < 3", "o.kilos >= 1500", "'b' in o.path"])
async def test_finds_what_one_filesystem_does(client: Client, alone: Client, text: str | None) -> None:
    await plant(client, alone)
    predicate, _ = wire_predicate(text)
    expected = await names(alone, "/farm", predicate, "", False, limit=100)
    counts = [await each.count(text, "/farm") for each in (client, alone)]
    assert counts[0] == counts[1] == len(expected)
    assert (counts[0].scanned, counts[0].errors["count"]) == (counts[1].scanned, counts[1].errors["count"])
    for limit in (1, 4, 100):
        assert sorted(await names(client, "/farm", predicate, "", False, limit=limit)) == sorted(expected)


@pytest.mark.parametrize("field", ["tons", "kilos", "name"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
async def test_keeps_an_order(client: Client, alone: Client, field: str, descending: bool, indexed: bool) -> None:
    await plant(client, alone)
    if indexed:
        for each in (client, alone):
            await each.index("/farm", "tons")
    uuids: dict[str, list[str]] = {}
    for each in (client, alone):
        for limit in (1, 5, 100):
            found = await names(each, "/farm", None, field, descending, limit=limit)
            assert len(set(found)) == len(found) == len(VALUES)
            uuids.setdefault("one" if each is alone else "two", found)
            assert uuids["one" if each is alone else "two"] == found
    assert [key_of(name, field) for name in uuids["two"]] == [key_of(name, field) for name in uuids["one"]]


def key_of(name: str, field: str) -> Any:
    """What an order tells of an object: equal values are in the order of uuids, which differ."""
    value = VALUES[int(name[1:])]
    if isinstance(value, (list, dict)) or (field == "kilos" and value is None):
        value = "it has no place"
    return name if field == "name" else value


async def test_words_are_found_on_all_nodes(client: Client) -> None:
    await client.storeall(
        EmergeFile(name=f"n{number}", path="/notes", data=" ".join(["word"] * (number % 5 + 1) + ["and", "more"]))
        for number in range(12)
    )
    whole = await client.searchtext("data", "word", "/notes")
    assert len(whole) == 12
    for limit in (1, 5):
        found = await pages(client, "/notes", "data", "word", limit, cursor_at=4)
        assert [name for page in found for name in page] == [each.name for each in whole]


async def test_figures_are_exact(client: Client, alone: Client) -> None:
    await plant(client, alone)
    wanted: dict[str, Any] = {
        "n": "count",
        "sum": ("sum", "tons"),
        "mean": ("mean", "kilos"),
        "least": ("min", "tons"),
        "middle": ("median", "tons"),
        "spread": ("std", "tons"),
        "kinds": ("distinct", "tons"),
    }
    for by in (None, "path"):
        for where in (None, lambda o: o.tons != 7):
            told = [await each.aggregate("/farm", by, where, **wanted) for each in (client, alone)]
            assert list(told[0]) == list(told[1])
            assert told[0].scanned == told[1].scanned
            assert told[0].errors["count"] == told[1].errors["count"] > 0
    assert len(told[0].errors["first"]) == 10
    await refused(client.aggregate("/nowhere", n="count"), NotFound, "/nowhere")


async def test_an_index_is_kept_on_every_node_that_has_the_directory(client: Client, nodes: list[Node]) -> None:
    await plant(client)
    (row,) = await client.index("/farm", "tons")
    assert (row["path"], row["state"]) == ("/farm", "ready")
    for node in nodes:
        (own,) = await beside(node).index("/farm")
        assert own["state"] == "ready"
    explained = await client.explain("o.tons == 3", "/farm")
    assert explained["plan"]["step"] == "nodes" and explained["of"] == len(VALUES) and explained["scans"] < len(VALUES)
    assert {each["text"] for each in explained["plan"]["inputs"]} == {"a", "b"}
    assert "node a:\n  " in explained["text"] and "node b:\n  " in explained["text"]
    await beside(nodes[0]).index("/farm", "tons", drop=True)
    assert [row["path"] for row in await client.index("/farm")] == ["/farm"]
    await client.index("/farm", "tons", drop=True)
    assert await client.index("/farm") == []
    await refused(client.index("/farm", "tons", drop=True), NotFound, "tons")
    await beside(nodes[1]).store(Crop(name="only", path="/there"))
    for each in client, beside(nodes[1]):
        await each.index("/there", "tons")
    assert await beside(nodes[0]).index("/") == []


async def test_what_is_on_one_node_is_asked_there(client: Client, nodes: list[Node]) -> None:
    await beside(nodes[1]).store(Crop(name="c", path="/there", tons=5))
    for _ in nodes:
        assert await client.count("o.tons == 5", "/there") == 1
        assert [each.name for each in await client.search("o.tons == 5", "/there/c")] == ["c"]
        assert (await client.explain("o.tons == 5", "/there"))["plan"]["step"] == "filter"
        assert list(await client.aggregate("/there", n="count")) == [{"n": 1}]
        uuid = (await client.get("/there/c")).uuid
        assert await client.count(None, f"/registry/{uuid}") == 1
        for ask in (client.count, client.search, client.explain):
            await refused(ask(None, "/nowhere"), NotFound, "/nowhere")


async def test_a_predicate_takes_its_code_along_to_all_nodes(
    client: Client, nodes: list[Node], connect: Connect
) -> None:
    await plant(client)

    def heavy(tons: Any) -> bool:
        return isinstance(tons, int) and tons > 2

    for asker in (client, Client(connect(nodes[0].endpoint))):
        for _ in range(2):
            assert len(await asker.search(lambda o: heavy(o.tons), "/farm")) == 5
        assert await asker.count(lambda o: heavy(o.tons), "/farm") == 5
    await client.rm("/farm", recursive=True)
    await beside(nodes[1]).store(Crop(name="z", path="/farm", tons=9))
    assert [each.name for each in await client.search(lambda o: heavy(o.tons), "/farm")] == ["z"]


async def test_rights_hold_on_every_node(client: Client, nodes: list[Node]) -> None:
    await plant(client)
    for path in ("/", "/farm", "/farm/a"):
        await client.chmod(path, "rwxr-xr-x")
    paths = [f"/farm/{'ab'[number % 2]}/c{number:02}" for number in range(len(VALUES))]
    open_to_all = [path for path in paths if path.startswith("/farm/a")][:3]
    for path in open_to_all:
        await client.chmod(path, "rwxr--r--")
    bob = client.as_user("bob")
    assert sorted(each.path + "/" + each.name for each in await bob.search(None, "/farm")) == open_to_all
    assert sorted(each.name for each in await bob.search(None, "/farm", order_by="name")) == ["c00", "c02", "c04"]
    assert await bob.count(None, "/farm") == 3
    assert list(await bob.aggregate("/farm", n="count")) == [{"n": 3}]
    await refused(bob.search(None, "/farm/b"), PermissionDenied)
    await refused(bob.aggregate("/farm/b", n="count"), PermissionDenied)
    await refused(bob.index("/farm", "tons"), PermissionDenied)


@pytest.mark.parametrize("order_by", ["", "tons"])
async def test_a_node_that_left_meanwhile_is_missed(
    client: Client, nodes: list[Node], order_by: str, connect: Connect
) -> None:
    await plant(client)
    transport = connect(nodes[0].endpoint)
    args = ["/farm", None, order_by, False, 3]
    page = await transport.call("search", args)
    await nodes[1].stop()
    await eventually(lambda: not nodes[0].cluster.peers())
    await refused(transport.call("search", [*args, page["cursor"]]), Unavailable, "again")
    left = await names(Client(transport), *args[:-1], limit=3)
    assert 0 < len(left) < len(VALUES)


async def test_cursors_from_outside_do_no_harm(client: Client) -> None:
    await plant(client)
    args = ["/farm", None, "tons", False, 3]
    cursor = (await client.transport.call("search", args))["cursor"]
    assert cursor.startswith(JOINT) and len(cursor) < 1000
    other = ["/farm", None, "name", False, 3]
    odd = [JOINT, "~~~", JOINT + "A" * 9, JOINT + write_cursor(b"12345678", ["x"], []), "x", cursor[:-4], cursor[1:]]
    for hostile in odd:
        await refused(client.transport.call("search", [*args, hostile]), Invalid, "cursor")
    for asked in (other, ["/farm", None, "", False, 3], ["/farm/a", None, "tons", False, 3]):
        await refused(client.transport.call("search", [*asked, cursor]), Invalid, "cursor")
    for limit in (0, -1, 10**9):
        await refused(client.transport.call("search", ["/farm", None, "", False, limit]), Invalid, "limit")


async def test_nodes_that_share_a_store_are_asked_once(start_node: StartNode, connect: Connect) -> None:
    store = MemoryStore()
    one = await start_node("one", store=store)
    other = await start_node("other", (one.endpoint,), store=store)
    third = await start_node("third", (one.endpoint,))
    await eventually(lambda: all(len(node.cluster.peers()) == 2 for node in (one, other, third)))
    await beside(one).store(Crop(name="x", path="/farm", tons=1))
    await beside(third).store(Crop(name="y", path="/farm", tons=2))
    for node in (one, other, third):
        asker = Client(connect(node.endpoint))
        assert await asker.count(None, "/farm") == 2
        assert [each.name for each in await asker.search(None, "/farm", order_by="tons")] == ["x", "y"]
        assert list(await asker.aggregate("/farm", total=("sum", "tons"))) == [{"total": 3}]
    await other.stop()
    await eventually(lambda: len(third.cluster.peers()) == 1)
    assert await Client(connect(third.endpoint)).count(None, "/farm") == 2


async def test_the_past_is_searched_on_all_nodes(client: Client) -> None:
    await plant(client)
    then = (await client.get("/farm/a/c16")).date
    late = max(row.date for row in [*(await client.list("/farm/a")), *(await client.list("/farm/b"))])
    assert then <= late
    await client.rm("/farm", recursive=True)
    await refused(client.count(None, "/farm"), NotFound)
    assert await client.count(None, "/farm", as_of=late) == len(VALUES)
    assert len(await client.search(None, "/farm", order_by="name", as_of=late)) == len(VALUES)
    assert list(await client.aggregate("/farm", n="count", as_of=late)) == [{"n": len(VALUES)}]


async def test_graphql_sees_the_whole_cluster(client: Client, nodes: list[Node]) -> None:
    await beside(nodes[1]).store(EmergeFile(name="x", path="/farm"))
    for node in nodes:
        assert not (await beside(node).graphql("{ objects { count } }", "/"))["errors"]
    await beside(nodes[1]).store(Crop(name="y", path="/farm", tons=3))
    for node in nodes:
        answer = await beside(node).graphql('{ crops(filter: {name: {eq: "y"}}) { objects { name } count } }', "/farm")
        assert not answer["errors"], answer["errors"]
        assert answer["data"]["crops"] == {"objects": [{"name": "y"}], "count": 1}
    await plant(client)
    for _ in nodes:
        answer = await client.graphql("{ crops { count } objects(limit: 100) { objects { name } } }", "/farm")
        assert answer["data"]["crops"] == {"count": len(VALUES) + 1}
        assert len(answer["data"]["objects"]["objects"]) == len(VALUES) + 2


async def test_a_subscription_hears_all_nodes(nodes: list[Node], connect: Connect) -> None:
    await beside(nodes[0]).store(Crop(name="x", path="/farm"))
    await beside(nodes[1]).store(Crop(name="y", path="/farm"))
    asker = Client(connect(nodes[0].endpoint))
    async with aclosing(asker.subscribe("subscription { changes { path } }", "/farm")) as answers:
        task = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0.2)
        await beside(nodes[1]).update("/farm/y", tons=8)
        answer = await asyncio.wait_for(task, 5)
    assert answer["data"]["changes"]["path"] == "/farm/y"


async def test_a_search_that_fails_on_one_node_fails(client: Client, nodes: list[Node]) -> None:
    await plant(client)
    nodes[1].filesystem.runner = None
    for ask in (client.search, client.count):
        await refused(ask("o.kilos > 1", "/farm"), Unavailable, "runs no code")
    with pytest.raises(EmergeError, match="runs no code"):
        await client.aggregate("/farm", where="o.kilos > 1", n="count")


async def test_parts_are_for_nodes(client: Client, nodes: list[Node], connect: Connect) -> None:
    transport = connect(nodes[0].endpoint)
    who = {"principal": "ann", "groups": [], "superuser": False}
    for name in ("_columns", "_ordered", "_text"):
        await refused(transport.call(name, ["/"]), EmergeError)
        await refused(transport.call("_cluster_forward", [name, ["/"], who]), Invalid, "got 1 arguments")
        await refused(transport.call("_cluster_forward", [name, ["/"], who], {"as": "ann"}), PermissionDenied)
