"""Copies of a volume: kept up to date, read while the owner is away, promoted when it is lost."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from emerge_wasm import EmergeFile, codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster.membership import Times
from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.filesystem.layout.moment import utc_now
from emerge_wasm.node.node import Node
from emerge_wasm.results import CopyReport
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, Connect, StartNode, eventually, names

STATE = codec.encode({"n": 1})
LEASED = Times(period=0.3, silence=1.2, patience=0.5, roster=0.3)


@dataclass
class Widget(EmergeFile):
    """A class to ship."""

    price: float = 1.0


async def call(node: Node, name: str, *args: object) -> object:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


async def cluster(start_node: StartNode, *others: str, **options: object) -> list[Node]:
    """A node "a" that owns /, and others in its cluster."""
    nodes = [await start_node("a", **options)]
    await nodes[0].volumes.found()
    for name in others:
        nodes.append(await start_node(name, (nodes[0].endpoint,), **options))
    everybody = {"a", *others}
    await eventually(lambda: all({*names(node.cluster), node.filesystem.node} == everybody for node in nodes))
    return nodes


async def is_copied(node: Node, path: str) -> CopyReport:
    """The report of a volume's copies, once they are all that the owner is."""
    for _ in range(100):
        report: CopyReport = await call(node, "replicate", path)
        if report["copies"] and all(row["same"] for row in report["copies"]):
            return report
        await asyncio.sleep(0.02)
    raise AssertionError(report)


JOINT = [
    ("count",),
    ("search",),
    ("search", None, "n"),
    ("search", None, "n", True),
    ("searchtext", "n", "w"),
    ("aggregate", {"n": ["count"]}),
]
"""Reads of a subtree, of which several nodes may have a part."""


async def test_a_volume_is_copied_and_read_from_its_copies_while_the_owner_is_away(start_node: StartNode) -> None:
    a, b, c = await cluster(start_node, "b", "c")
    await call(a, "mount", "/projects", "b")
    for number in range(5):
        await call(a, "store", f"/projects/d/w{number}", STATE)
    report = await call(a, "replicate", "/projects", 2)
    assert (report["wanted"], len(report["copies"]), report["notes"]) == (2, 2, [])
    assert {row["node"] for row in report["copies"]} == {"a", "c"}
    await call(c, "update", "/projects/d/w0", codec.encode({"n": 2}))
    await call(c, "rm", "/projects/d/w4")
    report = await is_copied(c, "/projects")
    assert [row["objects"] for row in (report["owner"], *report["copies"])] == [4, 4, 4]
    assert [row["copies"] for row in await call(c, "volumes")] == [[], ["a", "c"]]
    # nothing of a copy is in the filesystem of the node that hosts it
    assert (await call(a, "count", "/"))["count"] == 4
    before = [await call(a, name, "/projects/d/w0") for name in ("getobject", "versions")]
    await b.stop()
    await eventually(lambda: names(a.cluster) == ["c"] and names(c.cluster) == ["a"])
    for node in (a, c):
        seen = await call(node, "getobject", "/projects/d/w0")
        stale = seen.pop("stale")
        assert stale.startswith("20") and seen["state"] == before[0]["state"]
        assert seen["pointer"]["uuid"] == before[0]["pointer"]["uuid"]
        versions = await call(node, "versions", "/projects/d/w0")
        assert [row["revision"] for row in versions] == [row["revision"] for row in before[1]]
        page = await call(node, "list", "/projects/d")
        assert len(page["entries"]) == 4 and page["stale"]
        assert (await call(node, "count", "/projects"))["count"] == 4
        for path in ("/", "/projects"):  # what is put together of several answers is as old as the oldest
            for name, *more in JOINT:
                answer = await call(node, name, path, *more)
                assert answer["stale"].startswith("20"), (path, name, more)
            told = await call(node, "graphql", path, "{ objects { count } }")
            assert "a copy answered" in str(told["errors"]), told
        tree = [row async for row in node.dispatch("tree", ["/projects"], OPERATOR)]
        assert len(tree) == 5 and all(row["stale"] for row in tree)
        for name, *more in (("store", STATE), ("rm", True), ("mkdir",)):
            with pytest.raises(Unavailable, match="emerge promote /projects"):
                await call(node, name, "/projects/d/w9", *more)


