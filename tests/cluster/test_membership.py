"""Two and three nodes are a cluster: they meet through one of them, and are seen to come and go."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.transports.address import endpoints_of
from emerge_wasm.clients.transports.registry import open_transport
from emerge_wasm.cluster.membership import Cluster
from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import TIMES, Connect, StartNode, broadcast_of, eventually, fall_silent, names, two


def state(**fields: object) -> bytes:
    return codec.encode(fields)


async def test_three_nodes_meet_each_other_through_one(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    c = await start_node("c", (b.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(c.cluster) == ["a", "b"])
    rows = await connect(c.endpoint).call("nodes", [])
    assert {(row["node"], row["rpc"], row["self"]) for row in rows} == {
        ("a", a.endpoint, False),
        ("b", b.endpoint, False),
        ("c", c.endpoint, True),
    }


async def test_a_joiner_that_started_first_retries(start_node: StartNode) -> None:
    store = MemoryStore()
    a = await start_node("a", store=store)
    endpoint = a.endpoint
    await a.volumes.found()
    await a.stop()
    b = await start_node("b", (endpoint,))
    assert names(b.cluster) == []
    again = await start_node("a", (), endpoint, store=store)
    await eventually(lambda: names(b.cluster) == ["a"] and names(again.cluster) == ["b"])


async def test_a_node_that_stops_is_seen_to_leave_at_once(start_node: StartNode) -> None:
    a, b = await two(start_node)
    seen: list[tuple[str, str]] = []
    a.cluster.on_change(lambda how, who: seen.append((how, who.node)))
    answer = await a.cluster.link(b.cluster.identity).call("_cluster_join", [a.cluster.identity.to_wire()])
    await b.stop()
    await eventually(lambda: not names(a.cluster), 0.3)
    broadcast_of(a)._hear({"kind": "here", "hears": [a.cluster.identity.uuid], **answer}, "b")  # private: it comes late
    assert seen == [("left", "b")] and not names(a.cluster)


async def test_a_node_that_stood_still_blames_nobody(start_node: StartNode, connect: Connect) -> None:
    """Its process got no processor for a while: what was said meanwhile waits in its sockets."""
    a, b = await two(start_node)
    await a.volumes.change("_cluster_mount", "/s", b.filesystem.uuid)
    await connect(b.endpoint).call("store", ["/s/x", state(n=1)])
    seen: list[str] = []
    a.cluster.on_change(lambda how, who: seen.append(how))
    for _ in range(3):
        asked = asyncio.create_task(connect(a.endpoint).call("cat", ["/s/x"]))
        await asyncio.sleep(0.02)
        time.sleep(2 * max(TIMES.silence, TIMES.patience))  # noqa: ASYNC251
        assert await asked == {"n": 1}
    assert seen == []


async def test_a_node_that_no_longer_hears_this_one_is_asked(start_node: StartNode, connect: Connect) -> None:
    """It is here when it answers, and cannot be called when it does not."""
    a, b = await two(start_node)
    await a.volumes.change("_cluster_mount", "/s", b.filesystem.uuid)
    seen: list[tuple[str, list[str]]] = []
    a.cluster.on_change(lambda how, who: seen.append((how, names(a.cluster))))
    deaf = {"kind": "here", "self": b.cluster.identity.to_wire(), "hears": [], "peers": []}
    for _ in range(3):
        broadcast_of(b).say(deaf)  # a node says so only when it has lost the other by itself
        await asyncio.sleep(0.1)
    assert seen == []
    await b.server.stop()
    broadcast_of(b).say(deaf)
    await eventually(lambda: seen == [("unreachable", [])])
    await asyncio.sleep(2 * TIMES.silence)
    rows = await connect(a.endpoint).call("nodes", [])
    assert [(row["node"], row["state"], row.get("away")) for row in rows] == [
        ("a", "here", None),
        ("b", "unreachable", None),
    ]
    assert len(seen) == 1
    for name in ("cat", "store"):
        with pytest.raises(Unavailable, match="/s/x is on node b, which cannot be reached from here"):
            await connect(a.endpoint).call(name, ["/s/x", *([state(n=1)] if name == "store" else [])])


async def test_an_observer_sees_and_is_not_seen(start_node: StartNode) -> None:
    a, b = await two(start_node)
    observer = Cluster(observer=True, join=[a.endpoint], times=TIMES)
    await observer.start()
    try:
        await eventually(lambda: names(observer) == ["a", "b"])
        assert names(a.cluster) == ["b"]
        await b.stop()
        await eventually(lambda: names(observer) == ["a"])
    finally:
        await observer.stop()


async def test_malformed_announcements_are_ignored_and_counted(start_node: StartNode) -> None:
    a, b = await two(start_node)
    broadcast = broadcast_of(b)
    before = a.cluster.malformed
    good = b.cluster.identity.to_wire()
    for message in (
        {},
        {"kind": "here"},
        {"kind": []},
        {"kind": "here", "self": {**good, "rpc": 5}, "hears": [], "peers": []},
        {"kind": "here", "self": good, "hears": 7, "peers": []},
        {"kind": "here", "self": good, "hears": [], "peers": 3},
        {"kind": "whohas", "uuid": b.cluster.identity.uuid, "id": b"1", "paths": "x", "uuids": None},
        {"kind": "leaving"},
    ):
        broadcast.say(message)
    broadcast._speaker.send([b"\xc1\xff"])  # type: ignore[union-attr]  # private: `say` encodes what it sends
    await eventually(lambda: a.cluster.malformed == before + 9)
    assert names(a.cluster) == ["b"]


async def test_a_node_started_again_takes_the_place_of_its_former_life(start_node: StartNode, connect: Connect) -> None:
    a = await start_node("a")
    await a.volumes.found()
    store = MemoryStore()
    first = await start_node("b", (a.endpoint,), store=store)
    await eventually(lambda: names(a.cluster) == ["b"])
    endpoint = first.endpoint
    fall_silent(first)  # it is killed
    await first.stop()
    again = None
    while again is None:
        with suppress(Invalid):  # ZeroMQ lets go of a port a moment later
            again = await start_node("b", (a.endpoint,), endpoint, store=store)
        await asyncio.sleep(0.01)
    await eventually(lambda: [peer.uuid for peer in a.cluster.peers()] == [again.cluster.identity.uuid])
    await asyncio.sleep(0.2)
    assert [peer.uuid for peer in a.cluster.peers()] == [again.cluster.identity.uuid]
    assert not a.cluster.joiner.lost()


async def test_everything_goes_by_ipv6(start_node: StartNode, connect: Connect) -> None:
    a = await start_node("a", bind="tcp://[::1]:0")
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), bind="tcp://[::1]:0")
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    assert all(each.endpoint.startswith("tcp://[::1]:") for each in (a, b))
    assert all(peer.pub.startswith("tcp://[::1]:") for peer in a.cluster.peers())
    await connect(b.endpoint).call("store", ["/far/x", state(n=1)])
    hosts = ",".join(each.endpoint.removeprefix("tcp://") for each in (b, a))
    either = open_transport(endpoints_of(hosts))
    assert await either.call("cat", ["/far/x"]) == {"n": 1}
    await b.stop()
    assert await either.call("cat", ["/far/x"]) == {"n": 1}
    await either.close()


async def test_the_dead_are_not_talked_back_to_life_and_the_living_object(start_node: StartNode) -> None:
    """Only who speaks is here: what others say of a node makes nobody a member, and lets nobody go."""
    a, b = await two(start_node)
    c = await start_node("c", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(b.cluster) == ["a", "c"])
    dead = c.cluster.identity.to_wire()
    fall_silent(c)
    await c.stop()
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    seen: list[tuple[str, str]] = []
    for node in (a, b):
        node.cluster.on_change(lambda event, who: seen.append((event, who.node)))
    hears = [a.cluster.identity.uuid]
    for number in range(10):
        gossip = {"kind": "here", "self": b.cluster.identity.to_wire(), "hears": hears, "peers": [dead], "view": number}
        broadcast_of(b).say(gossip)
        broadcast_of(b).say({"kind": "suspect", "uuid": b.cluster.identity.uuid, "node": a.cluster.identity.uuid})
        await asyncio.sleep(TIMES.period)
    assert seen == []
    assert names(a.cluster) == ["b"] and names(b.cluster) == ["a"]
