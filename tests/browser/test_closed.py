"""The kernel's half of guest workers against the guests' own, in one loop; and the questions before code runs.

What the worker itself keeps in is tests/page/test_closed.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.guests import talk
from emerge_wasm.browser.guests.consent import CLOSED, HERE, Consent
from emerge_wasm.browser.guests.pool import KEPT, MOST, Closed
from emerge_wasm.browser.guests.worker import Guest
from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.errors import EmergeError, ExecutionFailed, LimitExceeded, PermissionDenied
from emerge_wasm.filesystem.runner import RunCall


@dataclass
class Item(EmergeFile):
    count: int = 1

    def add(self, many: int) -> int:
        print("adding")  # noqa: T201  # that it is heard is tested
        self.count += many
        return self.count

    async def names(self, afs: Any) -> list[str]:
        return [pointer.name for pointer in await afs.list("/")]

    async def follow(self, afs: Any) -> list[str]:
        return [pointer.name async for pointer in afs.dir("/")]

    async def wait(self) -> None:
        import asyncio

        await asyncio.Event().wait()

    def fail(self) -> None:
        raise ValueError("no")


POINTER: dict[str, Any] = {
    **dict.fromkeys(("uuid", "name", "type", "perms", "group", "revision", "date", "node"), "x"),
    **{"path": "/", "class_name": "Item", "owner": "mallory", "size": 1, "version": 1},
}


def call(method: str, *args: Any, owner: str = "mallory", timeout: float = 5.0, nested: bool = False) -> RunCall:
    bundles = capture(Item)
    pointer = {**POINTER, "bundle": bundles[-1].hash, "owner": owner}
    known = {bundle.hash: bundle.data for bundle in bundles}
    state = pack_state(Item(), lambda _: bundles[-1].hash)
    return RunCall("/x", pointer, state, known, method, list(args), {}, timeout, "", nested)


class Files:
    """The Host of a call: two entries, and what was printed."""

    def __init__(self) -> None:
        self.text = ""

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        if name != "list":
            raise PermissionDenied(f"no {name} here")
        return {"entries": [{**POINTER, "bundle": "", "name": name} for name in "ab"], "cursor": ""}

    async def stream(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        for name in "ab":
            yield {**POINTER, "bundle": "", "name": name}

    def write(self, text: str) -> None:
        self.text += text


class Yard:
    """Starts guests in this very loop; `said` replaces what they say."""

    def __init__(self, said: Callable[[bytes], bytes] = lambda data: data) -> None:
        self.said = said
        self.opened = 0
        self.closed = 0

    async def open(self, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Any:
        self.opened += 1
        yard, guest = self, Guest(lambda data: hear(yard.said(data)))

        class Line:
            def send(self, data: bytes) -> None:
                guest.hear(data)

            def close(self) -> None:
                yard.closed += 1
                for task in guest._tasks:
                    task.cancel()

        return Line()


async def test_a_call_runs_and_its_output_comes() -> None:
    closed, host = Closed(Yard().open), Files()
    outcome = await closed.run(call("add", 2), host)
    assert outcome.result == 3
    assert outcome.state is not None
    assert host.text == outcome.output == "adding\n"
    assert not closed.busy


@pytest.mark.parametrize("method", ["names", "follow"])
async def test_it_asks_its_host_for_the_filesystem(method: str) -> None:
    assert (await Closed(Yard().open).run(call(method), Files())).result == ["a", "b"]


async def test_what_it_raises_comes_back() -> None:
    with pytest.raises(ExecutionFailed, match="ValueError: no"):
        await Closed(Yard().open).run(call("fail"), Files())


async def test_a_guest_is_of_one_author() -> None:
    yard = Yard()
    closed = Closed(yard.open)
    for owner in ("mallory", "mallory", "oscar", "mallory"):
        await closed.run(call("add", 1, owner=owner), Files())
    assert yard.opened == 2
    for number in range(KEPT + 1):
        await closed.run(call("add", 1, owner=f"other{number}"), Files())
    assert yard.opened - yard.closed == KEPT


async def test_one_that_is_late_or_cancelled_is_ended() -> None:
    yard = Yard()
    closed = Closed(yard.open)
    with pytest.raises(LimitExceeded) as caught:
        await closed.run(call("wait", timeout=0.05), Files())
    assert caught.value.details["limit"] == "wall time"
    waiting = asyncio.ensure_future(closed.run(call("wait"), Files()))
    await asyncio.sleep(0.05)
    assert closed.busy
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert yard.opened == yard.closed == 2
    assert (await closed.run(call("add", 1), Files())).result == 2


async def test_calls_that_others_wait_for_have_a_limit() -> None:
    closed = Closed(Yard().open)
    waiting = [asyncio.ensure_future(closed.run(call("wait", nested=True), Files())) for _ in range(MOST)]
    await asyncio.sleep(0.05)
    with pytest.raises(LimitExceeded, match="at work"):
        await closed.run(call("add", 1, nested=True), Files())
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"\xc1",
        talk.pack(99),
        talk.pack(talk.DONE, 1),
        talk.pack(talk.VALUES, [1], []),
        talk.pack(talk.FAILED, {"details": {"path": 1}}),
    ],
)
async def test_what_is_no_message_ends_it(lie: bytes) -> None:
    yard = Yard(lambda data: lie)
    with pytest.raises(EmergeError, match=r"sent what it must not|ended"):
        await Closed(yard.open).run(call("add", 1), Files())


async def test_output_without_end_ends_it() -> None:
    yard = Yard(lambda data: talk.pack(talk.TEXT, "x" * 2_000_000))
    with pytest.raises(LimitExceeded) as caught:
        await Closed(yard.open).run(call("add", 1), Files())
    assert caught.value.details["limit"] == "output"
    assert yard.closed == 1


# --- asking
class Asked:
    """A page that notes what it is asked."""

    def __init__(self, always: tuple[str, ...] = ()) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.consent = Consent(lambda name, **fields: self.events.append((name, fields)), always)

    async def ask(self, answer: bool | None, place: str = CLOSED) -> asyncio.Task[None]:
        asked = call("add", 1)
        task = asyncio.create_task(self.consent.ask(asked.pointer, asked.bundles, place, "cluster"))
        await asyncio.sleep(0)
        if answer is not None:
            self.consent.answer(self.events[-1][1]["question"]["id"], answer)
        return task

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


async def test_it_is_asked_once() -> None:
    page = Asked()
    await (await page.ask(True))
    question = page.events[0][1]["question"]
    assert "class Item" in question["source"]
    assert (question["owner"], question["place"], question["where"]) == ("mallory", CLOSED, "cluster")
    await (await page.ask(None))
    assert page.names() == ["question", "answered"]


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
    keys = [fields["question"]["keys"] for name, fields in page.events if name == "question"]
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
    page.consent.know(call("add").bundles)
    assert page.names() == ["known"]
    await (await page.ask(None, HERE))
    assert page.names() == ["known"]
