"""A name is one node's: two of one name are refused or told apart however they meet, and a restart is no second one."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from emerge_wasm.errors import EmergeError, Invalid
from emerge_wasm.node.node import Node
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import TIMES, Connect, StartNode, broadcast_of, eventually, fall_silent, names
from tests.scale import pairs

WAYS = ["own store", "store of the founder", "store of a third"]
"""Where a node of the name has its things."""

MEETINGS = ["by the founder", "by another", "both at once"]


def stores() -> dict[str, MemoryStore]:
    return {way: MemoryStore() for way in WAYS}


@pytest.mark.parametrize(
    ("first", "second", "meeting"),
    [(first, second, meeting) for (first, second), meeting in pairs([*itertools.product(WAYS, WAYS)], MEETINGS)],
)
async def test_two_of_one_name(start_node: StartNode, connect: Connect, first: str, second: str, meeting: str) -> None:
    """Whichever way they meet, no node ever sees both as members."""
    store = stores()
    founder = await start_node("founder", store=store["store of the founder"])
    await founder.volumes.found()
    third = await start_node("third", (founder.endpoint,), store=store["store of a third"])
    await eventually(lambda: names(founder.cluster) == ["third"] and names(third.cluster) == ["founder"])
    seen: list[list[str]] = []
    for node in (founder, third):
        node.cluster.on_change(lambda event, who, node=node: seen.append(names(node.cluster)))  # type: ignore[misc]

    async def begin(way: str, at: Node) -> Node | None:
        try:
            return await start_node("twin", (at.endpoint,), store=MemoryStore() if way == "own store" else store[way])
        except Invalid as error:
            assert "twin" in error.message and "--name" in str(error.remedy)
            return None

    seeds = {"by the founder": [founder, founder], "by another": [third, third], "both at once": [founder, third]}
    starts = [begin(way, at) for way, at in zip((first, second), seeds[meeting], strict=True)]
    if meeting == "both at once":
        twins = [*await asyncio.gather(*starts)]
    else:
        twins = [await starts[0]]
        await eventually(lambda: "twin" in names(founder.cluster) and "twin" in names(third.cluster))
        twins.append(await starts[1])
    await asyncio.sleep(3 * TIMES.silence)
    for node in (founder, third):
        assert names(node.cluster).count("twin") == 1
    taken = [peer.uuid for node in (founder, third) for peer in node.cluster.peers() if peer.node == "twin"]
    assert len(set(taken)) == 1
    assert all(each.count("twin") <= 1 for each in seen)
    running = [twin for twin in twins if twin is not None]
    rows = await connect(founder.endpoint).call("nodes", [])
    (known,) = [row for row in rows if row["node"] == "twin" and row["state"] == "here"]
    assert known["uuid"] in {twin.cluster.identity.uuid for twin in running}
    for twin in running:
        if twin.cluster.identity.uuid != known["uuid"]:  # the one that is refused says so
            told = await connect(twin.endpoint).call("nodes", [])
            assert any("called twin" in row.get("error", "") or "node twin" in row.get("error", "") for row in told)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_restart_is_no_second_one(start_node: StartNode, elsewhere: bool) -> None:
    founder = await start_node("founder")
    await founder.volumes.found()
    third = await start_node("third", (founder.endpoint,))
    store = MemoryStore()
    former = await start_node("twin", (founder.endpoint,), store=store)
    await eventually(lambda: all("twin" in names(node.cluster) for node in (founder, third)))
    fall_silent(former)
    endpoint = former.endpoint
    await former.stop()
    again: Node | None = None
    while again is None:
        try:
            again = await start_node(
                "twin", (third.endpoint,), "tcp://127.0.0.1:0" if elsewhere else endpoint, store=store
            )
        except EmergeError:  # ZeroMQ lets go of a port a moment later
            await asyncio.sleep(0.01)
    uuid = again.cluster.identity.uuid
    for node in (founder, third):
        await eventually(lambda node=node: uuid in {peer.uuid for peer in node.cluster.peers()}, 4 * TIMES.silence)  # type: ignore[misc]
        assert names(node.cluster).count("twin") == 1
    seen: list[tuple[str, str]] = []
    third.cluster.on_change(lambda event, who: seen.append((event, who.node)))
    dead, own = former.cluster.identity.to_wire(), founder.cluster.identity.to_wire()
    for number in range(5):  # founder was told late of the former life
        hears = [third.cluster.identity.uuid]
        broadcast_of(founder).say({"kind": "here", "self": own, "hears": hears, "peers": [dead], "view": number})
        await asyncio.sleep(TIMES.period)
    assert seen == [], "what others say of a namesake lets nobody go"