async def test_the_number_of_copies_is_changed_live(start_node: StartNode) -> None:
    a, b, c, d = await cluster(start_node, "b", "c", "d")
    await call(a, "mount", "/v", "b")
    await call(a, "store", "/v/w", STATE)
    seen = []
    for number in (3, 1, 2, 0, 3):
        report = await call(d, "replicate", "/v", number)
        assert report["wanted"] == number and len(report["copies"]) == number
        assert sum(len(node.volumes.hosted) for node in (a, b, c, d)) == number
        if number:
            report = await is_copied(d, "/v")
        seen.append([row["node"] for row in report["copies"]])
    assert set(seen[1]) < set(seen[2]) < set(seen[0]) and set(seen[4]) == {"a", "c", "d"}
    report = await call(a, "replicate", "/v", 7)
    assert len(report["copies"]) == 3 and "3 of 7" in report["notes"][0]
    for path, number, error in (("/v/x", 1, "emerge mount"), ("/v", -1, "between"), ("/v", 99, "between")):
        with pytest.raises(Invalid, match=error):
            await call(a, "replicate", path, number)


async def test_copies_are_on_machines_of_their_own_first(start_node: StartNode) -> None:
    a = await start_node("a", host="one")
    await a.volumes.found()
    for name, host in (("b", "one"), ("c", "two"), ("d", "two"), ("e", "three")):
        await start_node(name, (a.endpoint,), host=host)
    await eventually(lambda: len(names(a.cluster)) == 4)
    report = await call(a, "replicate", "/", 2)
    assert {row["host"] for row in report["copies"]} == {"two", "three"} and report["notes"] == []
    report = await call(a, "replicate", "/", 3)
    assert len(report["copies"]) == 3 and "same machine" in report["notes"][0]


async def test_a_copy_goes_on_after_a_restart_of_its_host(start_node: StartNode, tmp_path: Path) -> None:
    a, b = await cluster(start_node, "b", copies=tmp_path)
    await call(a, "store", "/w", STATE)
    await call(a, "replicate", "/", 1)
    first = (await is_copied(a, "/"))["copies"][0]
    store = b.filesystem.core.store
    await b.stop()
    await call(a, "store", "/x", STATE)
    b = await start_node("b", (a.endpoint,), store=store, copies=tmp_path)
    await eventually(lambda: names(a.cluster) == ["b"])
    again = (await is_copied(a, "/"))["copies"][0]
    assert again["filesystem"] == first["filesystem"] and again["objects"] == 2
    await Client(LocalTransport(a, OPERATOR)).put(io.BytesIO(bytes(3 << 20)), "/file")
    await is_copied(a, "/")
    await call(a, "replicate", "/", 0)
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


async def test_a_copy_that_is_lost_is_made_again(start_node: StartNode) -> None:
    a, b = await cluster(start_node, "b")
    await call(a, "store", "/w", STATE)
    await call(a, "replicate", "/", 1)
    first = (await is_copied(a, "/"))["copies"][0]
    store = b.filesystem.core.store
    await b.stop()  # with what it had in memory
    b = await start_node("b", (a.endpoint,), store=store)
    await eventually(lambda: b.volumes.hosted)
    again = (await is_copied(a, "/"))["copies"]
    assert [row["node"] for row in again] == ["b"] and again[0]["filesystem"] != first["filesystem"]


async def test_a_promoted_copy_serves_at_once_and_after_a_restart(start_node: StartNode, tmp_path: Path) -> None:
    a, b, c = await cluster(start_node, "b", "c", copies=tmp_path)
    await call(a, "mount", "/projects", "b")
    stored = await call(a, "store", "/projects/w", STATE)
    await call(a, "replicate", "/projects", 1)
    host = (await is_copied(a, "/projects"))["copies"][0]["node"]
    await b.stop()
    await eventually(lambda: names(a.cluster) == ["c"])
    await call(c, "promote", "/projects")
    owner, other = (a, c) if host == "a" else (c, a)
    for node in (owner, other):
        seen = await call(node, "getobject", "/projects/w")
        assert "stale" not in seen and seen["pointer"]["uuid"] == stored["uuid"]
        await call(node, "update", "/projects/w", codec.encode({"n": 3}))
        await call(node, "store", f"/projects/new-{node.filesystem.node}", STATE)
    assert (await call(other, "count", "/"))["count"] == 3
    await check_owner_like_any(owner, other)
    rows = await call(other, "volumes")
    assert [(row["path"], row["node"], row["away"]) for row in rows] == [("/", "a", False), ("/projects", host, False)]
    if owner is c:
        store = c.filesystem.core.store
        await c.stop()
        c = await start_node("c", (a.endpoint,), store=store, copies=tmp_path)
        await eventually(lambda: names(a.cluster) == ["c"])
        for node in (a, c):
            assert (await call(node, "count", "/projects"))["count"] == 3


