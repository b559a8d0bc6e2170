"""Two nodes as a user starts them, on one PostgreSQL database: each has what the other stores, nothing gets lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import NotFound
from tests.backends import Started
from tests.conftest import Server, start_server
from tests.heard import heard

from .conftest import Connect

ADDS = 20


@pytest.fixture(scope="module")
def pair(backends: Started) -> Iterator[tuple[Server, Server]]:
    store = backends.url("postgresql")
    with ExitStack() as stack:
        one = start_server("node", "start", "--name", "one", "--port", "0", "--store", store, sandbox=False)
        stack.callback(one.stop)
        other = start_server("node", "start", "--name", "other", "--port", "0", "--store", store, sandbox=False)
        stack.callback(other.stop)
        yield one, other


async def members(transport: ZeroMQTransport, count: int, seconds: float = 8.0) -> list[str]:
    """The nodes that one knows of, once there are so many."""
    until = asyncio.get_running_loop().time() + seconds
    while len(rows := await transport.call("nodes", [])) != count:
        assert asyncio.get_running_loop().time() < until, rows
        await asyncio.sleep(0.05)
    return sorted(row["node"] for row in rows)


async def test_two_nodes_on_one_database(pair: tuple[Server, Server], connect: Connect) -> None:
    to_one, to_other = (connect(server.found["node"]) for server in pair)
    assert await members(to_one, 2) == await members(to_other, 2) == ["one", "other"]
    hello = [await to.call("hello", []) for to in (to_one, to_other)]
    assert hello[0]["uuid"] == hello[1]["uuid"] and [each["node"] for each in hello] == ["one", "other"]

    await to_one.call("store", ["/db/x", codec.encode({"n": 1})])
    assert (await to_other.call("get", ["/db/x"]))["node"] == "other"  # its own, not asked for elsewhere
    assert await to_other.call("cat", ["/db/x"]) == {"n": 1}
    assert [e["name"] for e in (await to_other.call("list", ["/db"]))["entries"]] == ["x"]
    assert [e["name"] async for e in to_one.stream("tree", ["/db"])] == ["x"]
    with pytest.raises(NotFound):
        await to_other.call("get", ["/db/none"])
    assert await to_other.call("rm", ["/db", True]) == 2
    with pytest.raises(NotFound):
        await to_one.call("get", ["/db/x"])


async def test_no_change_of_either_is_lost(pair: tuple[Server, Server], connect: Connect) -> None:
    to_one, to_other = (connect(server.found["node"]) for server in pair)
    await to_one.call("store", ["/list", codec.encode({"lines": []})])

    async def add(transport: ZeroMQTransport, who: str) -> None:
        for number in range(ADDS):
            await transport.call("add", ["/list", "lines", codec.encode([f"{who} {number}"])])

    await asyncio.gather(add(to_one, "one"), add(to_other, "other"))
    lines = await to_one.call("cat", ["/list.lines"])
    assert lines == await to_other.call("cat", ["/list.lines"])
    assert sorted(lines) == sorted(f"{who} {number}" for who in ("one", "other") for number in range(ADDS))
    assert (await to_other.call("get", ["/list"]))["version"] == 1 + 2 * ADDS


async def test_a_watch_at_one_tells_what_the_other_does(pair: tuple[Server, Server], connect: Connect) -> None:
    to_one, to_other = (connect(server.found["node"]) for server in pair)
    await members(to_one, 2)
    items: Any = to_one.stream("watch", ["/seen", -1])
    async with aclosing(items), asyncio.timeout(30):
        made: list[str] = []

        async def make() -> None:
            made.append(f"/seen/x{len(made)}")
            await to_other.call("store", [made[-1], codec.encode({})])

        told = [(await heard(items, make))["path"]]
        await to_one.call("store", ["/seen/y", codec.encode({})])
        while told[-1] != "/seen/y":
            told.append((await anext(items))["path"])
    seen = [path for path in told if path != "/seen"]
    assert seen == [*made, "/seen/y"][-len(seen) :]  # each once
    assert len(seen) > 1


async def test_one_goes_on_when_the_other_is_killed(pair: tuple[Server, Server], connect: Connect) -> None:
    """The last test of the two."""
    _, other = pair
    to_one, to_other = (connect(server.found["node"]) for server in pair)
    await members(to_one, 2)
    await to_other.call("store", ["/kept", codec.encode({"n": 1})])
    other.stop(signal.SIGKILL)
    assert await to_one.call("cat", ["/kept"]) == {"n": 1}
    assert await members(to_one, 1) == ["one"]
    assert (await to_one.call("store", ["/kept", codec.encode({"n": 2})]))["version"] == 2
    with pytest.raises(NotFound):  # and nothing is missed: the store is whole
        await to_one.call("get", ["/never"])
