"""Nodes with keys: who is let in, as whom, and what happens when that changes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import zmq

from emerge_wasm import codec
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, MEMBER, RingEntry
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster import authenticator
from emerge_wasm.cluster.refusal import ALLOWED
from emerge_wasm.errors import EmergeError, Invalid, PermissionDenied, Unavailable
from emerge_wasm.node.node import Node
from tests.node.conftest import StartNode, broadcast_of, eventually, names

from .keyed import KeyedPlace


def state(**fields: object) -> bytes:
    return codec.encode(fields)


@pytest.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[KeyedPlace]:
    async with AsyncExitStack() as stack:
        yield KeyedPlace(tmp_path, stack)


async def two(keyed: KeyedPlace) -> tuple[Node, Node]:
    a = await keyed.node("a")
    b = await keyed.node("b", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    return a, b


async def test_members_meet_and_serve_each_others_objects(keyed: KeyedPlace) -> None:
    a, b = await two(keyed)
    root = keyed.connect(a.endpoint, keyed.key("root", superuser=True))
    await root.call("store", ["/far/x", state(n=1)])
    far = keyed.connect(b.endpoint, keyed.credential("root"))
    assert await far.call("cat", ["/far/x"]) == {"n": 1}
    assert far.node == "b"
    c = await keyed.node("c", (b.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(c.cluster) == ["a", "b"])


async def test_a_client_is_who_the_ring_says(keyed: KeyedPlace) -> None:
    """Its permissions apply, also at another node, and what it says of itself does not count."""
    a, b = await two(keyed)
    root = keyed.connect(a.endpoint, keyed.key("root", superuser=True))
    anna = keyed.connect(b.endpoint, keyed.key("anna", groups=("staff",)))
    whoami = await anna.call("whoami", [])
    assert (whoami["principal"], whoami["groups"], whoami["superuser"]) == ("anna", ["staff"], False)
    await root.call("store", ["/secret/x", state(n=1)])
    await root.call("chmod", ["/secret", "rwx------"])
    for name, args in {"cat": ["/secret/x"], "store": ["/secret/y", state(n=2)], "rm": ["/secret/x"]}.items():
        with pytest.raises(PermissionDenied):
            await anna.call(name, args)
    with pytest.raises(PermissionDenied, match="may not act as"):
        await anna.call("cat", ["/secret/x"], {"as": "root"})
    for name in ("_cluster_forward", "_cluster_join", "_cluster_answer"):
        with pytest.raises(PermissionDenied, match="members of the cluster only"):
            await anna.call(name, ["cat", ["/secret/x"], {"principal": "", "superuser": True, "groups": []}])


async def test_who_is_not_let_in_is_told_at_once(keyed: KeyedPlace) -> None:
    """A stranger, somebody without a key, and somebody who expects another node; each error says what to do."""
    a = await keyed.node("a")
    anna = keyed.key("anna")
    other = make_pair("other")
    cases = [
        (a.endpoint, keyed.stranger("eve"), PermissionDenied, "emerge keys add eve "),
        (a.endpoint, None, EmergeError, "wants a key"),
        (f"{a.endpoint}?key={other.public}", anna, Unavailable, "does not show a key"),
        (f"{a.endpoint}?key=nobody", anna, EmergeError, "emerge keys add"),
        (f"{a.endpoint}?key=a", None, PermissionDenied, "emerge keys new"),
    ]
    for endpoint, credential, kind, words in cases:
        with pytest.raises(kind, match=words):  # by a refusal, not because nobody answers
            await keyed.connect(endpoint, credential, patience=3600.0).call("hello", [])
    for endpoint in (a.endpoint, f"{a.endpoint}?key=a", f"{a.endpoint}?key={keyed.credential('a').pair.public}"):
        assert (await keyed.connect(endpoint, anna).call("hello", []))["node"] == "a"


async def test_a_key_that_is_added_later_is_let_in_by_the_same_client(keyed: KeyedPlace) -> None:
    a = await keyed.node("a")
    anna = keyed.stranger("anna")
    client = keyed.connect(a.endpoint, anna)
    with pytest.raises(PermissionDenied):
        await client.call("hello", [])
    keyed.ring.add(RingEntry(CLIENT, "anna", anna.pair.public))
    assert (await client.call("hello", []))["node"] == "a"


async def test_a_client_of_a_node_without_keys_is_told(keyed: KeyedPlace, start_node: StartNode) -> None:
    a = await start_node("a")
    keyed.key("a", MEMBER)
    with pytest.raises(Unavailable, match="without --key"):
        await keyed.connect(a.endpoint, keyed.key("anna")).call("hello", [])


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 10 + b"\x7f", os.urandom(400), b""],
    ids=["http", "mark", "noise", "silence"],
)
async def test_garbage_is_hung_up_on_and_others_are_served(keyed: KeyedPlace, nonsense: bytes) -> None:
    a = await keyed.node("a")
    host, _, port = a.endpoint.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), 5) as rude:
        rude.sendall(nonsense)
        assert (await keyed.connect(a.endpoint, keyed.key("anna")).call("hello", []))["node"] == "a"
    assert a.server.channels.dropped == 0


async def test_a_flood_of_strangers_and_silence_keeps_nobody_out(
    keyed: KeyedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number strangers wait for their refusal; who is known does not, though from the same address."""
    a = await keyed.node("a")
    anna, eve, door = keyed.key("anna"), keyed.stranger("eve"), keyed.doors["a"]
    host, _, port = a.endpoint.removeprefix("tcp://").rpartition(":")
    silent = [socket.create_connection((host, int(port)), 5) for _ in range(200)]

    async def try_to_come_in() -> None:
        with pytest.raises(EmergeError):
            await keyed.connect(a.endpoint, eve).call("hello", [])

    monkeypatch.setattr(authenticator, "WAIT_SECONDS", 3600.0)  # whoever waits does so for all of this test
    flood = [asyncio.create_task(try_to_come_in()) for _ in range(ALLOWED + 40)]
    await eventually(lambda: door.waiting >= 10, 30)
    assert (await keyed.connect(a.endpoint, anna).call("hello", []))["node"] == "a"
    await asyncio.gather(*flood)
    assert door.waiting >= 10

    monkeypatch.setattr(authenticator, "WAIT_SECONDS", 0.05)  # the end of waiting is a refusal, too
    before = door.waiting
    await try_to_come_in()
    await eventually(lambda: door.waiting == before, 30)
    for each in silent:
        each.close()


