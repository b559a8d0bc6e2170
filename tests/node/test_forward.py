"""Who asks: what a call says of itself reaches the filesystem, here and on the node that holds the path."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Invalid, NotFound, PermissionDenied, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.forward import read_context, write_context
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, Connect, StartNode, fall_silent, two

ANN = {"as": "ann", "groups": ["staff"]}
BOB = {"as": "bob"}
STATE = codec.encode({"n": 1})


@pytest.fixture
async def to_a(start_node: StartNode, connect: Connect) -> ZeroMQTransport:
    return connect((await start_node("a")).endpoint)


async def test_an_operator_is_superuser_and_may_be_anybody(to_a: ZeroMQTransport) -> None:
    who = await to_a.call("whoami", [])
    assert (who["principal"], who["superuser"], who["via"]) == ("operator", True, "zeromq")
    who = await to_a.call("whoami", [], {**ANN, "umask": 0o77})
    assert (who["principal"], list(who["groups"]), who["superuser"], who["umask"]) == ("ann", ["staff"], False, 0o77)
    assert (await to_a.call("whoami", []))["principal"] == "operator"  # the call's, not the connection's


@pytest.mark.parametrize(
    "context", [{"as": 5}, {"groups": "staff"}, {"umask": 0o1000}, {"transaction": None}, {"superuser": True}, [1], "x"]
)
async def test_a_malformed_context_is_invalid_for_that_call(to_a: ZeroMQTransport, context: Any) -> None:
    with pytest.raises(Invalid, match="context"):
        await to_a.call("hello", [], context)
    assert (await to_a.call("hello", []))["node"] == "a"


async def test_streams_have_one_too(to_a: ZeroMQTransport) -> None:
    await to_a.call("chmod", ["/", "rwxrwxrwx"])
    await to_a.call("store", ["/mine", STATE], {**ANN, "umask": 0o77})
    assert [entry["name"] async for entry in to_a.stream("dir", ["/"], ANN)] == ["mine"]
    assert [entry["name"] async for entry in to_a.stream("dir", ["/"], BOB)] == []


async def test_one_who_is_no_superuser_may_be_nobody_else(connect: Connect) -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="a")
    async with Node(filesystem, "tcp://127.0.0.1:0", context=Context("ann")) as node:
        transport = connect(node.endpoint)
        with pytest.raises(PermissionDenied, match="ann may not act as bob"):
            await transport.call("whoami", [], BOB)
        who = await transport.call("whoami", [], {"as": "ann", "groups": ["root"], "umask": 0})
        assert (who["principal"], list(who["groups"]), who["umask"]) == ("ann", [], 0)
    await filesystem.close()


async def test_next_door_one_is_superuser_unless_told_otherwise() -> None:
    transport = LocalTransport(await Filesystem.open(MemoryStore()))
    assert (await transport.call("whoami", []))["superuser"]
    assert (await transport.call("whoami", [], ANN))["principal"] == "ann"
    with pytest.raises(PermissionDenied):
        await transport.call("store", ["/x", STATE], ANN)
    await transport.close()


def test_a_context_crosses_to_another_node_whole() -> None:
    for who in (Context("ann", ("staff", "x"), umask=0o77, via="relay"), Context("root", superuser=True)):
        back = read_context(codec.decode(codec.encode(write_context(who))))
        assert back == Context(who.principal, who.groups, who.superuser, who.umask, via="cluster")
    assert read_context(write_context(Context("ann", transaction="t"))).transaction == "t"


@pytest.mark.parametrize(
    "data",
    [
        "ann",
        {"principal": "ann", "groups": []},
        {"principal": 5, "groups": [], "superuser": False},
        {"principal": "ann", "groups": [7], "superuser": False},
        {"principal": "ann", "groups": [], "superuser": 1},
        {"principal": "ann", "superuser": False},
    ],
)
def test_nonsense_of_another_node_is_invalid(data: Any) -> None:
    with pytest.raises(Invalid):
        read_context(data)


@pytest.fixture
async def both(start_node: StartNode, connect: Connect) -> tuple[ZeroMQTransport, ZeroMQTransport]:
    """What speaks to a, and to b, which owns /far and /closed/vol."""
    a, b = await two(start_node)
    to_a = connect(a.endpoint)
    for path in ("/far", "/closed/vol"):
        await to_a.call("mount", [path, "b"])
    for path in ("/", "/far", "/closed", "/closed/vol"):
        await to_a.call("chmod", [path, "rwxrwxrwx"])
    return to_a, connect(b.endpoint)


async def test_the_owner_checks_who_asked_the_other_node(both: tuple[ZeroMQTransport, ZeroMQTransport]) -> None:
    to_a, to_b = both
    await to_b.call("store", ["/far/x", STATE], {**ANN, "umask": 0o07})
    assert await to_a.call("cat", ["/far/x"], ANN) == {"n": 1}
    with pytest.raises(PermissionDenied, match="bob may not read /far/x"):
        await to_a.call("cat", ["/far/x"], BOB)
    await to_b.call("chown", ["/far/x", "", "staff"])
    assert await to_a.call("cat", ["/far/x"], {"as": "carl", "groups": ["staff"]}) == {"n": 1}
    with pytest.raises(PermissionDenied):
        await to_a.call("update", ["/far/x", STATE], BOB)
    assert (await to_a.call("versions", ["/far/x"]))[-1]["author"] == "ann"


async def test_what_may_not_be_read_is_not_told(both: tuple[ZeroMQTransport, ZeroMQTransport]) -> None:
    to_a, to_b = both
    await to_a.call("store", ["/here", STATE], {**ANN, "umask": 0})
    await to_a.call("store", ["/far/there", STATE], {**ANN, "umask": 0o77})
    uuid = (await to_b.call("get", ["/far/there"]))["uuid"]
    found = ["/here", "/far/there"]
    assert (await to_a.call("whohas", [found, [uuid]], ANN)) == {
        "paths": {"/here": "a", "/far/there": "b"},
        "uuids": {uuid: "b"},
    }
    assert (await to_a.call("whohas", [found, [uuid]], BOB)) == {"paths": {"/here": "a"}, "uuids": {}}
    assert [e["name"] for e in (await to_a.call("list", ["/far"], BOB))["entries"]] == []
    assert [e["name"] for e in (await to_a.call("list", ["/far"], ANN))["entries"]] == ["there"]
    with pytest.raises(NotFound):
        await to_a.call("list", ["/nowhere"], BOB)


async def test_a_volume_is_closed_with_what_is_above_it(both: tuple[ZeroMQTransport, ZeroMQTransport]) -> None:
    """Whoever is asked, and although the owner of the volume does not own what is above it."""
    await both[0].call("store", ["/closed/vol/x", STATE], {**ANN, "umask": 0})
    await both[0].call("store", ["/bobs", STATE], {**BOB, "umask": 0})
    await both[0].call("chown", ["/closed", "ann"])
    await both[1].call("chmod", ["/closed", "rwx------"])
    for transport in both:
        for who, seen in ((BOB, False), (ANN, True)):
            rows = (await transport.call("list", ["/registry"], who))["entries"]
            assert ("x" in {row["name"] for row in rows}) == seen
            told = await transport.call("changes", [0], who)
            assert not any("/closed/vol/" in row["path"] for row in told["changes"]) or seen
        for name, args in (
            ("cat", ["/closed/vol/x"]),
            ("store", ["/closed/vol/y", STATE]),
            ("store", ["/closed/vol/deep/y", STATE]),
            ("mkdir", ["/closed/vol/deep"]),
            ("storeall", [[["/closed/vol/y", STATE]]]),
            ("list", ["/closed/vol"]),
            ("search", ["/closed/vol"]),
            ("rm", ["/closed/vol/x"]),
            ("mv", ["/closed/vol/x", "/closed/vol/z"]),
        ):
            with pytest.raises(PermissionDenied, match="bob may not"):
                await transport.call(name, args, BOB)
        assert (await transport.call("count", ["/"], BOB))["count"] == 1
        assert (await transport.call("count", ["/"], ANN))["count"] == 2
        assert [entry["name"] async for entry in transport.stream("tree", ["/"], BOB)] == ["bobs", "far"]
        assert await transport.call("cat", ["/closed/vol/x"], ANN) == {"n": 1}


@pytest.mark.parametrize(
    "how", ["the peer is taken for gone", "the client hangs up", "the peer stops", "it is cut off"]
)
async def test_what_is_lost_under_way_says_that_its_outcome_is_unknown(
    how: str, start_node: StartNode, connect: Connect
) -> None:
    """Through another node, too: the error must not read as if nothing had been done."""
    a, b = await two(start_node)
    await a.dispatch("mount", ["/far", "b"], OPERATOR)  # type: ignore[misc]  # it does not stream
    begun, transport = asyncio.Event(), connect(a.endpoint)
    own = b.filesystem.dispatch

    def late(name: str, args: Any, context: Any = None) -> Any:
        async def wait() -> None:
            begun.set()
            await asyncio.sleep(60)

        return wait() if name in ("store", "_cluster_join") else own(name, args, context)

    b.filesystem.dispatch = late  # type: ignore[method-assign]
    call = asyncio.ensure_future(transport.call("store", ["/far/x", STATE]))
    await asyncio.wait_for(begun.wait(), 5)
    if how == "the peer is taken for gone":
        a.cluster.suspect(a.cluster.peers()[0])
    elif how == "the client hangs up":
        await transport.close()
    elif how == "the peer stops":
        await b.server.stop()
    else:
        fall_silent(b)
        b.server.register("_cluster_join", late)  # nor does it answer whether it is there
    with pytest.raises(Unavailable) as lost:
        await asyncio.wait_for(call, 5)
    assert lost.value.details.get("unknown") is True, lost.value