async def check_owner_like_any(host: Node, other: Node) -> None:
    """A promoted copy, /projects, is watched, copied from and to, and works in transactions and with classes."""
    for node in (host, other):
        name = f"/projects/t-{node.filesystem.node}"
        watch = node.dispatch("watch", ["/projects", -1], OPERATOR)
        seen = asyncio.create_task(anext(watch))  # type: ignore[arg-type]  # a stream
        await asyncio.sleep(0.2)
        begun = await call(node, "begin")
        inside = replace(OPERATOR, transaction=begun["transaction"])
        for path in (name, name + "-too"):
            await node.dispatch("store", [path, STATE], inside)  # type: ignore[misc]
        await call(node, "commit", begun["transaction"])
        assert (await asyncio.wait_for(seen, 5))["path"] == name
        await watch.aclose()  # type: ignore[union-attr]
        await call(node, "cp", name, "/copied", True)
        await call(node, "cp", "/copied", name + "-back", True)
        assert (await call(node, "get", name + "-back"))["node"] == host.filesystem.node
        moved = await call(node, "get", "/copied")
        for target in ("/projects/moved", "/copied"):
            await call(node, "mv", "/copied" if target != "/copied" else "/projects/moved", target)
            assert (await call(node, "get", target))["uuid"] == moved["uuid"]
        for path in ("/copied", name, name + "-too", name + "-back"):
            await call(node, "rm", path)
        assert (await call(node, "whohas", ["/projects/w"]))["paths"] == {"/projects/w": host.filesystem.node}
    transport = ZeroMQTransport(host.endpoint)
    await Client(transport).store(Widget(path="/projects", name="widget"))
    await transport.close()
    pointer = await call(other, "get", "/projects/widget")
    assert pointer["bundle"] in await call(other, "classes", [pointer["bundle"]])
    await call(other, "rm", "/projects/widget")


async def test_what_only_the_former_owner_had_is_kept_as_conflicts(start_node: StartNode, tmp_path: Path) -> None:
    a, b = await cluster(start_node, "b", copies=tmp_path)
    await call(a, "mount", "/projects", "b")
    for name in ("w", "d/x", "gone"):
        await call(a, "store", f"/projects/{name}", STATE)
    await call(a, "replicate", "/projects", 1)
    await is_copied(a, "/projects")
    stores = {node.filesystem.node: node.filesystem.core.store for node in (a, b)}
    await a.stop()  # from here on the copy gets nothing
    await call(b, "update", "/projects/w", codec.encode({"n": "alone"}))
    await call(b, "store", "/projects/d/new", STATE)
    data = os.urandom((2 << 20) + 77)
    await Client(LocalTransport(b, OPERATOR)).put(io.BytesIO(data), "/projects/d/file")
    await call(b, "rm", "/projects/gone")
    await b.stop()
    a = await start_node("a", store=stores["a"], copies=tmp_path)
    await call(a, "promote", "/projects")
    await call(a, "update", "/projects/w", codec.encode({"n": "here"}))
    b = await start_node("b", (a.endpoint,), store=stores["b"], copies=tmp_path)
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    kept = f"/nodes/b/conflicts/{a.volumes.current().former[0].epoch}"
    for node in (a, b):
        for _ in range(100):
            rows = await call(node, "volumes")
            if rows[1]["conflicts"] and rows[1]["copies"] == ["b"]:
                break
            await asyncio.sleep(0.05)
        assert rows[1]["conflicts"] == [kept] and rows[1]["copies"] == ["b"]
        tree = [row async for row in node.dispatch("tree", [kept], OPERATOR)]
        assert sorted(row["name"] for row in tree) == ["d", "file", "new", "w"]
        got = io.BytesIO()
        await Client(LocalTransport(node, OPERATOR)).fetch(f"{kept}/d/file", got)
        assert got.getvalue() == data
        alone = await call(node, "getobject", f"{kept}/w")
        here = await call(node, "getobject", "/projects/w")
        assert codec.decode(alone["state"]) == {"n": "alone"} and codec.decode(here["state"]) == {"n": "here"}
        assert alone["pointer"]["uuid"] != here["pointer"]["uuid"]
        assert (await call(node, "count", "/projects"))["count"] == 3
        seen = await call(node, "get", f"/registry/{here['pointer']['uuid']}")
        assert seen["revision"] == here["pointer"]["revision"]
    # its own log is no source of the volume any more
    assert (await is_copied(b, "/projects"))["copies"][0]["objects"] == 3


