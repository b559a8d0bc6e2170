"""How many methods run at once, and that none waits for ever for a place that another one holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, LimitExceeded
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem, RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs import capacity
from emerge_wasm.filesystem.runs.capacity import Capacity, Seat
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.invoke import CAPACITY
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import refused
from tests.node.conftest import eventually


@dataclass
class Thing(EmergeFile):
    count: int = 0

    async def add(self) -> int:
        before = self.count
        await asyncio.sleep(0.005)
        self.count = before + 1
        return self.count

    async def pass_on(self, afs: Any, other: str) -> Any:
        await asyncio.sleep(0.02)
        return await afs.run(other, "add")


class Two(Here):
    """Good for two at once; nobody may be given more, or wait in it."""

    size = 2

    def __init__(self) -> None:
        super().__init__(given=give_filesystem)
        self.most = self.running = 0
        self.go = asyncio.Event()
        self.go.set()

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        assert call.nested
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
            return await super().run(call, host)
        finally:
            self.running -= 1


@pytest.fixture
async def filesystem() -> Filesystem:
    filesystem = await Filesystem.open(await open_store("memory:"), runner=Two())
    await Client(LocalTransport(filesystem)).storeall([Thing(name=name, path="/t") for name in "abcdef"])
    return filesystem


async def test_so_many_compute_at_once(filesystem: Filesystem) -> None:
    client = Client(LocalTransport(filesystem))
    assert await asyncio.gather(*(client.run(f"/t/{name}", "add") for name in "abcdef")) == [1] * 6
    assert isinstance(filesystem.runner, Two) and filesystem.runner.most == 2


async def test_those_that_wait_for_an_object_do_not_keep_it_from_running(filesystem: Filesystem) -> None:
    """Both seats are taken by runs that will want /t/c, which somebody runs meanwhile, and waits for a seat."""
    client = Client(LocalTransport(filesystem))
    works = [asyncio.ensure_future(client.run(f"/t/{name}", "pass_on", "/t/c")) for name in "ab"]
    await eventually(lambda: CAPACITY.of(filesystem.core).taken == 2)
    works.append(asyncio.ensure_future(client.run("/t/c", "add")))
    assert sorted(await asyncio.wait_for(asyncio.gather(*works), 5)) == [1, 2, 3]
    assert (CAPACITY.of(filesystem.core).taken, CAPACITY.of(filesystem.core).lent) == (0, 0)


async def test_a_cancelled_run_hands_its_seat_on(filesystem: Filesystem) -> None:
    client = Client(LocalTransport(filesystem))
    assert isinstance(filesystem.runner, Two)
    filesystem.runner.go.clear()
    works = [asyncio.ensure_future(client.run(f"/t/{name}", "add")) for name in "abcdef"]
    await eventually(lambda: CAPACITY.of(filesystem.core).waiting == 4)
    for work in works[:4]:
        work.cancel()
    filesystem.runner.go.set()
    ended = await asyncio.gather(*works, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in ended] == [True] * 4 + [False] * 2
    assert CAPACITY.of(filesystem.core).taken == 0


async def test_who_comes_back_goes_first() -> None:
    places, order = Capacity(), []

    async def begin(name: str) -> None:
        async with Seat(places, 1):
            await asyncio.sleep(0)
            order.append(name)

    async def wait_inside() -> None:
        seat = Seat(places, 1)
        async with seat:
            async with seat.lent():
                others.append(asyncio.ensure_future(begin("first")))
                others.append(asyncio.ensure_future(begin("second")))
                await asyncio.sleep(0)
            order.append("back")

    others: list[asyncio.Future[None]] = []
    await wait_inside()
    await asyncio.gather(*others)
    assert order == ["first", "back", "second"]
    assert (places.taken, places.lent) == (0, 0)


async def test_there_is_an_end_to_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "WAITING", 2)  # patched: 1,024 calls may wait
    places = Capacity()
    await places.take(1)
    waiting = [asyncio.ensure_future(places.take(1)) for _ in range(2)]
    await asyncio.sleep(0)
    error = await refused(places.take(1), LimitExceeded, "2 calls")
    assert error.details["limit"] == "waiting calls"
    for _ in range(3):
        places.leave()
    await asyncio.gather(*waiting)
    assert places.taken == 0


async def test_those_that_wait_are_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "LENT", 1)  # patched: 64 seats may be lent
    places = Capacity()
    first, second = Seat(places, 2), Seat(places, 2)
    async with first, second:
        async with first.lent(), second.lent():
            assert places.taken == 1, "the second one keeps its seat"
        assert (places.taken, places.lent) == (2, 0)
