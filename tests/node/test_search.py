"""Searching where volumes of several nodes lie below a path: the answer is that of one filesystem with all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Any

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
from tests.heard import heard
from tests.node.conftest import Connect, StartNode, eventually
from tests.scale import examples, pairs

VALUES: list[Any] = [3, 1.5, "x", None, True, -2, "abc", 7, b"b", 2**70, [1], 1.5, "y" * 300, 0, {"a": 1}, -0.5, 3, 3]


FARM = {"/farm/b": "b", "/farm/b/deep": "c", "/farm/a/empty": "b"}
"""Volumes and their owners: one beside others, one in another, one with nothing in it."""

PLACES = ("/farm/a", "/farm/b", "/farm/b/deep", "/farm/b/deep/under")

LAYOUTS = {
    "below": {"/inventory/a": "b", "/random/1": "c", "/land/none": "b", "/mixed/none": "c"},
    "around": {"/inventory": "b", "/inventory/b": "c", "/random": "b", "/random/0": "c", "/land": "c", "/mixed": "b"},
}
"""Where the searches of the contract find volumes: below what they search, and around it."""

MOVES = ("searches_follow_every_change",)
"""Scenarios that move and remove directories: where a volume is none may be moved, or removed."""


@dataclass
class Crop(EmergeFile):
    tons: Any = 0

    @property
    def kilos(self) -> Any:
        return self.tons * 1000


class InTurn:
    """A transport that asks the nodes in turn; what goes to several owners is stored one by one."""

    def __init__(self, transports: list[ZeroMQTransport]) -> None:
        self._transports = cycle(transports)

    async def call(self, name: str, args: list[Any], context: Any = None) -> Any:
        if name != "storeall":
            return await next(self._transports).call(name, args, context)
        return [(await self._store_one(row, args, context))[0] for row in args[0]]

    async def _store_one(self, row: Any, args: list[Any], context: Any) -> Any:
        return await next(self._transports).call("storeall", [[row], *args[1:]], context)

    def stream(self, name: str, args: list[Any], context: Any = None) -> AsyncIterator[Any]:
        return next(self._transports).stream(name, args, context)

    async def close(self) -> None: ...


@pytest.fixture
async def nodes(start_node: StartNode) -> list[Node]:
    """Three nodes of one cluster, without volumes."""
    a = await start_node("a", runner=Here(given=give_filesystem))
    await a.volumes.found()
    b, c = [await start_node(name, (a.endpoint,), runner=Here(given=give_filesystem)) for name in "bc"]
    await eventually(lambda: all(len(node.cluster.peers()) == 2 for node in (a, b, c)))
    return [a, b, c]


@pytest.fixture
def cluster(nodes: list[Node], connect: Connect) -> Client:
    """A client of all of them in turn."""
    return Client(InTurn([connect(node.endpoint) for node in nodes]))


@pytest.fixture
async def client(cluster: Client) -> Client:
    await mount(cluster, FARM)
    return cluster


async def mount(client: Client, volumes: dict[str, str]) -> None:
    for path, node in volumes.items():
        await client.transport.call("mount", [path, node])


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
    """Store crops at four places, of which two nodes own three."""
    for client in clients:
        await client.storeall(
            Crop(name=f"c{number:02}", path=PLACES[number % 4], tons=value) for number, value in enumerate(VALUES)
        )


async def clear(client: Client) -> None:
    """Remove all crops. A directory with a volume in it cannot be removed as a whole."""
    await client.rm("/farm/a/c00")
    for number in range(1, len(VALUES)):
        await client.rm(f"{PLACES[number % 4]}/c{number:02}")


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


SEARCHES = [each for each in SCENARIOS if each.__module__ == searching.__name__ and each.__name__ not in MOVES]


@pytest.mark.parametrize(
    ("scenario", "layout"),
    [pytest.param(each, layout, id=f"{each.__name__}-{layout}") for each, layout in pairs(SEARCHES, [*LAYOUTS])],
)
async def test_nodes_answer_as_one_filesystem(scenario: Scenario, cluster: Client, layout: str) -> None:
    await mount(cluster, LAYOUTS[layout])
    for path in ("/inventory", "/inventory/a", "/inventory/b"):  # of one who stores and closes things there
        await cluster.mkdir(path)
        await cluster.chmod(path, "rwxrwxrwx")
        await cluster.chown(path, "ada")
    await scenario(cluster)


async def test_nodes_answer_as_one_filesystem_while_things_move(cluster: Client) -> None:
    await mount(cluster, {"/inventory/none": "b", "/none": "c"})
    await searching.searches_follow_every_change(cluster)


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
    for node, at in zip(nodes, ("/farm", "/farm/b", "/farm/b/deep"), strict=True):
        own = [(row["path"], row["state"]) for row in await beside(node).index(at) if row["fields"] == ["tons"]]
        assert own == [(at, "ready")]
    explained = await client.explain("o.tons == 3", "/farm")
    assert explained["plan"]["step"] == "nodes" and explained["of"] == len(VALUES) and explained["scans"] < len(VALUES)
    assert {each["text"] for each in explained["plan"]["inputs"]} == {"a", "b", "c"}
    assert "node a:\n  " in explained["text"] and "node c:\n  " in explained["text"]
    await client.index("/farm", "tons", drop=True)
    assert [row for row in await client.index("/farm") if row["state"] != "suggested"] == []
    await refused(client.index("/farm", "tons", drop=True), NotFound, "tons")


async def test_a_volume_is_asked_at_its_owner(client: Client, nodes: list[Node]) -> None:
    await client.store(Crop(name="c", path="/farm/b/deep", tons=5))
    for _ in nodes:
        assert await client.count("o.tons == 5", "/farm/b/deep") == 1
        assert [each.name for each in await client.search("o.tons == 5", "/farm/b/deep/c")] == ["c"]
        assert (await client.explain("o.tons == 5", "/farm/b/deep"))["plan"]["step"] == "filter"
        assert list(await client.aggregate("/farm/b/deep", n="count")) == [{"n": 1}]
        uuid = (await client.get("/farm/b/deep/c")).uuid
        assert await client.count(None, f"/registry/{uuid}") == 1
        assert [each.name for each in await client.search(None, f"/registry/{uuid}")] == ["c"]
        for ask in (client.count, client.search, client.explain):
            for nowhere in ("/nowhere", "/farm/b/nowhere", f"/registry/{'0' * 32}"):
                await refused(ask(None, nowhere), NotFound, nowhere.rpartition("/")[2])


async def test_a_predicate_takes_its_code_along_to_all_nodes(
    client: Client, nodes: list[Node], connect: Connect
) -> None:
    await plant(client)

    def heavy(tons: Any) -> bool:
        return isinstance(tons, int) and tons > 2

    for asker in (client, Client(connect(nodes[0].endpoint))):
        for _ in nodes:
            assert len(await asker.search(lambda o: heavy(o.tons), "/farm")) == 5
        assert await asker.count(lambda o: heavy(o.tons), "/farm") == 5
    await clear(client)
    await client.store(Crop(name="z", path="/farm/b/deep", tons=9))
    assert [each.name for each in await client.search(lambda o: heavy(o.tons), "/farm")] == ["z"]


async def test_rights_hold_on_every_node(client: Client) -> None:
    await plant(client)
    await client.chmod("/", "rwxr-xr-x", recursive=True)
    bob = client.as_user("bob")
    assert await bob.count(None, "/farm") == len(VALUES)
    for path in ("/farm/a/c00", "/farm/b/c01", "/farm/b/deep/c02"):
        await client.chmod(path, "rwx------")
    left = {f"c{number:02}" for number in range(3, len(VALUES))}
    assert {each.name for each in await bob.search(None, "/farm")} == left
    assert [each.name for each in await bob.search(None, "/farm", order_by="name")] == sorted(left)
    far = (await client.get("/farm/b/deep/c06")).uuid
    assert (await bob.get(f"/registry/{far}")).name == "c06"
    await client.chmod("/farm/b", "rwx------")  # the volume in it is closed with it
    for answer in (bob.get(f"/registry/{far}"), bob.cat(f"/registry/{far}"), bob.count(None, f"/registry/{far}")):
        await refused(answer, PermissionDenied)
    left = {f"c{number:02}" for number in range(4, len(VALUES), 4)}
    assert {each.name for each in await bob.search(None, "/farm")} == left
    assert await bob.count(None, "/farm") == len(left)
    assert list(await bob.aggregate("/farm", n="count")) == [{"n": len(left)}]
    for path in ("/farm/b", "/farm/b/deep", "/farm/b/deep/under", "/farm/b/deep/under/c03"):
        await refused(bob.search(None, path), PermissionDenied, "/farm/b")
        await refused(bob.aggregate(path, n="count"), PermissionDenied, "/farm/b")
    await refused(bob.index("/farm", "tons"), PermissionDenied)


USERS = ("", "ann", "bob")
PERMS = ("rwxr-xr-x", "rwxr-xr-x", "rwxrwxrwx", "rwx--x--x", "rwxr--r--", "rwx------")


async def outcome(answer: Awaitable[Any]) -> Any:
    """What an operation answers, as far as it is the same on any filesystem, or the kind of its error."""
    try:
        return await answer
    except EmergeError as error:
        return type(error).__name__


def asked(user: Client, path: str) -> dict[str, Awaitable[Any]]:
    """All that is asked of a path; what changes something comes last."""
    call = user.transport.call

    async def names_of(operation: str, *args: Any, rows: str = "objects") -> list[str]:
        page = await call(operation, [path, *args], user.context or None)
        return [(row.get("pointer") or row)["name"] for row in page[rows]]

    async def in_order() -> list[str]:
        return await names(user, path, None, "tons", False, limit=2)

    async def any_order() -> list[str]:
        return sorted(await names(user, path, None, "", False, limit=3))

    async def words() -> list[str]:
        return sorted(await names_of("searchtext", "data", "word", 100))

    async def update() -> int:
        return (await user.update(path, data="word and word")).version

    async def tree() -> list[str]:
        return [f"{row.path}/{row.name}" async for row in user.tree(path)]

    async def told(operation: str, *args: Any) -> Any:
        answer = await call(operation, [path, *args], user.context or None)
        return [answer.get(key) for key in ("name", "path", "count", "scanned", "groups", "owner", "perms")]

    return {
        "list": names_of("list", rows="entries"),
        "tree": tree(),
        "search": any_order(),
        "search in order": in_order(),
        "searchtext": words(),
        "count": told("count", None),
        "aggregate": told("aggregate", {"n": ["count"], "sum": ["sum", "tons"]}, []),
        "get": told("get"),
        "cat": outcome(call("cat", [path], user.context or None)),
        "mkdir": told("mkdir"),
        "chmod": told("chmod", "g-w"),
        "update": update(),
    }


def random_volumes(dice: Random, directories: list[str]) -> dict[str, str]:
    """Some of the directories, and an owner for each that owns nothing above it."""
    volumes: dict[str, str] = {}
    for path in sorted(dice.sample(directories, 4)):
        above = {node for other, node in volumes.items() if path.startswith(other + "/")}
        free = [node for node in "bc" if node not in above]
        if free:
            volumes[path] = dice.choice(free)
    return volumes


async def test_everybody_finds_what_they_would_in_one_filesystem(cluster: Client, alone: Client) -> None:
    dice = Random()
    seed = dice.getrandbits(32)
    for number in range(examples(2)):
        dice.seed(seed + number)
        top = f"/t{number}"
        directories = [f"{top}/d"]
        while len(directories) < 8:
            directories.append(f"{dice.choice([top, *directories])}/d{len(directories)}")
        volumes = random_volumes(dice, directories)
        for client in (cluster, alone):
            await client.mkdir(top)
        await mount(cluster, volumes)
        files = [(f"f{each}", dice.choice([top, *directories]), dice.choice(["a word", "none"])) for each in range(12)]
        paths = [top, *directories, *(f"{path}/{name}" for name, path, _ in files)]
        rights = [
            (path, dice.choice(PERMS), dice.choice(("operator", "ann", "bob")))
            for path in [top, *directories, *dice.sample(paths, 6)]
        ]
        for client in (cluster, alone):
            for path in directories:
                await client.mkdir(path)
            for tons, (name, path, data) in enumerate(files):
                await client.store(Crop(name=name, path=path, data=data, tons=tons))
            for path, perms, owner in rights:
                await client.chmod(path, perms)
                await client.chown(path, owner)
        for path in dice.sample(paths, 10):
            for who in USERS:
                users = [client.as_user(who) if who else client for client in (cluster, alone)]
                both = [asked(user, path) for user in users]
                for operation in both[0]:
                    found, expected = [await outcome(each[operation]) for each in both]
                    assert found == expected, (seed + number, volumes, rights, who, operation, path)


@pytest.mark.parametrize("order_by", ["", "tons"])
async def test_a_node_that_left_meanwhile_is_missed(
    client: Client, nodes: list[Node], order_by: str, connect: Connect
) -> None:
    await plant(client)
    transport = connect(nodes[0].endpoint)
    args = ["/farm", None, order_by, False, 3]
    page = await transport.call("search", args)
    await nodes[2].stop()
    await eventually(lambda: len(nodes[0].cluster.peers()) == 1)
    missing: list[list[str]] = []
    found = [row["pointer"]["name"] for row in page["objects"]]
    while page["cursor"]:
        page = await transport.call("search", [*args, page["cursor"]])
        found += [row["pointer"]["name"] for row in page["objects"]]
        missing.append(page.get("missing", []))
    here = {f"c{number:02}" for number in range(len(VALUES)) if number % 4 < 2}
    told = missing.index(["c"])
    assert missing == [[]] * told + [["c"]] * (len(missing) - told), "each page tells what the search has missed so far"
    assert here <= set(found) and len(set(found)) == len(found) < len(VALUES)


async def test_what_is_away_is_missing_and_never_absent(client: Client, nodes: list[Node], connect: Connect) -> None:
    await plant(client)
    await nodes[1].stop()
    left = [nodes[0], nodes[2]]
    await eventually(lambda: all(len(node.cluster.peers()) == 1 for node in left))
    here = sorted(f"c{number:02}" for number in range(len(VALUES)) if number % 4 != 1)
    for node in left:
        transport = connect(node.endpoint)
        asker = Client(transport)
        for order_by in ("", "name"):
            page = await transport.call("search", ["/farm", None, order_by])
            assert sorted(row["pointer"]["name"] for row in page["objects"]) == here
            assert page["missing"] == ["b"] and page["cursor"] == ""
        for operation, *args in (
            ("count", None),
            ("aggregate", {"n": ["count"]}),
            ("searchtext", "tons", "none"),
        ):
            assert (await transport.call(operation, ["/farm", *args]))["missing"] == ["b"]
        assert (await transport.call("count", ["/farm", None]))["count"] == len(here)
        for path in ("/farm/b/c01", "/farm/b/never", "/farm/b/never/deeper"):
            for ask in (asker.count, asker.search, asker.explain):
                await refused(ask(None, path), Unavailable, "node b")
            await refused(asker.aggregate(path, n="count"), Unavailable, "node b")
            await refused(asker.index(path, "tons"), Unavailable, "node b")
        await refused(asker.index("/farm", "tons"), Unavailable, "node b")  # on all parts, or on none
        assert [row for row in await asker.index("/farm") if row["state"] != "suggested"] == []
        bob = asker.as_user("bob")  # who may pass through /farm/b is known to b alone
        page = await transport.call("search", ["/farm", None], bob.context)
        assert all(row["pointer"]["path"] == "/farm/a" for row in page["objects"]) and page["missing"] == ["b"]
        await refused(bob.count(None, "/farm/b/deep"), Unavailable, "node b")


async def test_cursors_from_outside_do_no_harm(client: Client) -> None:
    await plant(client)
    args = ["/farm", None, "tons", False, 3]
    cursor = (await client.transport.call("search", args))["cursor"]
    assert cursor.startswith(JOINT) and len(cursor) < 1000
    other = ["/farm", None, "name", False, 3]
    odd = [JOINT, "~~~", JOINT + "A" * 9, JOINT + write_cursor(b"12345678", ["x"], []), "x", cursor[:-4], cursor[1:]]
    for hostile in odd:
        await refused(client.transport.call("search", [*args, hostile]), Invalid, "cursor")
    for changed in (other, ["/farm", None, "", False, 3], ["/farm/a", None, "tons", False, 3]):
        await refused(client.transport.call("search", [*changed, cursor]), Invalid, "cursor")
    for limit in (0, -1, 10**9):
        await refused(client.transport.call("search", ["/farm", None, "", False, limit]), Invalid, "limit")


@pytest.mark.parametrize("order_by", ["", "name"])
async def test_any_node_continues_what_another_began(cluster: Client, nodes: list[Node], order_by: str) -> None:
    """Also where the one owns all that is searched, and the other nothing of it."""
    await cluster.storeall(EmergeFile(name=f"n{number:02}", path="/notes", data="word") for number in range(12))
    for volumes in ({}, {"/elsewhere": "b"}, {"/notes/none": "c"}):
        await mount(cluster, volumes)
        for _ in nodes:
            assert len(await names(cluster, "/notes", None, order_by, False, limit=5)) == 12
            found = await pages(cluster, "/notes", "data", "word", 5, cursor_at=4)
            assert sorted(name for page in found for name in page) == [f"n{number:02}" for number in range(12)]
            await cluster.get("/notes")  # so the next search begins at the next node


async def test_a_volume_that_was_unmounted_meanwhile_is_found_once(client: Client) -> None:
    await plant(client)
    for order_by in ("", "name"):
        args = ["/farm", None, order_by, False, 4]
        page = await client.transport.call("search", args)
        await client.transport.call("unmount", ["/farm/a/empty"])
        await client.store(Crop(name="late", path="/farm/a/empty", tons=1))
        found = [row["pointer"]["name"] for row in page["objects"]]
        while page["cursor"]:
            page = await client.transport.call("search", [*args, page["cursor"]])
            found += [row["pointer"]["name"] for row in page["objects"]]
        assert len(found) == len(set(found)) and {f"c{number:02}" for number in range(len(VALUES))} <= set(found)
        await client.rm("/farm/a/empty", recursive=True)
        await mount(client, {"/farm/a/empty": "b"})


async def test_the_past_is_searched_on_all_nodes(client: Client) -> None:
    await plant(client)
    late = max([row.date for place in PLACES for row in await client.list(place)])
    await clear(client)
    assert await client.count(None, "/farm") == 0
    assert await client.count(None, "/farm", as_of=late) == len(VALUES)
    assert len(await client.search(None, "/farm", order_by="name", as_of=late)) == len(VALUES)
    assert list(await client.aggregate("/farm", n="count", as_of=late)) == [{"n": len(VALUES)}]


async def test_graphql_sees_the_whole_cluster(client: Client, nodes: list[Node]) -> None:
    await client.store(EmergeFile(name="x", path="/farm/b"))
    for _ in nodes:
        assert not (await client.graphql("{ objects { count } }", "/"))["errors"]
    await client.store(Crop(name="y", path="/farm/b/deep", tons=3))
    for _ in nodes:
        answer = await client.graphql('{ crops(filter: {name: {eq: "y"}}) { objects { name } count } }', "/farm")
        assert not answer["errors"], answer["errors"]
        assert answer["data"]["crops"] == {"objects": [{"name": "y"}], "count": 1}
    await plant(client)
    for _ in nodes:
        answer = await client.graphql("{ crops { count } objects(limit: 100) { objects { name } } }", "/farm")
        assert answer["data"]["crops"] == {"count": len(VALUES) + 1}
        assert len(answer["data"]["objects"]["objects"]) == len(VALUES) + 2


async def test_a_subscription_hears_all_nodes(client: Client, nodes: list[Node], connect: Connect) -> None:
    await client.store(Crop(name="x", path="/farm"))
    await client.store(Crop(name="y", path="/farm/b/deep"))
    asker = Client(connect(nodes[0].endpoint))
    async with aclosing(asker.subscribe("subscription { changes { path } }", "/farm")) as answers:
        answer = await heard(answers, lambda: client.update("/farm/b/deep/y", tons=8))
    assert answer["data"]["changes"]["path"] == "/farm/b/deep/y"


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
    for name in ("_columns", "_ordered", "_text", "_way"):
        await refused(transport.call(name, ["/"]), EmergeError)
        await refused(transport.call("_cluster_forward", [name, ["/"], who]), Invalid, "got 1 arguments")
        await refused(transport.call("_cluster_forward", [name, ["/"], who], {"as": "ann"}), PermissionDenied)