async def test_a_revoked_key_is_refused_at_its_next_message(keyed: KeyedPlace) -> None:
    """On the connection that it has; a stream that it receives ends too, and others do not notice."""
    a = await keyed.node("a")
    anna, bert = (keyed.connect(a.endpoint, keyed.key(name)) for name in ("anna", "bert"))
    for client in (anna, bert):
        assert (await client.call("hello", []))["node"] == "a"
    watched = asyncio.create_task(collect(anna))
    kept = asyncio.create_task(collect(bert))
    await eventually(lambda: len(a.server.channels) == 2)
    keyed.ring.revoke("anna")
    with pytest.raises(PermissionDenied, match="no longer let in"):
        await anna.call("hello", [])
    with pytest.raises(PermissionDenied, match="no longer let in"):
        await asyncio.wait_for(watched, 2)
    assert (await bert.call("hello", []))["node"] == "a"
    assert not kept.done()
    kept.cancel()
    with pytest.raises(Invalid, match="was revoked"):
        keyed.ring.add(RingEntry(CLIENT, "anna", keyed.credential("anna").pair.public))


async def test_a_stream_of_a_revoked_key_ends_without_another_message(keyed: KeyedPlace) -> None:
    a = await keyed.node("a")
    watched = asyncio.create_task(collect(keyed.connect(a.endpoint, keyed.key("anna"))))
    await eventually(lambda: len(a.server.channels) == 1)
    keyed.ring.revoke("anna")
    with pytest.raises(PermissionDenied):
        await asyncio.wait_for(watched, 2)


async def collect(client: ZeroMQTransport) -> list[object]:
    return [item async for item in client.stream("watch", ["/"])]


async def test_a_revoked_member_hears_and_says_nothing_more(keyed: KeyedPlace) -> None:
    """Its announcements are not listened to, and those of others no longer reach it."""
    a, b = await two(keyed)
    spy = listen(keyed, a, "b")
    try:
        await eventually(lambda: spy.poll(0))
        keyed.ring.revoke("b")
        await eventually(lambda: not names(a.cluster))
        await asyncio.sleep(0.3)
        while spy.poll(0):
            spy.recv()
        await asyncio.sleep(0.3)
        assert not spy.poll(0)
    finally:
        spy.close(0)
    with pytest.raises(EmergeError):
        await b.cluster.link(a.cluster.identity).call("_cluster_join", [b.cluster.identity.to_wire()])


