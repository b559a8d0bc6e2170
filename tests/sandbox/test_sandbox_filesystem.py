"""`fs` inside a method, over the worker's one channel: a whole filesystem whose runner is the sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import ExecutionFailed, LimitExceeded, NotFound
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores.memory import MemoryStore

from .agent import Agent

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def client(pool: Pool) -> AsyncIterator[Client]:
    """One call at a time runs here, besides those that it calls."""
    filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool, run_timeout=5.0)
    async with Client(LocalTransport(filesystem, Context("ann", superuser=True))) as made:
        for number in range(4):
            await made.store(Agent(path="/agents", name=f"a{number}"))
        yield made


NAMES = ["a0", "a1", "a2", "a3"]


@pytest.mark.parametrize("method", ["names", "imported", "later"])
async def test_fs_in_every_form(client: Client, method: str) -> None:
    assert await client.run("/agents/a0", method, "/agents") == NAMES


async def test_streams_within_one_another(client: Client) -> None:
    expected = [one + two for one in NAMES for two in NAMES] + ["a0"]
    assert await client.run("/agents/a0", "streamed", "/agents") == expected


async def test_too_many_streams_at_once(client: Client) -> None:
    assert await client.run("/agents/a0", "many_streams", "/agents", 60) == 60
    with pytest.raises(ExecutionFailed, match="more than 64 streams are open"):
        await client.run("/agents/a0", "many_streams", "/agents", 70)


async def test_what_a_stream_is_asked_for_by_is_bounded(client: Client) -> None:
    found = await client.run("/agents/a0", "stream_of_much")
    assert found.startswith("LimitExceeded: a stream was asked for by more than")


async def test_objects_go_and_come(client: Client) -> None:
    assert await client.run("/agents/a0", "make", "/made/one", 7) == 7
    assert (await client.cat("/made/one"))["count"] == 7


async def test_errors_are_those_of_the_filesystem(client: Client) -> None:
    assert (await client.run("/agents/a0", "look")).startswith("NotFound: ")
    with pytest.raises(ExecutionFailed, match="NotFound"):
        await client.run("/agents/a0", "miss")
    with pytest.raises(NotFound):
        await client.run("/agents/zz", "miss")


async def test_chain_of_runs_has_one_place(client: Client, pool: Pool) -> None:
    assert pool.size == 1
    async with asyncio.timeout(10):
        assert await client.run("/agents/a3", "chain", 3) == 3


async def test_transaction_inside(client: Client) -> None:
    await client.run("/agents/a0", "both", "/pairs", False)
    assert [pointer.name for pointer in await client.list("/pairs")] == ["one", "two"]
    with pytest.raises(ExecutionFailed, match="neither"):
        await client.run("/agents/a0", "both", "/none", True)
    with pytest.raises(NotFound):
        await client.list("/none")


async def test_calls_without_end_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from emerge_wasm.filesystem.runs import host as hosting

    monkeypatch.setattr(hosting.Caller.__init__, "__defaults__", (None, 100))  # patched: a run may make 10,000 calls
    with pytest.raises(LimitExceeded) as caught:
        await client.run("/agents/a0", "flood")
    assert caught.value.details["limit"] == "filesystem calls"


async def test_waiting_for_a_stream_without_end(pool: Pool) -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool, run_timeout=0.4)
    async with Client(LocalTransport(filesystem, Context("ann", superuser=True))) as client:
        await client.store(Agent(path="/agents", name="a0"))
        started = time.perf_counter()
        with pytest.raises(LimitExceeded) as caught:
            await client.run("/agents/a0", "wait_for_nothing")
        assert caught.value.details["limit"] == "wall time"
        assert time.perf_counter() - started < 2
        assert await client.run("/agents/a0", "names", "/agents") == ["a0"]


async def test_code_that_catches_its_own_end(pool: Pool) -> None:
    """The answer that it did not wait for must not be taken for another one's."""
    filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool, run_timeout=0.3)
    async with Client(LocalTransport(filesystem, Context("ann", superuser=True))) as client:
        await client.store(Agent(path="/agents", name="a0"))
        assert await client.run("/agents/a0", "catch_all") == "Stop"
        assert await client.run("/agents/a0", "names", "/agents") == ["a0"]


async def test_search_that_needs_code_inside_a_method_has_a_place(client: Client) -> None:
    async with asyncio.timeout(4):
        assert await client.run("/agents/a0", "find", "/agents") == 4


@pytest.mark.parametrize(
    ("kind", "count", "text"),
    [
        ("call", 5000, "it asked for (too much|what it must not)"),
        ("stream", 5000, "128 requests of yours"),
        ("end", 5000, "it sent what belongs to no request of its own"),
        ("grant", 5000, "it sent what belongs to no request of its own"),
        ("beat", 1, "it sent what belongs to no request of its own"),
        ("answer", 1, "it answered what it was not asked"),
        ("print", 1, "it answered what it was not asked"),
        ("bytes", 1, "it sent what cannot be read"),
        ("deep", 1, "it sent what cannot be read"),
        ("long", 1, "it sent 4294967295 bytes at once"),
    ],
)
async def test_worker_that_breaks_the_rules_is_ended(client: Client, kind: str, count: int, text: str) -> None:
    with pytest.raises((ExecutionFailed, LimitExceeded), match=text):
        await client.run("/agents/a0", "say_raw", kind, count)
    assert await client.run("/agents/a0", "names", "/agents") == NAMES


async def test_rights_are_the_callers(client: Client) -> None:
    bob = client.as_user("bob")
    await client.chmod("/agents", "rwxr-xr-x")
    await client.chmod("/agents/a0", "rwxr-xr-x")
    await client.chmod("/agents/a1", "rwx------")
    assert await bob.run("/agents/a0", "who") == "bob"
    assert await bob.run("/agents/a0", "names", "/agents") == ["a0"]


async def test_output_arrives_while_it_runs(pool: Pool) -> None:
    from .conftest import call_of

    told: list[tuple[float, str]] = []

    class Listening:
        async def call(self, name: str, args: list[Any], context: Any = None) -> Any: ...

        def stream(self, name: str, args: list[Any], context: Any = None) -> Any: ...

        def write(self, text: str) -> None:
            told.append((time.perf_counter(), text))

    outcome = await pool.run(call_of(Agent(name="one"), "speak", 0.12), Listening())
    assert "".join(text for _, text in told) == outcome.output == "line 0\nline 1\nline 2\nend"
    assert len(told) >= 3 and told[2][0] - told[0][0] > 0.2
    assert time.perf_counter() - told[-1][0] < 2


async def test_limits_of_time_are_those_of_each_part_that_is_read(pool: Pool) -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool, run_timeout=0.7)
    async with Client(LocalTransport(filesystem, Context("ann", superuser=True))) as client:
        await client.store(Agent(path="/read", name="a", count=4))
        async with await client.open("/read/a") as file:
            assert await file.read() == b"0 1 2 3 "
