"""Changes of the page that are asked for again, since an answer was lost: each is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Unavailable
from emerge_wasm.browser.protocol import ChangeReport, ChangeStep
from emerge_wasm.browser.requests.change import change
from emerge_wasm.browser.tab import Tab
from emerge_wasm.clients.client import Client
from emerge_wasm.operations import Transport, Values, Wire, find_operation

from .test_carry import TwoPlaces, two_places

PATHS = ["/a", "/b", "/d/a", "/d/b", "/d"]
SOME = st.sampled_from(PATHS)
STEPS = st.one_of(
    st.fixed_dictionaries({"change": st.sampled_from(["remove", "mkdir"]), "path": SOME}),
    st.fixed_dictionaries({"change": st.sampled_from(["move", "copy"]), "path": SOME, "target": SOME}),
    st.fixed_dictionaries({"change": st.just("create"), "path": SOME}).map(
        lambda step: {
            **step,
            "class_name": "",
            "bundle": "",
            "type": "file",
            "fields": {"n": "7"},
            "kinds": {"n": "int"},
        }
    ),
)
LOSSES = st.lists(st.sampled_from(["answered", "asked", "done"]), max_size=4)
"""What becomes of the changing calls, one after the other: the later ones are answered."""


class Losing:
    """A transport that loses calls, or the answers to them."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.losses: Iterator[str] = iter(())

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        loss = next(self.losses, "answered") if find_operation(name).changes else "answered"
        answer = None if loss == "asked" else await self.transport.call(name, args, context)
        if loss != "answered":
            raise Unavailable("the connection was lost while this was under way", remedy="look", unknown=True)
        return answer

    def stream(self, name: str, args: Values, context: Wire | None = None) -> Any:
        return self.transport.stream(name, args, context)

    async def close(self) -> None: ...


async def ask(tab: TwoPlaces, step: Any, id: str) -> ChangeReport:
    return await change(cast("Tab", tab), {"where": "cluster", "steps": [cast("ChangeStep", step)], "run": 1, "id": id})


async def insist(tab: TwoPlaces, step: Any, id: str) -> str:
    """Ask until there is an answer: "" or the code of the failure."""
    while True:
        report = await ask(tab, step, id)
        failures = report["failures"]
        if not failures:
            return ""
        if failures[0]["failure"]["code"] != "Unavailable":
            return failures[0]["failure"]["code"]
        assert failures[0]["failure"]["remedy"] == "ask for it again: what was done is not done twice"


async def held(client: Client) -> dict[str, Any]:
    """What is where, and how often it was changed."""
    pointers = [each async for each in client.tree("/")]
    return {each.full_path: (each.type, each.version) for each in pointers}


async def fill(client: Client) -> None:
    await client.store(EmergeFile(name="a", path="/", data=1))
    await client.store(EmergeFile(name="a", path="/d", data=2))


@given(st.lists(st.tuples(STEPS, LOSSES), min_size=1, max_size=5))
def test_what_is_asked_for_again_is_done_once_whatever_was_lost(deeds: list[tuple[Any, list[str]]]) -> None:
    """In the end all is as if nothing had been lost, and so was said."""

    async def work() -> None:
        async with two_places() as plain, two_places() as lossy:
            place = lossy.places["cluster"]
            losing = Losing(place.now())
            for tab in (plain, lossy):
                await fill(tab.client("cluster"))
            place.behind = losing
            for number, (step, losses) in enumerate(deeds):
                said = await insist(plain, step, "")
                losing.losses = iter(losses)
                assert await insist(lossy, step, f"deed {number}") == said, step
                losing.losses = iter(())
                assert await held(lossy.client("cluster")) == await held(plain.client("cluster")), step

    asyncio.run(work())


async def test_another_deed_of_the_same_words_is_another() -> None:
    """What was removed, made anew and removed again is gone."""
    async with two_places() as tab:
        client = tab.client("cluster")
        for id in ("one", "other"):
            await client.store(EmergeFile(name="a", path="/", data=1))
            assert await insist(tab, {"change": "remove", "path": "/a"}, id) == ""
            assert "/a" not in await held(client)