def listen(keyed: KeyedPlace, to: Node, name: str) -> zmq.Socket[bytes]:
    """A SUB socket of one's own, that shows a member's key."""
    spy: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    spy.setsockopt(zmq.SUBSCRIBE, b"")
    keyed.credential(name).protect(spy, keyed.credential(to.filesystem.node).pair.public)
    spy.connect(to.cluster.identity.pub)
    return spy


async def test_announcements_are_for_members(keyed: KeyedPlace) -> None:
    a = await keyed.node("a")
    keyed.key("anna")
    spy = listen(keyed, a, "anna")
    await asyncio.sleep(0.5)
    assert not spy.poll(0)
    spy.close(0)


async def test_nobody_speaks_in_anothers_name(keyed: KeyedPlace) -> None:
    """Whatever a member announces or calls, as another it is not believed; as itself it still is."""
    a, b = await two(keyed)
    c = await keyed.node("c", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b", "c"])
    forged = {**b.cluster.identity.to_wire(), "pub": c.cluster.identity.pub, "rpc": c.cluster.identity.rpc}
    before = a.cluster.malformed
    for message in (
        {"kind": "leaving", "uuid": b.cluster.identity.uuid},
        {"kind": "here", "self": forged, "hears": [], "peers": []},
        {"kind": "whohas", "id": b"1", "uuid": b.cluster.identity.uuid, "paths": ["/"], "uuids": [], "asked": []},
    ):
        broadcast_of(c).say(message)
    await eventually(lambda: a.cluster.malformed == before + 3)
    assert names(a.cluster) == ["b", "c"]
    with pytest.raises(PermissionDenied, match="c speaks as b"):
        await c.cluster.link(a.cluster.identity).call("_cluster_join", [forged])
    with pytest.raises(PermissionDenied, match="c speaks as b"):
        await c.cluster.link(a.cluster.identity).call("_cluster_answer", [b"1", b.cluster.identity.uuid, [], []])


async def test_a_node_has_the_name_of_its_key(keyed: KeyedPlace) -> None:
    credential = keyed.key("a", MEMBER)
    credential.path.rename(keyed.folder / "b.key")
    with pytest.raises(Invalid, match="cannot have the key of a"):
        await keyed.node("b")


async def test_keys_are_replaced_while_all_goes_on(keyed: KeyedPlace) -> None:
    """A node shows a new key without a restart; clients and peers that know it find the node again by themselves."""
    a, b = await two(keyed)
    anna = keyed.connect(a.endpoint, keyed.key("anna", superuser=True))
    root = keyed.connect(b.endpoint, keyed.key("root", superuser=True))
    await root.call("store", ["/far/x", state(n=1)])
    assert await anna.call("cat", ["/far/x"]) == {"n": 1}
    stop = asyncio.Event()
    done: list[int] = []
    lost: list[int] = []

    async def load() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                await anna.call("store", [f"/load/{number}", state(n=number)])
                done.append(number)
            except Unavailable:
                lost.append(number)
                await asyncio.sleep(0.01)

    task = asyncio.create_task(load())
    await eventually(lambda: len(done) > 20)
    old = keyed.ring.members("a")[0].public
    fresh = make_pair("a")
    keyed.ring.add(RingEntry(MEMBER, "a", fresh.public), another=True)
    write_pair(keyed.folder / "a.key", fresh)
    shown = anna._keys  # private: which of its keys a node shows is nobody's business but the transport's
    await eventually(lambda: anna.connected and shown.current == fresh.public, 5)
    before = len(done)
    await eventually(lambda: len(done) > before + 20)
    keyed.ring.revoke(old)
    before = len(done)
    await eventually(lambda: len(done) > before + 20)
    stop.set()
    await task
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"], 5)
    assert await anna.call("cat", ["/far/x"]) == {"n": 1}  # a calls b by its new key too
    far = root
    assert {row["name"] for row in (await far.call("list", ["/load", "", 10_000]))["entries"]} >= set(map(str, done))
    assert not lost
