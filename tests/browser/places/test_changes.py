"""Changes on their way to the page: none is lost, whenever it is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.browser.places.changes import common_directory, summarize, watch_changes
from emerge_wasm.errors import Unavailable
from emerge_wasm.results import ChangeRow


def change(path: str, operation: str = "store", origin: str = "", position: int = 1, node: str = "n") -> ChangeRow:
    pointer: Any = {"name": path, "version": position, "node": node}
    return {"operation": operation, "path": path, "from": origin, "pointer": pointer, "position": position}


def test_changes_are_summarized() -> None:
    assert [event[:2] for event in summarize([change("/a/x"), change("/a/x", "rm")])] == [("rm", "/a/x")]
    assert [event[1] for event in summarize([change("/b", "mv", "/a")])] == ["/a", "/b"]
    assert summarize([change(f"/a/{i}/x") for i in range(1000)]) == [("many", "/a", None, "")]


def test_who_made_changes_is_told_unless_they_are_several() -> None:
    rows = [change(f"/a/{i}") for i in range(60)]
    for row in rows:
        row["pointer"]["author"] = "ann"
    assert {event[3] for event in summarize(rows[:3])} == {"ann"}
    assert summarize(rows) == [("many", "/a", None, "ann")]
    rows[0]["pointer"]["author"] = "bob"
    assert summarize(rows) == [("many", "/a", None, "")]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [(["/a/b", "/a/c"], "/a"), (["/a", "/a/b"], "/"), (["/a/b/c", "/a/b/d/e"], "/a/b"), (["/x", "/y"], "/")],
)
def test_common_directory(paths: list[str], expected: str) -> None:
    assert common_directory(paths) == expected


# --- listing and watching
class World:
    """Two nodes with a log each, the page that lists them, and what is under way between them.

    It moves on by the methods that have no underscore, each of which does one thing at one moment.
    """

    def __init__(self) -> None:
        self.log: list[tuple[str, ChangeRow]] = []
        self.stored: dict[str, int] = {}
        self.shown: dict[str, int] | None = None
        self.begun: int | None = None  # what the log held when the watch of all nodes began
        self.listed_late = False  # after that
        self._positions = {"asked": 0, "other": 0}
        self._one: list[ChangeRow] = []
        self._all: list[ChangeRow] = []
        self._arrived: dict[str, asyncio.Queue[ChangeRow]] = {"one": asyncio.Queue(), "all": asyncio.Queue()}

    # what happens
    def change_asked(self) -> None:
        self._change("asked", 1)

    def change_two(self) -> None:
        self._change("asked", 2)

    def change_other(self) -> None:
        self._change("other", 1)

    def begin(self) -> None:
        if self.begun is None:
            self.begun = len(self.log)

    def list(self) -> None:
        if self.shown is None:
            self.shown = dict(self.stored)
            self.listed_late = self.begun is not None

    def deliver_one(self) -> bool:
        return self._deliver("one", self._one)

    def deliver_all(self) -> bool:
        return self.begun is not None and self._deliver("all", self._all)

    def _change(self, node: str, count: int) -> None:
        self._positions[node] = position = self._positions[node] + 1
        for number in range(count):
            path = f"/{node}{(position + number) % 3}"
            made = change(path, "rm" if position % 4 == 0 else "store", position=position, node=node)
            self.log.append((node, made))
            self._apply(self.stored, made["operation"], path, made["position"])
            if node == "asked":
                self._one.append(made)
            if self.begun is not None:
                self._all.append(made)

    def _deliver(self, stream: str, waiting: list[ChangeRow]) -> bool:
        if waiting:
            self._arrived[stream].put_nowait(waiting.pop(0))
            return True
        return False

    @staticmethod
    def _apply(state: dict[str, int], operation: str, path: str, version: int) -> None:
        if operation == "rm":
            state.pop(path, None)
        else:
            state[path] = version

    # the kernel's side
    async def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[ChangeRow]:
        if since >= 0:
            self._one = [made for made in self._one if made["position"] > since]
        while True:
            yield await self._arrived["one" if since >= 0 else "all"].get()

    # the page's side
    def emit(self, operation: str, path: str, pointer: Any, author: str) -> None:
        if self.shown is not None:
            self._apply(self.shown, operation, path, pointer["version"])

    def of_asked(self, state: dict[str, int] | None) -> dict[str, int]:
        return {path: version for path, version in (state or {}).items() if path.startswith("/asked")}


STEPS = st.sampled_from(["change_asked", "change_two", "change_other", "begin", "list", "deliver_one", "deliver_all"])


@given(st.lists(STEPS, max_size=5), st.lists(STEPS, min_size=12, max_size=24))
def test_what_is_changed_at_any_moment_around_listing_is_shown_in_the_end(before: list[str], after: list[str]) -> None:
    async def play() -> World:
        world = World()
        for step in before:
            if step.startswith("change"):
                getattr(world, step)()
        since = (world.log and max((row["position"] for node, row in world.log if node == "asked"), default=0)) or 0
        watching = asyncio.create_task(watch_changes(world, world.emit, since, "asked", gather=0))
        for step in [*after, "begin", "list", *["deliver_one", "deliver_all"] * 50]:
            getattr(world, step)()
            for _ in range(3):
                await asyncio.sleep(0)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return world

    world = asyncio.run(play())
    assert world.of_asked(world.shown) == world.of_asked(world.stored)
    if world.listed_late:
        assert world.shown == world.stored


async def test_a_watch_that_ends_is_noted_and_keeps_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    class Ending:
        async def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[ChangeRow]:
            yield change("/a")
            raise Unavailable("the connection was lost")

    heard: list[str] = []
    with caplog.at_level(logging.WARNING, "emerge.browser"):
        await watch_changes(Ending(), lambda operation, path, pointer, author: heard.append(path), 0, gather=60)
    assert heard == ["/a"]
    assert "the connection was lost" in caplog.text
