"""Subscriptions: every change below a path, or those of one class; ended, refused, started from a position."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from emerge_wasm.codec import Reference

from .conftest import Place
from .thing import Supplier, Widget


async def first(place: Place, count: int, document: str, *changes: Any, **variables: Any) -> list[Any]:
    """The first answers to a subscription while these changes are made."""
    answers: Any = place.follow(document, **variables)
    assert isinstance(answers, AsyncGenerator)
    found: list[Any] = []

    async def take() -> None:
        async for answer in answers:
            found.append(answer)
            if len(found) == count:
                return

    async with aclosing(answers), asyncio.timeout(5):
        taking = asyncio.ensure_future(take())
        await asyncio.sleep(0.1)  # until it listens
        for change in changes:
            await change
        await taking
    return found


async def test_changes_below_a_path(place: Place) -> None:
    await place.client.store(Widget(name="w", path="/inventory"))
    document = "subscription { changes { operation path from position object { name version "
    document += "... on Widget { quantity } } } }"
    client = place.client
    answers = await first(
        place,
        4,
        document,
        client.update("/inventory/w", quantity=2),
        client.store(Supplier(name="s", path="/elsewhere")),
        client.update("/inventory/w", quantity=3),
        client.mv("/inventory/w", "/inventory/v"),
        client.rm("/inventory/v"),
    )
    assert all(answer["errors"] == [] for answer in answers)
    changes = [answer["data"]["changes"] for answer in answers]
    assert [each["operation"] for each in changes] == ["update", "update", "mv", "rm"]
    assert changes[0]["object"] == {
        "name": "w",
        "version": 2,
        "quantity": 2,
    }  # as of the change, however late it is read
    assert changes[2]["from"] == "/inventory/w" and changes[2]["path"] == "/inventory/v"
    assert changes[3]["object"] is None and changes[0]["position"] < changes[3]["position"]


async def test_changes_of_one_class_from_a_position(place: Place) -> None:
    part = await place.client.store(Supplier(name="s", path="/inventory", city="Rome"))
    position = (await place.client.changes())["position"] if hasattr(place.client, "changes") else 0
    await place.client.store(Widget(name="w", path="/inventory", supplier=Reference(part.uuid)))
    await place.client.update("/inventory/s", city="Bonn")
    await place.client.update("/inventory/w", quantity=4)
    document = "subscription($since: BigInt) { widgetChanged(since: $since) { path object { quantity supplier { "
    document += "... on Supplier { city } } } } }"
    answers = await first(place, 2, document, since=0)
    found = [answer["data"]["widgetChanged"]["object"] for answer in answers]
    assert [each["quantity"] for each in found] == [0, 4] and found[1]["supplier"] == {"city": "Bonn"}
    assert isinstance(position, int)


async def test_a_subscription_that_is_closed_ends_its_watch(place: Place) -> None:
    await place.client.mkdir("/inventory")
    ended = asyncio.Event()
    inner = place.filesystem.dispatch

    def dispatch(name: str, args: list[Any], context: Any) -> Any:
        if name != "watch":
            return inner(name, args, context)

        async def watch() -> AsyncGenerator[Any, None]:
            try:
                async for each in inner(name, args, context):  # type: ignore[union-attr]
                    yield each
            finally:
                ended.set()

        return watch()

    place.filesystem.core.dispatch = dispatch
    await first(place, 1, "subscription { changes { path } }", place.client.store(Widget(name="w", path="/inventory")))
    assert ended.is_set()


async def test_what_is_no_subscription(place: Place) -> None:
    await place.client.mkdir("/inventory")
    (answer,) = await first(place, 1, "{ objects { count } }")
    assert answer["data"] is None and answer["errors"][0]["extensions"]["code"] == "Invalid"
    (answer,) = await first(place, 1, "subscription { none { path } }")
    assert answer["data"] is None and len(answer["errors"]) == 1
    (answer,) = await first(place, 1, 'subscription { changes(path: "/elsewhere") { path } }')
    assert answer["errors"][0]["extensions"]["path"] == "/elsewhere"
    error = await place.refusal("subscription { changes { path } }")
    assert "subscribe" in error["extensions"]["remedy"]
