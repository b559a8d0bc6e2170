"""Documents with an id: each change of one is made once, whatever was lost of an earlier attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import Unavailable, graphql
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.operations import TABLE, Answer, Context
from emerge_wasm.stores import open_store

from .conftest import ANNA, Place
from .thing import Widget

CHANGES = [
    'createWidget(path: "/inventory/a", fields: {quantity: 1}) { fullPath quantity }',
    'createWidget(path: "/inventory/b", fields: {quantity: 2}) { fullPath quantity }',
    'updateWidget(path: "/inventory/w", fields: {quantity: 3}) { fullPath version quantity }',
    'updateWidget(path: "/inventory/a", fields: {quantity: 4}) { fullPath quantity }',
    'remove(path: "/inventory/w")',
    'remove(path: "/inventory/a")',
    'run(path: "/inventory/w", method: "lower", args: [1])',
]


class DyingDispatch:
    """Dispatch of a node that dies after so many changes."""

    def __init__(self, filesystem: Filesystem, left: int) -> None:
        self.dispatch = filesystem.dispatch
        self.left = left

    def __call__(self, name: str, args: Sequence[object], context: Context | None = None) -> Answer:
        self.left -= TABLE[name].recorded and name != "commit"
        if self.left < 0:
            raise Unavailable("the node has died")
        return self.dispatch(name, args, context)


async def held(place: Place) -> dict[str, Any]:
    pointers = [each async for each in place.client.tree("/inventory")]
    return {each.name: (each.version, (await place.client.getobject(each.full_path)).quantity) for each in pointers}


async def make_place() -> Place:
    place = Place(await Filesystem.open(await open_store("memory:"), runner=Here()))
    await place.client.store(Widget(name="w", path="/inventory", quantity=1))
    return place


@given(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=5), st.integers(0, 6))
def test_each_change_of_a_document_is_made_once(changes: list[str], left: int) -> None:
    """Whether the node died in the middle, or only its answer was lost. What is refused is tried anew."""
    document = "mutation { " + " ".join(f"m{number}: {change}" for number, change in enumerate(changes)) + " }"

    async def work() -> None:
        plain, lossy = await make_place(), await make_place()
        said = await plain.ask(document)
        if said["errors"]:
            return
        context = replace(ANNA, call_id="deed")
        dispatch, store = DyingDispatch(lossy.filesystem, left), lossy.filesystem.core.store
        await graphql.answer(dispatch, context, store, "/inventory", document, None, "")
        answers = [await lossy.ask(document, context=context) for _ in range(2)]
        assert answers[0] == answers[1]
        assert await held(lossy) == await held(plain)
        for place in (plain, lossy):
            await place.filesystem.close()

    asyncio.run(work())
