"""The questions before code runs here that this browser has not run before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.guests.consent import CLOSED, HERE, CodePlace, Consent
from emerge_wasm.bundles import capture
from emerge_wasm.bundles.bundle import Bundle
from emerge_wasm.errors import PermissionDenied, Unavailable
from emerge_wasm.results import AuthorMap


@dataclass
class Item(EmergeFile):
    count: int = 1


@dataclass
class Kept(EmergeFile):
    """The code of this one is here as it is in its bundle."""

    item: Item | None = None


def foreign(cls: type) -> Bundle:
    """The bundle of another user's class: of the same name, and of other code than the one here."""
    content = capture(cls)[-1].content
    parts = tuple(replace(part, text=part.text.replace("count: int = 1", "count: int = 2")) for part in content.parts)
    return Bundle.of(replace(content, parts=parts))


ITEM = foreign(Item)
BUNDLES = {ITEM.hash: ITEM.data}
POINTER = {"path": "/", "name": "x", "class_name": "Item", "owner": "mallory", "bundle": ITEM.hash}


class Asked:
    """A page that notes what it is asked."""

    def __init__(self, always: tuple[str, ...] = ()) -> None:
        self.events: list[Any] = []
        self.consent = Consent(self.events.append, always)

    async def ask(self, answer: bool | None, place: CodePlace = CLOSED) -> asyncio.Task[None]:
        task = asyncio.create_task(self.consent.ask(POINTER, BUNDLES, place, "cluster"))
        await asyncio.sleep(0)
        if answer is not None:
            self.consent.answer(self.events[-1]["question"]["id"], answer)
        return task

    def names(self) -> list[str]:
        return [each["event"] for each in self.events]


async def test_it_is_asked_once() -> None:
    page = Asked()
    await (await page.ask(True))
    question = page.events[0]["question"]
    assert "class Item" in question["source"]
    assert (question["owner"], question["place"], question["where"]) == ("mallory", CLOSED, "cluster")
    await (await page.ask(None))
    assert page.names() == ["question", "answered"]


async def test_it_names_who_stands_for_the_code_and_asks_once_meanwhile() -> None:
    events: list[Any] = []
    asked, told, came = [], asyncio.Event(), asyncio.Event()

    def hear(event: Any) -> None:
        events.append(event)
        came.set()

    async def authors(where: str, hashes: list[str]) -> AuthorMap:
        asked.append((where, hashes))
        await told.wait()
        return {hash: [{"principal": name, "groups": []} for name in ("mallory", "eve")] for hash in hashes}

    consent = Consent(hear, (), authors)
    tasks = [asyncio.create_task(consent.ask(POINTER, BUNDLES, CLOSED, "cluster")) for _ in range(3)]
    await asyncio.sleep(0)
    told.set()
    await asyncio.wait_for(came.wait(), 10)
    assert asked == [("cluster", [ITEM.hash])] * 3
    assert events[0]["question"]["authors"] == ["eve", "mallory"]
    consent.answer(events[0]["question"]["id"], True)
    await asyncio.gather(*tasks)
    assert [each["event"] for each in events] == ["question", "answered"]


async def test_a_place_that_does_not_say_who_keeps_nobody_from_asking() -> None:
    events: list[Any] = []
    came = asyncio.Event()

    def hear(event: Any) -> None:
        events.append(event)
        came.set()

    async def authors(where: str, hashes: list[str]) -> AuthorMap:
        raise Unavailable("it is away")

    task = asyncio.create_task(Consent(hear, (), authors).ask(POINTER, BUNDLES, CLOSED, "cluster"))
    await asyncio.wait_for(came.wait(), 10)
    assert events[0]["question"]["authors"] == []
    task.cancel()


async def test_no_means_no_and_it_is_asked_again() -> None:
    page = Asked()
    for _ in range(2):
        with pytest.raises(PermissionDenied, match="Item"):
            await (await page.ask(False))
    assert page.names().count("question") == 2


async def test_to_run_closed_in_is_not_to_run_in_the_tab() -> None:
    page = Asked()
    await (await page.ask(True, CLOSED))
    await (await page.ask(True, HERE))
    await (await page.ask(None, CLOSED))
    assert page.names().count("question") == 2
    keys = [each["question"]["keys"] for each in page.events if each["event"] == "question"]
    again = Asked(tuple(keys[1]))
    await (await again.ask(None, CLOSED))
    await (await again.ask(None, HERE))
    assert not again.events


async def test_many_who_wait_are_one_question_and_nobody_is_none() -> None:
    page = Asked()
    first = await page.ask(None)
    second = await page.ask(None)
    assert page.names() == ["question"]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert page.names() == ["question"]
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert page.names() == ["question", "answered"]
    await (await page.ask(True))


async def test_what_was_written_here_is_not_asked() -> None:
    page = Asked()
    page.consent.know(BUNDLES)
    assert page.names() == ["known"]
    await (await page.ask(None, HERE))
    assert page.names() == ["known"]


@pytest.mark.parametrize("place", [CLOSED, HERE])
async def test_code_that_the_console_has_is_not_asked_however_it_came(place: CodePlace) -> None:
    page = Asked()
    bundles = {bundle.hash: bundle.data for bundle in capture(Kept)}
    moved = Bundle.of(replace(capture(Kept)[-1].content, module="elsewhere"))  # stored from a module that is not here
    bundles[moved.hash] = moved.data
    assert moved.hash != capture(Kept)[-1].hash
    await page.consent.ask({**POINTER, "bundle": moved.hash}, bundles, place, "cluster")
    assert page.names() == ["known"] and page.consent.allows(moved.hash, HERE)


async def test_only_what_is_foreign_is_asked() -> None:
    page = Asked()
    bundles = BUNDLES | {bundle.hash: bundle.data for bundle in capture(Kept)}
    task = asyncio.create_task(page.consent.ask(POINTER, bundles, HERE, "cluster"))
    await asyncio.sleep(0)
    assert page.events[-1]["question"]["keys"] == [f"+{ITEM.hash}"]
    page.consent.answer(page.events[-1]["question"]["id"], False)
    with pytest.raises(PermissionDenied):
        await task