async def test_no_copy_that_lacks_something_is_promoted_while_the_owner_is_here(start_node: StartNode) -> None:
    """However long the owner takes to answer: what it acknowledged would be gone from the volume."""
    a, b, c = await cluster(start_node, "b", "c")
    await call(a, "mount", "/p", "b")
    await call(a, "replicate", "/p", 1)
    await is_copied(a, "/p")

    async def fail(*_: object) -> object:
        raise Unavailable("it is too busy")

    answer = b.volumes.steps["_cluster_log"]
    b.volumes.steps["_cluster_log"] = fail
    await call(a, "store", "/p/x", STATE)
    with pytest.raises(Unavailable, match="has not all that its owner has, node b, which is here"):
        await call(a, "promote", "/p")
    assert {row["path"]: row["node"] for row in await call(a, "volumes")}["/p"] == "b"  # type: ignore[attr-defined]
    b.volumes.steps["_cluster_log"] = answer
    await call(a, "promote", "/p")
    assert {row["path"]: row["node"] for row in await call(a, "volumes")}["/p"] != "b"  # type: ignore[attr-defined]
    assert (await call(c, "get", "/p/x"))["version"] == 1  # type: ignore[index]


async def test_the_registry_itself_is_promoted(start_node: StartNode, tmp_path: Path) -> None:
    a, b, c = await cluster(start_node, "b", "c", copies=tmp_path)
    await call(a, "mount", "/projects", "b")
    await call(a, "store", "/w", STATE)
    await call(a, "store", "/projects/w", STATE)
    await call(a, "replicate", "/", 1)
    await is_copied(b, "/")
    store = a.filesystem.core.store
    await a.stop()
    await eventually(lambda: names(b.cluster) == ["c"] and names(c.cluster) == ["b"])
    with pytest.raises(Unavailable):
        await call(b, "mount", "/more", "c")
    await call(c, "promote", "/")
    for number, node in enumerate((b, c)):
        assert (await call(node, "count", "/"))["count"] == 2 + number
        await call(node, "store", f"/from-{node.filesystem.node}", STATE)
    await call(b, "mount", "/more", "c")
    await call(b, "store", "/more/w", STATE)
    a = await start_node("a", (b.endpoint,), store=store)
    await eventually(lambda: names(a.cluster) == ["b", "c"])
    for node in (a, b, c):
        await eventually(lambda node=node: node.volumes.table.version == b.volumes.table.version)  # type: ignore[misc]
        assert (await call(node, "count", "/"))["count"] == 5
        assert [row["path"] for row in await call(node, "volumes")] == ["/", "/more", "/projects"]
    await call(a, "store", "/back", STATE)
    assert (await call(c, "get", "/back"))["version"] == 1


