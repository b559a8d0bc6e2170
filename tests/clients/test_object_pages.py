"""Objects of a directory come by the page; the next page is asked for while one is made into instances.

By each of the two ways: page by page, and as the cells' kernel gets them, which the page's reads ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple, cast

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.cells import CellsKernel
from emerge_wasm.browser.console.page_link import PageLink
from emerge_wasm.browser.console.trace import TracedTransport
from emerge_wasm.browser.guests.consent import Consent
from emerge_wasm.browser.guests.link_host import PAGES
from emerge_wasm.clients import Client, reads
from emerge_wasm.clients.pointer_reads import PAGE
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import StaleAnswer
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context, Transport, Values, Wire
from emerge_wasm.results import ObjectPage
from emerge_wasm.stores.memory import MemoryStore
from emerge_wasm.straight import run_straight


class Counted(LocalTransport):
    """Counts the pages that are asked for, and those that are under way."""

    asked = 0
    under_way = 0
    stale: frozenset[int] = frozenset()
    """The pages that are a copy's."""

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name != "objects":
            return await super().call(name, args, context)
        self.asked += 1
        self.under_way += 1
        try:
            number = self.asked
            page = cast("dict[str, object]", await super().call(name, args, context))
            return {**page, "stale": "2026-01-01T00:00:00.000000+00:00"} if number in self.stale else page
        finally:
            self.under_way -= 1


class Way(NamedTuple):
    """A way to a filesystem: `ahead` is how many pages may be read that nobody has asked for."""

    transport: Transport
    counted: Counted
    ahead: int


@pytest.fixture(params=["by the page", "ahead"])
async def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    monkeypatch.setattr(reads, "PAGE", 6)
    monkeypatch.setattr(reads, "TOGETHER", 2)
    filesystem = await Filesystem.open(MemoryStore(), node="here")
    counted = Counted(filesystem, Context("tester", superuser=True))
    if request.param == "ahead":
        yield Way(TracedTransport("local", _linked(counted)), counted, PAGES + 2)
    else:
        yield Way(counted, counted, 0)
    await filesystem.close()


def _linked(place: Transport) -> Transport:
    """The transport of the cells' kernel to the page's, both in this loop."""
    loop = asyncio.get_running_loop()

    async def refuse(*_: object) -> str:
        raise AssertionError("nothing is asked")

    def hear(data: bytes) -> None:
        link.hear(data)

    kernel = CellsKernel(hear, {"local": place}, Consent(lambda event: None), lambda number: None, refuse)
    link = PageLink(lambda data: loop.call_soon(kernel.hear, data))
    return link.filesystems["local"]


async def _at_rest(counted: Counted) -> None:
    """Wait until nothing is under way."""
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
        while counted.under_way or len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # whatever ends last
            await asyncio.sleep(0)


@dataclass
class Kept(EmergeFile):
    """An object of a class of its own."""

    content: bytes = b""


@dataclass
class Tide(Kept):
    """And one of another."""


async def fill(client: Client, count: int) -> list[str]:
    names = [f"{number:02}" for number in range(count)]
    await client.mkdir("/d")
    await client.storeall(EmergeFile(name=name, path="/d") for name in names)
    return names


@pytest.mark.parametrize("count", range(20))
async def test_all_come_once_in_their_order(way: Way, count: int) -> None:
    async with Client(way.transport) as client:
        names = await fill(client, count)
        assert [each.name async for each in client.objects("/d")] == names
        assert way.counted.asked == count // 6 + 1


@pytest.mark.parametrize("taken", range(1, 15))
async def test_who_leaves_early_has_few_pages_too_many_and_nothing_under_way(way: Way, taken: int) -> None:
    async with Client(way.transport) as client:
        names = await fill(client, 96)
        objects = client.objects("/d")
        assert [(await anext(objects)).name for _ in range(taken)] == names[:taken]
        pages = (taken - 1) // 6 + 1  # that were needed
        ahead = taken > 2  # the second few have been taken
        assert pages + ahead - (way.ahead > 0) <= way.counted.asked <= pages + ahead * (1 + way.ahead)
        await objects.aclose()  # type: ignore[attr-defined]
        await _at_rest(way.counted)
        asked = way.counted.asked
        assert asked <= pages + ahead * (1 + way.ahead)
        await client.get("/d")
        assert way.counted.asked == asked


