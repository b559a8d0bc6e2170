"""Many objects are stored batch by batch; while one is stored, the next one is packed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client, writes
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import CannotShip, EmergeError, Invalid
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context, Values, Wire
from emerge_wasm.stores.memory import MemoryStore


@dataclass
class Part(EmergeFile):
    number: int = 0
    held: object = None


class Held(LocalTransport):
    """Tells of each `storeall` and answers it when it may."""

    def __init__(self, filesystem: Filesystem) -> None:
        super().__init__(filesystem, Context("tester", superuser=True))
        self.asked = 0
        self.may = asyncio.Semaphore(1000)

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name == "storeall":
            self.asked += 1
            await self.may.acquire()
        return await super().call(name, args, context)


@pytest.fixture
async def held(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    monkeypatch.setattr(writes, "BATCH", 3)
    filesystem = await Filesystem.open(MemoryStore(), node="here")
    yield Held(filesystem)
    await filesystem.close()


def parts(count: int) -> list[Part]:
    return [Part(name=f"{number:02}", path="/parts", number=number) for number in range(count)]


async def until(holds: Callable[[], bool], turns: int = 10_000) -> None:
    """Let others go on until something holds, or for so many turns of the loop."""
    for _ in range(turns):
        if holds():
            return
        await asyncio.sleep(0)


async def numbers(client: Client) -> list[int]:
    return [each.number async for each in client.objects("/parts")]


@pytest.mark.parametrize("count", range(1, 11))
async def test_all_are_stored_in_their_order_and_know_it(held: Held, count: int) -> None:
    async with Client(held) as client:
        objects = parts(count)
        for version in (1, 2):
            pointers = await client.storeall(objects)
            assert [(each.name, each.version) for each in pointers] == [(each.name, version) for each in objects]
            assert [each.uuid for each in pointers] == [each.uuid for each in objects]
        assert held.asked == 2 * -(-count // 3)
        assert await numbers(client) == list(range(count))


async def test_the_next_batch_is_packed_while_one_is_stored_and_no_more(held: Held) -> None:
    packed = 0

    def each() -> Iterator[Part]:
        nonlocal packed
        for part in parts(12):
            yield part
            packed += 1

    held.may = asyncio.Semaphore(0)
    async with Client(held) as client:
        storing = asyncio.ensure_future(client.storeall(each()))
        for turn in range(1, 5):
            await until(lambda turn=turn: held.asked == turn and packed >= min(3 * turn + 2, 12))
            await until(lambda: False, 20)  # no more comes
            assert (held.asked, packed) == (turn, min(3 * turn + 2, 12))
            held.may.release()
        assert len(await storing) == 12


@pytest.mark.parametrize("at", range(8))
async def test_one_that_cannot_be_packed_leaves_the_batches_before_it_stored(held: Held, at: int) -> None:
    objects = parts(8)
    objects[at].held = asyncio.Lock()
    async with Client(held) as client:
        with pytest.raises(CannotShip):
            await client.storeall(objects)
        whole = at // 3 * 3
        assert [each.version for each in objects] == [1] * whole + [0] * (8 - whole)
        if whole:
            assert await numbers(client) == list(range(whole))


async def test_the_error_of_the_batch_that_came_first_is_told(held: Held) -> None:
    objects = parts(6)
    objects[1].perms, objects[4].held = "nonsense", asyncio.Lock()
    async with Client(held) as client:
        with pytest.raises(Invalid, match="nonsense"):
            await client.storeall(objects)


async def test_who_is_cancelled_leaves_nothing_under_way(held: Held) -> None:
    held.may = asyncio.Semaphore(0)
    async with Client(held) as client:
        storing = asyncio.ensure_future(client.storeall(parts(9)))
        await until(lambda: held.asked == 1)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
        held.may = asyncio.Semaphore(1000)
        with pytest.raises(EmergeError):
            await client.list("/parts")
        assert held.asked == 1
