"""Objects of a directory come by the page; the next page is asked for while one is made into instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client, reads
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context, Values, Wire
from emerge_wasm.stores.memory import MemoryStore


class Counted(LocalTransport):
    """Counts the pages that are asked for, and those that are under way."""

    asked = 0
    under_way = 0

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name != "objects":
            return await super().call(name, args, context)
        self.asked += 1
        self.under_way += 1
        try:
            return await super().call(name, args, context)
        finally:
            self.under_way -= 1


@pytest.fixture
async def counted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    monkeypatch.setattr(reads, "PAGE", 6)
    monkeypatch.setattr(reads, "TOGETHER", 2)
    filesystem = await Filesystem.open(MemoryStore(), node="here")
    yield Counted(filesystem, Context("tester", superuser=True))
    await filesystem.close()


async def fill(client: Client, count: int) -> list[str]:
    names = [f"{number:02}" for number in range(count)]
    await client.mkdir("/d")
    await client.storeall(EmergeFile(name=name, path="/d") for name in names)
    return names


@pytest.mark.parametrize("count", range(20))
async def test_all_come_once_in_their_order(counted: Counted, count: int) -> None:
    async with Client(counted) as client:
        names = await fill(client, count)
        assert [each.name async for each in client.objects("/d")] == names
        assert counted.asked == count // 6 + 1


@pytest.mark.parametrize("taken", range(1, 15))
async def test_who_leaves_early_has_at_most_one_page_too_many_and_nothing_under_way(
    counted: Counted, taken: int
) -> None:
    async with Client(counted) as client:
        names = await fill(client, 18)
        objects = client.objects("/d")
        assert [(await anext(objects)).name for _ in range(taken)] == names[:taken]
        pages = (taken - 1) // 6 + 1  # that were needed
        ahead = taken > 2  # the second few have been taken
        assert counted.asked == pages + ahead
        await objects.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert (counted.asked, counted.under_way) == (pages + ahead, 0)


async def test_a_page_that_fails_is_told_when_its_turn_comes(counted: Counted) -> None:
    async with Client(counted) as client:
        names = await fill(client, 12)
        found = []
        with pytest.raises(Exception, match="nothing is at /d"):
            async for each in client.objects("/d"):
                if not found:
                    await client.rm("/d", recursive=True)
                found.append(each.name)
        assert found == names[:6]