class SharedStore(MemoryStore):
    """A store that says that many processes may open it, as a database does."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, many_writers=True)


async def leased(start_node: StartNode) -> tuple[Node, Node, Node]:
    """The registry, on a store that nodes may share; the owner of /projects; the node that has a copy of it."""
    a = await start_node("a", store=SharedStore(), times=LEASED)
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), times=LEASED)
    c = await start_node("c", (a.endpoint,), times=LEASED)
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(b.cluster) == ["a", "c"])
    await call(a, "mount", "/projects", "b")
    await call(a, "replicate", "/projects", 1)
    await accepted(a, "/projects/w")
    await is_copied(a, "/projects")
    return a, b, c


async def accepted(node: Node, path: str, seconds: float = 10.0) -> object:
    """Store at a path, again and again until it is acknowledged."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await call(node, "store", path, STATE)
        except Unavailable:
            assert asyncio.get_running_loop().time() < until, "it was never acknowledged"
            await asyncio.sleep(0.01)


async def test_a_copy_is_promoted_by_itself_where_the_table_is_shared(start_node: StartNode) -> None:
    a, b, c = await leased(start_node)
    for _ in range(8):  # a living owner keeps its volume
        await call(c, "update", "/projects/w", STATE)
        await asyncio.sleep(LEASED.period / 4)
    assert (await call(a, "volumes"))[1]["node"] == "b"
    began = asyncio.get_running_loop().time()
    await b.stop()
    stored = await accepted(a, "/projects/after")
    took = asyncio.get_running_loop().time() - began
    assert stored["node"] == "c" and took < LEASED.period * 5 + 1
    assert (await call(c, "count", "/projects"))["count"] == 2


async def test_an_owner_without_its_lease_makes_no_change(start_node: StartNode) -> None:
    a, b, c = await leased(start_node)
    await b.leases.stop()  # it lives, but cannot renew
    until = asyncio.get_running_loop().time() + 10
    acknowledged = 0
    while (await call(a, "volumes"))[1]["node"] == "b":
        assert asyncio.get_running_loop().time() < until
        try:
            await call(b, "store", f"/projects/x{acknowledged}", STATE)
            acknowledged += 1
        except Unavailable as error:
            assert "lease" in error.message or "volume" in error.message
        await asyncio.sleep(0.02)
    # all that it had acknowledged had time to be copied: it stopped before the copy was promoted
    assert acknowledged and (await call(c, "count", "/projects"))["count"] == acknowledged + 1


async def test_an_owner_that_starts_again_without_a_lease_makes_no_change(start_node: StartNode) -> None:
    a, b, _c = await leased(start_node)
    store = b.filesystem.core.store
    await b.stop()
    await a.stop()  # nobody could give it one
    b = await start_node("b", (a.endpoint,), store=store, times=LEASED)
    for _ in range(3):
        with pytest.raises(Unavailable, match="its lease is not renewed"):
            await call(b, "store", "/projects/x", STATE)
        await asyncio.sleep(0.1)
    assert (await call(b, "get", "/projects/w"))["version"] == 1


async def test_no_acknowledged_write_is_lost_while_an_owner_that_is_here_is_replaced(start_node: StartNode) -> None:
    nodes = await cluster(start_node, "b", "c")
    a, b = nodes[:2]
    await call(a, "mount", "/projects", "b")
    await call(a, "replicate", "/projects", 2)
    stored, seen = set[str](), set[str]()
    finished = False

    async def write(node: Node) -> None:
        number = 0
        while not finished:
            path = f"/projects/{node.filesystem.node}{number}"
            number += 1
            try:
                await call(node, "store", path, STATE)
                stored.add(path)
            except Unavailable as error:
                seen.add(error.message)
            await asyncio.sleep(0.005)

    writers = [asyncio.create_task(write(node)) for node in nodes]
    for owner in ("c", "a"):
        await asyncio.sleep(0.3)
        before = len(stored)
        await call(a, "promote", "/projects", owner)
        assert (await accepted(b, f"/projects/first-{owner}"))["node"] == owner
        await asyncio.sleep(0.2)
        assert len(stored) > before
    finished = True
    await asyncio.gather(*writers)
    assert all("handed over" in each or "other volumes" in each for each in seen), seen
    for node in nodes:
        tree = [row async for row in node.dispatch("tree", ["/projects"], OPERATOR)]
        assert {f"{row['path']}/{row['name']}" for row in tree} >= stored
    assert [row["conflicts"] for row in await call(a, "volumes")] == [[], []]
    report = await is_copied(a, "/projects")
    assert len(report["copies"]) == 2 and report["notes"] == []


