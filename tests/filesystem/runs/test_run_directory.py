"""Runs of all objects in a directory, and runs as a stream of what happens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, ExecutionFailed, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import error_from_wire
from emerge_wasm.filesystem import Filesystem, RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs.event_queue import ROOM, Feed
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.invoke import OBJECT_LOCKS
from tests.contracts.filesystem import refused
from tests.node.conftest import eventually


@dataclass
class Field(EmergeFile):
    """A field of a farm."""

    acres: int = 0

    def grow(self, by: int = 1) -> int:
        if self.acres < 0:
            raise ValueError("less than nothing")
        self.acres += by
        return self.acres

    async def look(self) -> str:
        for number in range(3):
            print(f"{self.name} {number}")  # noqa: T201
            await asyncio.sleep(0.01)
        return self.name

    async def wait(self) -> None:
        print("waiting")  # noqa: T201
        await asyncio.Event().wait()

    def chat(self, fs: Any) -> int:
        print("one")  # noqa: T201
        print("two", end="")  # noqa: T201
        fs.whoami()
        print(" \ud800three")  # noqa: T201
        return 3


@pytest.fixture
async def client(filesystem: Filesystem) -> Client:
    client = Client(LocalTransport(filesystem, Context("ann", superuser=True)))
    await client.storeall(
        [Field(name=name, path="/f", acres=acres) for name, acres in zip("dbca", range(4), strict=True)]
    )
    await client.mkdir("/f/below")
    await client.store(Field(name="deep", path="/f/below"))
    return client


async def collect(client: Client, path: str, method: str, *args: Any) -> list[Any]:
    async with aclosing(client.runstream(path, method, *args)) as events:
        return [event async for event in events]


async def test_all_objects_of_a_directory_by_name(client: Client) -> None:
    assert await client.run("/f", "grow", 10) == [
        {"path": f"/f/{name}", "result": result} for name, result in zip("abcd", (13, 11, 12, 10), strict=True)
    ]
    assert await client.cat("/f/below/deep.acres") == 0
    assert await client.run("/f/below", "grow") == [{"path": "/f/below/deep", "result": 1}]
    await client.mkdir("/empty")
    assert await client.run("/empty", "grow") == []
    await refused(client.run("/nowhere", "grow"), NotFound, "/nowhere")
    rows = await client.run_with_receipt("/f", "grow")
    assert [row["receipt"]["made"] for row in rows] == [3, 3, 3, 3]


async def test_one_that_fails_loses_no_other(client: Client) -> None:
    await client.update("/f/b", acres=-1)
    rows = await client.run("/f", "grow")
    assert [(row["path"], row.get("result")) for row in rows] == [("/f/a", 4), ("/f/b", None), ("/f/c", 3), ("/f/d", 1)]
    error = error_from_wire(rows[1]["error"])
    assert isinstance(error, ExecutionFailed) and error.path == "/f/b" and "less than nothing" in error.message
    assert await client.cat("/f/b.acres") == -1


async def test_only_those_that_the_caller_may_run(client: Client) -> None:
    await client.chmod("/", "rwxr-xr-x")
    await client.chmod("/f", "rwxr-xr-x")
    await client.chmod("/f/a", "rwxrwxrwx")
    await client.chmod("/f/b", "rwxr--r--")
    await client.chmod("/f/c", "rwxr-xr-x")
    await client.chmod("/f/d", "rwx------")
    rows = await client.as_user("bob").run("/f", "grow")
    assert [row["path"] for row in rows] == ["/f/a", "/f/c"]
    assert rows[0]["result"] == 4 and rows[1]["error"]["code"] == "PermissionDenied", "it may not be changed"
    await client.chmod("/f", "rwx--x--x")
    await refused(client.as_user("bob").run("/f", "grow"), PermissionDenied, "/f")


async def test_they_run_in_parallel_but_not_without_bound(filesystem: Filesystem, client: Client) -> None:
    running, most = 0, 0

    class Counting(Here):
        size = 2

        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(0.002)
                return await super().run(call, host)
            finally:
                running -= 1

    filesystem.runner = Counting()
    await client.storeall([Field(name=f"{number}", path="/many") for number in range(50)])
    assert len(await client.run("/many", "grow")) == 50
    assert most == 2


async def test_many_objects_over_several_pages(client: Client) -> None:
    await client.storeall([Field(name=f"{number:04}", path="/many") for number in range(1005)])
    events = await collect(client, "/many", "grow")
    assert events[-1] == {"event": "progress", "done": 1005, "failed": 0, "total": 1005}
    assert sorted(each["path"] for each in events if each["event"] == "result") == [
        f"/many/{number:04}" for number in range(1005)
    ]


# --- as a stream
async def test_what_happens_to_one_object(client: Client) -> None:
    *printed, last = await collect(client, "/f/a", "look")
    assert {event["event"] for event in printed} == {"output"} and len(printed) == 3, "while it runs"
    assert "".join(event["text"] for event in printed) == last["output"] == "a 0\na 1\na 2\n"
    assert (last["event"], last["path"], last["result"], last["pointer"]) == ("result", "/f/a", "a", None)
    assert last["receipt"] == (await client.receipts("/f/a"))[0]
    *printed, last = await collect(client, "/f/a", "chat")
    assert "".join(event["text"] for event in printed) == last["output"] == "one\ntwo ?three\n"
    (failed,) = await collect(client, "/f/a", "grow", "x")
    assert failed["event"] == "error" and failed["error"]["code"] == "ExecutionFailed"
    await refused(collect(client, "/nowhere", "grow"), NotFound)
    await refused(collect(client, "/f/a", "a b"), NotFound)


async def test_what_happens_in_a_directory(client: Client) -> None:
    await client.update("/f/b", acres=-1)
    events = await collect(client, "/f", "grow")
    assert events[0] == {"event": "progress", "done": 0, "failed": 0, "total": 4}
    assert events[-1] == {"event": "progress", "done": 4, "failed": 1, "total": 4}
    kinds = [event["event"] for event in events]
    assert kinds.count("result") == 3 and kinds.count("error") == 1
    events = await collect(client, "/f", "look")
    for name in "acd":
        text = "".join(each["text"] for each in events if each["event"] == "output" and each["path"] == f"/f/{name}")
        assert text == f"{name} 0\n{name} 1\n{name} 2\n"


@pytest.mark.parametrize("path", ["/f/a", "/f"])
async def test_closing_the_stream_ends_the_run(filesystem: Filesystem, client: Client, path: str) -> None:
    before = len(asyncio.all_tasks())
    async with aclosing(client.runstream(path, "wait")) as events:
        async for event in events:
            if event["event"] == "output":
                break
    assert len(asyncio.all_tasks()) == before
    assert await client.run("/f/a", "grow") == 4, "nothing is held"
    assert OBJECT_LOCKS.of(filesystem.core).is_idle


async def test_cancelling_a_run_of_a_directory(filesystem: Filesystem, client: Client) -> None:
    before = len(asyncio.all_tasks())
    task = asyncio.ensure_future(client.run("/f", "wait"))
    await eventually(lambda: len(OBJECT_LOCKS.of(filesystem.core)) == 4)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() and len(asyncio.all_tasks()) == before
    assert await client.run("/f/a", "grow") == 4


async def test_a_store_that_fails_in_the_middle_is_told(filesystem: Filesystem, client: Client) -> None:
    class Closing(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            raise RuntimeError("a fault of the runner")

    filesystem.runner = Closing()
    with pytest.raises(RuntimeError, match="a fault"):
        await client.run("/f", "grow")
    assert OBJECT_LOCKS.of(filesystem.core).is_idle


async def test_who_runs_waits_for_a_slow_reader() -> None:
    made = 0

    async def work(feed: Feed) -> None:
        nonlocal made
        for number in range(ROOM * 3):
            await feed.put({"event": "result", "number": number})
            made += 1

    async with aclosing(Feed().read(work)) as events:
        first = await anext(events)
        await asyncio.sleep(0)
        assert made <= ROOM + 1
        assert [first["number"], *[each["number"] async for each in events]] == list(range(ROOM * 3))


async def test_pieces_of_output_become_few_events() -> None:
    async def work(feed: Feed) -> None:
        for number in range(20_000):
            feed.write("/a", f"{number}\n")

    async with aclosing(Feed().read(work)) as events:
        texts = [event["text"] async for event in events]
    assert "".join(texts) == "".join(f"{number}\n" for number in range(20_000)) and len(texts) < 30
