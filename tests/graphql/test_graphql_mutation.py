"""Mutations: made, changed, removed, run; what goes wrong with them; all or nothing in a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Reference

from .conftest import ANNA, Place
from .thing import Colour, Everything, Line, Supplier, Widget


@pytest.fixture
async def stocked(place: Place) -> Place:
    await place.client.store(Widget(name="w", path="/inventory", quantity=1))
    return place


async def test_create_stores_an_object_of_the_class(stocked: Place) -> None:
    data = await stocked.data(
        'mutation { createWidget(path: "/inventory/new/x", fields: {quantity: 3, unit_price: 2, tags: ["a"]}) '
        "{ fullPath version quantity title } }"
    )
    assert data["createWidget"] == {"fullPath": "/inventory/new/x", "version": 1, "quantity": 3, "title": ""}
    widget = await stocked.client.getobject("/inventory/new/x")
    assert type(widget) is Widget and widget.tags == ["a"] and widget.unit_price == 2.0 and widget.supplier is None


async def test_create_where_something_is(stocked: Place) -> None:
    error = await stocked.refusal('mutation { createWidget(path: "/inventory/w", fields: {}) { name } }')
    assert error["extensions"]["code"] == "Conflict" and error["extensions"]["path"] == "/inventory/w"
    assert (await stocked.client.get("/inventory/w")).version == 1


async def test_create_needs_what_has_no_default(place: Place) -> None:
    @dataclass
    class Strict(EmergeFile):
        code: str
        left: int = 2

    await place.client.store(Strict("x", name="s", path="/inventory"))
    error = await place.refusal('mutation { createStrict(path: "/inventory/t", fields: {left: 1}) { code } }')
    assert error["message"] == "a Strict needs code" and error["extensions"]["code"] == "Invalid"
    data = await place.data('mutation { createStrict(path: "/inventory/t", fields: {code: "y"}) { code left } }')
    assert data["createStrict"] == {"code": "y", "left": 2}


async def test_values_of_every_kind_are_as_python_has_them(place: Place) -> None:
    supplier = await place.client.store(Supplier(name="s", path="/inventory"))
    await place.client.store(Everything(name="e", path="/inventory", line=Line("x"), colour=Colour.RED))
    document = """mutation($uuid: ID!) { createEverything(path: "/inventory/f", fields: {
        number: "1180591620717411303424", flag: true, raw: "AA==", moment: "2026-05-01T12:00:00+00:00",
        day: "2026-05-01", span: 1.5, price: "1.50", words: ["b", "a"], pair: [1, 2], free: {a: [1, null]}, either: "x",
        colour: "BLUE", line: {text: "one", part: $uuid}, lines: [{text: "two", amount: 2}], parts: [$uuid], size_: 9
    }) { state } }"""
    await place.data(document, uuid=supplier.uuid)
    made = await place.client.getobject("/inventory/f")
    assert made.number == 2**70 and made.raw == b"\0" and made.moment.isoformat() == "2026-05-01T12:00:00+00:00"
    assert made.words == {"a", "b"} and made.pair == (1, 2) and made.free == {"a": [1, None]} and made.size == 9
    assert made.colour is not None and made.colour.name == "BLUE" and made.parts == [Reference(supplier.uuid)]
    assert made.line.text == "one" and made.line.amount == 1 and made.line.part == Reference(supplier.uuid)
    assert [(line.text, line.amount) for line in made.lines] == [("two", 2)]
    assert made.span.total_seconds() == 1.5 and str(made.price) == "1.50" and made.day.day == 1


async def test_update_sets_fields_and_tells_conflicts(stocked: Place) -> None:
    document = 'mutation($v: Int) { updateWidget(path: "/inventory/w", fields: {quantity: 5, title: null}, version: $v)'
    document += " { version quantity title unit_price } }"
    data = await stocked.data(document, v=1)
    assert data["updateWidget"] == {"version": 2, "quantity": 5, "title": None, "unit_price": 0.0}
    await stocked.client.update("/inventory/w", quantity=6)
    error = await stocked.refusal(document, v=1)
    assert error["extensions"]["code"] == "Conflict" and error["path"] == ["updateWidget"]
    assert error["extensions"]["details"]["theirs"]["quantity"] == 6
    merged = await stocked.data(
        'mutation { updateWidget(path: "/inventory/w", fields: {unit_price: 4}, version: 3) { quantity unit_price } }'
    )
    assert merged["updateWidget"] == {"quantity": 6, "unit_price": 4.0}


async def test_update_of_another_class(stocked: Place) -> None:
    await stocked.client.store(Supplier(name="s", path="/inventory"))
    error = await stocked.refusal('mutation { updateWidget(path: "/inventory/s", fields: {quantity: 1}) { name } }')
    assert error["extensions"]["code"] == "Invalid" and "Supplier" in error["extensions"]["remedy"]


async def test_plain_files_and_remove(stocked: Place) -> None:
    document = 'mutation { createEmergeFile(path: "/inventory/note", fields: {data: {a: 1}}) { data } }'
    assert (await stocked.data(document))["createEmergeFile"] == {"data": {"a": 1}}
    assert type(await stocked.client.getobject("/inventory/note")) is EmergeFile
    document = 'mutation { remove(path: "/inventory/note") two: remove(path: "/inventory/w") }'
    assert await stocked.data(document) == {"remove": 1, "two": 1}
    error = await stocked.refusal('mutation { remove(path: "/elsewhere") }')
    assert error["extensions"]["code"] == "Invalid"


async def test_run_a_method(stocked: Place) -> None:
    document = 'mutation { createWidget(path: "/inventory/r", fields: {unit_price: 4}) { name } '
    document += 'total: run(path: "/inventory/r", method: "total", args: [3]) '
    document += 'run(path: "/inventory/r", method: "lower", kwargs: {by: 1}) }'
    data = await stocked.data(document)
    assert data["total"] == 12.0 and (await stocked.client.cat("/inventory/r"))["unit_price"] == 3.0
    error = await stocked.refusal('mutation { run(path: "/inventory/r", method: "lower", args: ["x"]) }')
    assert error["extensions"]["code"] == "ExecutionFailed" and "TypeError" in str(error)
    error = await stocked.refusal('mutation { run(path: "/inventory/r", method: "none") }')
    assert error["extensions"]["code"] == "NotFound"


async def test_each_mutation_sees_what_those_before_it_did(stocked: Place) -> None:
    part = await stocked.client.store(Supplier(name="s", path="/inventory", city="Rome"))
    await stocked.client.update("/inventory/w", supplier=Reference(part.uuid))
    set_city = 'updateSupplier(path: "/inventory/s", fields: {city: "%s"}) { city }'
    look = 'updateWidget(path: "/inventory/w", fields: {quantity: %d}) { supplier { ... on Supplier { city } } }'
    data = await stocked.data(f"mutation {{ a: {look % 1} b: {set_city % 'Bonn'} c: {look % 2} }}")
    assert data["a"]["supplier"]["city"] == "Rome" and data["c"]["supplier"]["city"] == "Bonn"


async def test_two_who_create_the_same(stocked: Place) -> None:
    """Somebody else stores there between the look and the store."""
    inner = stocked.filesystem.dispatch

    def dispatch(name: str, args: list[Any], context: Any) -> Any:
        async def first() -> Any:
            await stocked.client.store(Widget(name="x", path="/inventory", quantity=8))
            return await inner(name, args, context)  # type: ignore[misc]

        return first() if name == "commit" else inner(name, args, context)

    stocked.filesystem.core.dispatch = dispatch
    error = await stocked.refusal('mutation { createWidget(path: "/inventory/x", fields: {quantity: 9}) { name } }')
    assert error["extensions"]["code"] == "Conflict"
    assert (await stocked.client.cat("/inventory/x"))["quantity"] == 8


async def test_in_a_transaction(stocked: Place) -> None:
    opened = await stocked.client.begin()
    context = ANNA.narrowed({"transaction": opened["transaction"]})
    document = 'mutation { createWidget(path: "/inventory/t", fields: {quantity: 9}) { quantity } }'
    assert (await stocked.ask(document, context=context))["data"]["createWidget"] == {"quantity": 9}
    document = "{ widgets(filter: {quantity: {eq: 9}}) { objects { name } } }"
    assert (await stocked.ask(document, context=context))["data"]["widgets"]["objects"] == [{"name": "t"}]
    assert (await stocked.data(document))["widgets"]["objects"] == []
    await stocked.client.commit(opened["transaction"])
    assert (await stocked.data(document))["widgets"]["objects"] == [{"name": "t"}]