@pytest.mark.parametrize("taken", [3, 7, 13])
async def test_what_is_read_ahead_is_bounded(way: Way, taken: int) -> None:
    async with Client(way.transport) as client:
        await fill(client, 96)
        objects = client.objects("/d")
        for _ in range(taken):
            await anext(objects)
        needed = (taken - 1) // 6 + 1
        async with asyncio.timeout(10):
            while way.counted.asked < needed + 1 + (way.ahead > 0):  # noqa: ASYNC110  # who reads ahead, reads two
                await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert way.counted.asked <= needed + 1 + way.ahead
        await objects.aclose()  # type: ignore[attr-defined]


async def test_pages_have_what_single_reads_give(way: Way) -> None:
    """Of objects of several classes, owners, permissions and sizes, in every field of their pointers."""
    dice = Random(11)
    async with Client(way.transport) as client:
        await client.mkdir("/d/21a")
        names = [f"{number:02}" for number in range(40)]
        for name in names:
            content = dice.randbytes(dice.choice([1, 300, 70_000, 300_000]))
            await client.store(dice.choice([Tide, Kept])(name=name, path="/d", content=content))
            if dice.random() < 0.3:
                await client.chmod(f"/d/{name}", dice.choice(["rw-------", "rwxrwxrwx"]))
        args: Values = ["/d", "", 6]
        if way.ahead:
            pages = [page async for page in way.transport.stream("objects", args)]
        else:
            pages = []
            while not pages or pages[-1]["cursor"]:
                args = ["/d", pages[-1]["cursor"] if pages else "", 6]
                pages.append(await way.transport.call("objects", args))
        found = [row for page in cast("list[ObjectPage]", pages) for row in page["objects"]]
        assert found == [await way.transport.call("getobject", [f"/d/{name}"]) for name in names]
        assert len({row["pointer"]["class_name"] for row in found}) == 2


async def test_what_stays_comes_once_and_in_order_whatever_else_changes(way: Way) -> None:
    dice = Random(5)
    async with Client(way.transport) as client:
        stay = await fill(client, 60)
        for turn in range(8):
            come = [f"{number:02}{turn}" for number in dice.sample(range(60), 20)]
            found: list[str] = []
            async for each in client.objects("/d"):
                found.append(each.name)
                if come and dice.random() < 0.5:
                    await client.store(EmergeFile(name=come.pop(), path="/d"))
            assert all(one < other for one, other in pairwise(found))
            assert [name for name in found if len(name) == 2] == stay
        assert len(found) > 60


@pytest.mark.parametrize("stale", range(1, 5))
async def test_a_page_of_a_copy_is_warned_of_whichever_it_is(way: Way, stale: int) -> None:
    async with Client(way.transport) as client:
        names = await fill(client, 20)
        way.counted.stale = frozenset({stale})
        with pytest.warns(StaleAnswer):
            assert [each.name async for each in client.objects("/d")] == names


async def test_a_page_that_fails_is_told_when_its_turn_comes(way: Way) -> None:
    async with Client(way.transport) as client:
        names = await fill(client, 12)
        found = []
        with pytest.raises(Exception, match="nothing is at /d"):
            async for each in client.objects("/d"):
                if not found:
                    await client.rm("/d", recursive=True)
                found.append(each.name)
        assert found == names[:6]
    await _at_rest(way.counted)


def test_where_no_loop_runs_the_pages_come_all_the_same() -> None:
    """As in a method on a node, whose calls are answered without one."""

    async def fill() -> Client:
        client = Client(LocalTransport(await Filesystem.open(MemoryStore()), Context(superuser=True)))
        await client.storeall([EmergeFile(name=f"n{each}", path="/many") for each in range(2 * PAGE + 1)])
        return client

    async def count(client: Client) -> int:
        return len([each async for each in client.objects("/many")])

    assert run_straight(count(asyncio.run(fill()))) == 2 * PAGE + 1
