"""Tables and changes of the page, over a filesystem in memory: each page of each question, and each change undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast
from uuid import UUID

from emerge_wasm import EmergeFile
from emerge_wasm.browser.places.place import TabPlace
from emerge_wasm.browser.protocol.argument import RowsArgs
from emerge_wasm.browser.protocol.step import ChangeReport, ChangeStep
from emerge_wasm.browser.protocol.view import TablePage
from emerge_wasm.browser.requests.change import change
from emerge_wasm.browser.requests.table import pages, rows
from emerge_wasm.browser.tab import Tab
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store


@dataclass
class Crate(EmergeFile):
    weight: float = 0.0
    label: str = ""
    tags: list[str] = field(default_factory=list)


class OneTab:
    """What the handlers need of a tab: one filesystem, work under way, and where events go."""

    def __init__(self, place: TabPlace) -> None:
        self.place = place
        self.events: list[dict[str, Any]] = []

    def find(self, args: object) -> TabPlace:
        return self.place

    def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    async def under_way(self, number: int, work: Any) -> Any:
        return await work

    async def rows(self, **asked: Any) -> TablePage:
        question = {"where": "local", "path": "/a", "inside": True, "text": "", "order": "", "descending": False}
        args = cast("RowsArgs", {**question, "cursor": "", "limit": 10, "fields": [], **asked})
        return await rows(cast("Tab", self), args)

    async def whole(self, **asked: Any) -> list[str]:
        """The names of all rows, by one page after the other."""
        found, cursor = list[str](), ""
        while True:
            page = await self.rows(cursor=cursor, **asked)
            found += [row["pointer"]["name"] for row in page["rows"]]
            cursor = page["cursor"]
            if not cursor:
                return found

    async def change(self, *steps: ChangeStep) -> ChangeReport:
        return await change(cast("Tab", self), {"where": "local", "steps": list(steps), "run": 1})


@asynccontextmanager
async def one_tab() -> AsyncIterator[OneTab]:
    filesystem = await Filesystem.open(await open_store("memory:"))
    place = TabPlace("local", "")
    await place.gain(LocalTransport(filesystem), alone=True)
    yield OneTab(place)
    await filesystem.close()


async def fill(tab: OneTab, random: Random) -> None:
    crates = [
        Crate(name=f"c{n:02}", path="/a", weight=float(random.randrange(6)), label=f"L{n % 3}") for n in range(33)
    ]
    await tab.place.reader.storeall([*crates, EmergeFile(name="plain", path="/a", data={"x": 1})])
    await tab.place.reader.storeall([Crate(name=f"deep{n}", path="/a/sub", weight=1.0) for n in range(4)])


def test_every_page_of_every_table_can_be_asked_for() -> None:
    async def run() -> None:
        async with one_tab() as tab:
            await fill(tab, Random(3))
            for inside in (True, False):
                for text, order in (
                    ("", ""),
                    ("", "weight"),
                    ("o.weight > 2", ""),
                    ("o.weight > 2 or\no.weight < 1", "label"),
                ):
                    asked: dict[str, Any] = {"inside": inside, "text": text, "order": order, "limit": 7}
                    whole = await tab.whole(**asked)
                    assert ("sub" in whole) == (inside and not text and not order)
                    assert ("deep0" in whole) == (not inside and not text)
                    args = {"where": "local", "path": "/a", "descending": False, **asked}
                    told = await pages(cast("Tab", tab), args)  # type: ignore[arg-type]
                    assert told["count"] == len(whole)
                    for number, cursor in enumerate(told["cursors"]):
                        page = await tab.rows(cursor=cursor, **asked)
                        assert [row["pointer"]["name"] for row in page["rows"]] == whole[7 * number :][:7]

    asyncio.run(run())


def test_rows_have_the_fields_of_their_classes() -> None:
    async def run() -> None:
        async with one_tab() as tab:
            await fill(tab, Random(1))
            page = await tab.rows(limit=100)
            cells = {row["pointer"]["name"]: row["cells"] for row in page["rows"]}
            assert cells["c01"]["label"] == "L1" and cells["plain"]["data"] == "{'x': 1}" and cells["sub"] == {}
            fields = {each["name"]: each["fields"] for each in page["classes"]}
            assert fields["Crate"] | {"weight": "float", "tags": "list[str]"} == fields["Crate"]
            await tab.place.reader.storeall(
                [EmergeFile(name="a", path="/c"), Crate(name="b", path="/c"), Crate(name="c", path="/c")]
            )
            assert [each["name"] for each in (await tab.rows(path="/c"))["classes"]] == ["Crate", "EmergeFile"]
            rows = [EmergeFile(name=f"r{n}", path="/mixed") for n in range(3)]
            for row, value in zip(rows, ("abc", 1.5, 2.5), strict=True):
                vars(row)["price"] = value
            await tab.place.reader.storeall(rows)
            (told,) = (await tab.rows(path="/mixed"))["classes"]
            assert told["fields"]["price"] == "float | str"  # whichever came first
            long = EmergeFile(name="long", path="/b", data=["x"] * 100_000)
            when = EmergeFile(name="a", path="/b", data=datetime(2026, 5, 1, 9, 30))
            day = EmergeFile(name="b", path="/b", data=date(2026, 5, 1))
            wide_one = EmergeFile(name="w", path="/w", data={"deep": {"city": "Bern"}})
            vars(wide_one).update({f"f{n:02}": n for n in range(60)})
            await tab.place.reader.store(wide_one)
            (row,) = (await tab.rows(path="/w", fields=["f59", "f40", "data.deep.city", "data.no", "f61"]))["rows"]
            cells = row["cells"]
            assert (cells["f59"], cells["f40"], cells["data.deep.city"], "f41" in cells) == ("59", "40", "Bern", False)
            assert not {"data.no", "f61"}.intersection(cells)
            plain = {"dec": Decimal("1.50"), "id": UUID(int=5), "took": timedelta(1, 3)}
            await tab.place.reader.storeall(
                [EmergeFile(name=name, path="/p", data=each) for name, each in plain.items()]
            )
            shown = [row["cells"]["data"] for row in (await tab.rows(path="/p"))["rows"]]
            assert shown == [str(plain[name]) for name in sorted(plain)]
            wide = EmergeFile(name="wide", path="/b", data=b"\0" * 5000)
            await tab.place.reader.storeall([when, day, long, wide])
            page = await tab.rows(path="/b")
            assert [row["cells"]["data"] for row in page["rows"]] == [
                "2026-05-01 09:30:00",
                "2026-05-01",
                "list of 100,000",
                "5,000 bytes",
            ]

    asyncio.run(run())


async def snapshot(tab: OneTab) -> dict[str, object]:
    """All that can be seen: what is where, with its state and rights."""
    found: dict[str, object] = {}
    async for pointer in tab.place.reader.tree("/"):
        state = None if pointer.is_directory else await tab.place.reader.cat(pointer.full_path)
        found[pointer.full_path] = (pointer.uuid, pointer.perms, state)
    return found


def test_whatever_is_changed_can_be_undone_and_redone() -> None:
    async def run(seed: int) -> None:
        random = Random(seed)
        async with one_tab() as tab:
            await fill(tab, random)
            for turn in range(6):
                before = await snapshot(tab)
                some = random.sample([path for path in before if path.count("/") > 1], 4)
                steps: list[ChangeStep] = []
                for path in some:
                    kinds: list[ChangeStep] = [
                        {"change": "remove", "path": path},
                        {"change": "move", "path": path, "target": f"/moved/{turn}{len(steps)}"},
                        {"change": "copy", "path": path, "target": f"/copied/{turn}{len(steps)}"},
                        {"change": "set", "path": path, "version": 0, "fields": {"weight": "9.5", "label": "new"}},
                        {"change": "chmod", "path": path, "perms": "rwx------"},
                        {"change": "mkdir", "path": f"/made/{turn}/{len(steps)}"},
                    ]
                    steps.append(random.choice(kinds))
                await tab.change({"change": "mkdir", "path": "/moved"}, {"change": "mkdir", "path": "/copied"})
                before = await snapshot(tab)
                report = await tab.change(*steps)
                after = await snapshot(tab)
                undone = await tab.change(*report["undo"])
                assert undone["failed"] == 0, undone["failures"]
                assert await snapshot(tab) == before, steps
                redone = await tab.change(*undone["undo"])
                assert redone["failed"] == 0, redone["failures"]
                again = await snapshot(tab)
                assert {path: held[1:] for path, held in again.items()} == {
                    path: held[1:] for path, held in after.items()
                }

    for seed in range(2):
        asyncio.run(run(seed))


def test_a_change_that_fails_is_told_and_the_others_are_made() -> None:
    async def run() -> None:
        async with one_tab() as tab:
            await fill(tab, Random(2))
            report = await tab.change(
                {"change": "set", "path": "/a/c01", "version": 0, "fields": {"weight": "heavy"}},
                {"change": "remove", "path": "/a/nothing"},
                {"change": "move", "path": "/a/c02", "target": ""},
                {"change": "set", "path": "/a/c03", "version": 0, "fields": {"weight": "3"}},
            )
            assert (report["done"], report["failed"]) == (1, 3)
            assert [each["path"] for each in report["failures"]] == ["/a/c01", "/a/nothing", "/a/c02"]
            assert await tab.place.reader.cat("/a/c03.weight") == 3.0
            assert tab.events[-1]["done"] == 4

    asyncio.run(run())