OWNER = """
import asyncio, sys
from emerge_wasm.cluster.membership import Times
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store

async def main(store, join, *times):
    filesystem = await Filesystem.open(await open_store(store), node="b")
    more = {"context": Context("operator", superuser=True, via="zeromq"), "host": "b"}
    node = Node(filesystem, "tcp://127.0.0.1:0", join=[join], times=Times(*map(float, times)), **more)
    await node.start()
    print(node.endpoint, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_an_owner_that_stood_still_is_refused_when_it_wakes(
    start_node: StartNode, connect: Connect, tmp_path: Path, stack: AsyncExitStack
) -> None:
    a = await start_node("a", store=SharedStore(), times=LEASED)
    await a.volumes.found()
    c = await start_node("c", (a.endpoint,), times=LEASED)
    args = [f"sqlite:///{tmp_path}/b.db", a.endpoint, *map(str, LEASED)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, *args, stdout=PIPE)
    stack.push_async_callback(end, process)
    assert process.stdout is not None
    b = connect((await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip())
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(c.cluster) == ["a", "b"], 10)
    await call(a, "mount", "/projects", "b")
    await call(a, "replicate", "/projects", 1)
    await accepted(a, "/projects/w")
    await is_copied(a, "/projects")
    process.send_signal(SIGSTOP)
    began = asyncio.get_running_loop().time()
    stored = await accepted(a, "/projects/while")
    assert stored["node"] == "c" and asyncio.get_running_loop().time() - began < LEASED.period * 5 + 1.5
    process.send_signal(SIGCONT)
    for number in range(30):  # from its first moment on
        try:
            answer = await b.call("store", [f"/projects/late{number}", STATE])
            assert answer["node"] == "c", "the former owner has taken a change"
        except Unavailable:
            await asyncio.sleep(0.02)
    late = await call(a, "count", "/projects")
    assert late["count"] > 2
    # it becomes a copy again, then the owner
    for _ in range(200):
        if (await call(a, "volumes"))[1]["copies"] == ["b"]:
            break
        await asyncio.sleep(0.05)
    await is_copied(a, "/projects")
    await c.stop()
    stored = await accepted(a, "/projects/again")
    assert stored["node"] == "b" and (await call(a, "count", "/projects"))["count"] == late["count"] + 1


async def end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_a_copy_whose_host_is_gone_for_good_is_given_up(start_node: StartNode, tmp_path: Path) -> None:
    """Another node has one in its place; the one that is back after all has none, and may have one again."""
    nodes = {node.filesystem.node: node for node in await cluster(start_node, "b", "c", "d", copies=tmp_path)}
    a, b = nodes["a"], nodes["b"]
    await call(a, "mount", "/p", "b")
    await call(a, "store", "/p/w", STATE)
    await call(a, "replicate", "/p", 1)
    host = (await is_copied(a, "/p"))["copies"][0]["node"]
    asked, other = [nodes[name] for name in "acd" if name != host]
    if host == "a":  # which keeps the table
        report = await call(b, "replicate", "/p", None, None, "a")
    else:
        store = nodes[host].filesystem.core.store
        await nodes[host].stop()
        await eventually(lambda: host not in names(a.cluster))
        await call(b, "mkdir", "/p/late")
        report = await call(b, "replicate", "/p")
        away = report["copies"][0]
        assert away["away"] and f"--without {host}" in report["notes"][0]
        assert away["behind"] == 1 and "" < away["as_of"] < utc_now()
        report = await call(asked, "replicate", "/p", None, None, host)
    assert report["wanted"] == 1 and report["copies"][0]["node"] != host
    await is_copied(b, "/p")
    with pytest.raises(Invalid, match="has no copy"):
        await call(b, "replicate", "/p", 1, None, host)
    if host != "a":
        back = await start_node(host, (a.endpoint,), store=store, copies=tmp_path)
        await eventually(lambda: len(names(back.cluster)) == 3)
        assert [row["node"] for row in (await is_copied(back, "/p"))["copies"]] != [host]
        assert (await call(back, "getobject", "/p/w"))["pointer"]["version"] == 1
    report = await call(other, "replicate", "/p", 3)
    assert {row["node"] for row in (await is_copied(b, "/p"))["copies"]} == {"a", "c", "d"}
