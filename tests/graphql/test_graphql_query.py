"""Queries: fields of every kind, filters, orders, pages, references, the past."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Reference
from emerge_wasm.objects import METADATA

from .conftest import Place
from .thing import Colour, Everything, Line, Supplier, Thing, Widget


def widgets() -> list[Widget]:
    return [
        Widget(name="a", path="/inventory", unit_price=0.0, quantity=0, title="", tags=["x"]),
        Widget(name="b", path="/inventory", unit_price=1.5, quantity=1, title="blue", tags=["x", "y"]),
        Widget(name="c", path="/inventory", unit_price=None, quantity=2, title="big blue"),
        Widget(name="d", path="/inventory/deep", unit_price=9.0, quantity=5_000_000_000, title="black"),
    ]


@pytest.fixture
async def stocked(place: Place) -> Place:
    await place.client.storeall(widgets())
    return place


async def names(place: Place, filter: str, **variables: Any) -> list[str]:
    declared = "query(" + ", ".join(f"${name}: BigInt" for name in variables) + ")" if variables else ""
    data = await place.data(
        declared + "{ widgets(filter: " + filter + ", orderBy: name) { objects { name } } }", **variables
    )
    return [each["name"] for each in data["widgets"]["objects"]]


async def test_an_object_has_its_fields_and_metadata(stocked: Place) -> None:
    data = await stocked.data(
        '{ widget(path: "/inventory/b") { uuid name path fullPath className type version owner group perms size date'
        " node unit_price quantity title tags state __typename } }"
    )
    found = data["widget"]
    pointer = await stocked.client.get("/inventory/b")
    for name in METADATA:
        assert found[name] == getattr(pointer, name), name
    assert found["fullPath"] == "/inventory/b" and found["size"] == pointer.size
    assert found["className"] == found["__typename"] == "Widget"
    assert [found["unit_price"], found["quantity"], found["title"], found["tags"]] == [1.5, 1, "blue", ["x", "y"]]
    assert found["state"]["title"] == "blue"


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("{}", "abcd"),
        ("{quantity: {eq: 0}}", "a"),
        ("{quantity: {gt: 0}}", "bcd"),
        ("{quantity: {ge: 0, le: 1}}", "ab"),
        ("{quantity: {eq: 5000000000}}", "d"),
        ("{quantity: {in: [0, 2]}}", "ac"),
        ("{quantity: {in: []}}", ""),
        ('{title: {eq: ""}}', "a"),
        ('{title: {ne: ""}}', "bcd"),
        ('{title: {contains: "blue"}}', "bc"),
        ('{title: {startswith: "bl"}}', "bd"),
        ('{title: {endswith: "ue"}}', "bc"),
        ("{unit_price: {eq: null}}", "c"),
        ("{unit_price: {ne: null}}", "abd"),
        ("{unit_price: {lt: 5}}", "ab"),
        ("{unit_price: {eq: 0}}", "a"),
        ("{unit_price: {in: [null, 9]}}", "cd"),
        ('{tags: {contains: "y"}}', "b"),
        ('{or: [{quantity: {eq: 0}}, {title: {eq: "black"}}]}', "ad"),
        ("{or: []}", ""),
        ("{and: []}", "abcd"),
        ('{and: [{quantity: {gt: 0}}, {not: {title: {contains: "big"}}}]}', "bd"),
        ("{not: {}}", ""),
        ('{path: {eq: "/inventory/deep"}}', "d"),
        ('{name: {in: ["a", "d"]}}', "ad"),
        ("{version: {eq: 1}}", "abcd"),
    ],
)
async def test_filters(stocked: Place, filter: str, found: str) -> None:
    assert await names(stocked, filter) == list(found)


async def test_filters_take_variables(stocked: Place) -> None:
    assert await names(stocked, "{quantity: {le: $most}}", most=0) == ["a"]
    document = "query($f: WidgetFilter) { widgets(filter: $f) { count } }"
    data = await stocked.data(document, f={"not": {"title": {"eq": ""}}, "quantity": {"lt": 2}})
    assert data["widgets"]["count"] == 1


async def test_order_pages_and_count(stocked: Place) -> None:
    document = "query($after: String) { widgets(orderBy: quantity, descending: true, limit: 3, cursor: $after)"
    document += " { objects { name } cursor count } }"
    first = (await stocked.data(document))["widgets"]
    assert [each["name"] for each in first["objects"]] == ["d", "c", "b"] and first["count"] == 4
    second = (await stocked.data(document, after=first["cursor"]))["widgets"]
    assert [each["name"] for each in second["objects"]] == ["a"] and second["cursor"] is None


async def test_a_list_may_be_kept_to_a_directory_within(stocked: Place) -> None:
    data = await stocked.data('{ widgets(path: "/inventory/deep") { objects { name } } }')
    assert data["widgets"]["objects"] == [{"name": "d"}]
    error = await stocked.refusal('{ widgets(path: "/elsewhere") { objects { name } } }')
    assert error["extensions"]["code"] == "Invalid" and error["extensions"]["path"] == "/elsewhere"


async def test_a_list_holds_its_own_class_only(stocked: Place) -> None:
    await stocked.client.store(Thing(name="t", path="/inventory", unit_price=1.0))
    await stocked.client.store(EmergeFile(name="f", path="/inventory", data=[1]))
    document = "{ widgets(limit: 2) { objects { name } count } things { objects { name } count } objects { count }"
    document += ' cheap: things(filter: {unit_price: {lt: 2}}) { objects { name } } object(path: "/inventory/f") '
    document += "{ __typename ... on EmergeFile { data } } }"
    data = await stocked.data(document)
    assert len(data["widgets"]["objects"]) == 2 and data["widgets"]["count"] == 4
    assert data["things"] == {"objects": [{"name": "t"}], "count": 1}
    assert data["cheap"]["objects"] == [{"name": "t"}]
    assert data["objects"]["count"] == 6
    assert data["object"] == {"__typename": "EmergeFile", "data": [1]}


async def test_what_has_not_the_field_is_not_an_error(stocked: Place) -> None:
    await stocked.client.store(Supplier(name="s", path="/inventory"))
    assert await names(stocked, "{quantity: {ge: 0}}") == list("abcd")


async def test_what_cannot_be_compared_is_told(stocked: Place) -> None:
    await stocked.client.update("/inventory/b", unit_price="free")
    answer = await stocked.ask("{ widgets(filter: {unit_price: {lt: 5}}) { objects { name } } }")
    assert answer["data"]["widgets"]["objects"] == [{"name": "a"}]
    (error,) = answer["errors"]
    assert error["path"] == ["widgets"] and error["extensions"]["path"] == "/inventory/b"
    assert "TypeError" in error["message"]


async def test_a_value_of_another_kind_spoils_its_field_only(stocked: Place) -> None:
    await stocked.client.update("/inventory/b", unit_price="free", tags=3)
    answer = await stocked.ask('{ widget(path: "/inventory/b") { title unit_price tags state } }')
    assert answer["data"]["widget"]["title"] == "blue" and answer["data"]["widget"]["unit_price"] is None
    assert answer["data"]["widget"]["state"]["unit_price"] == "free"
    assert [error["path"] for error in answer["errors"]] == [["widget", "unit_price"], ["widget", "tags"]]


async def test_the_past(stocked: Place) -> None:
    before = (await stocked.client.get("/inventory/b")).date
    await stocked.client.update("/inventory/b", title="green")
    document = '{ widget(path: "/inventory/b", asOf: "' + before + '") { title }'
    document += ' first: widget(path: "/inventory/b", version: 1) { title version }'
    document += ' widgets(asOf: "' + before + '", filter: {title: {eq: "blue"}}) { objects { title } } }'
    data = await stocked.data(document)
    assert data["widget"]["title"] == data["first"]["title"] == data["widgets"]["objects"][0]["title"] == "blue"


async def test_errors_have_a_code_a_path_and_a_remedy(stocked: Place) -> None:
    answer = await stocked.ask('{ widget(path: "/inventory/none") { name } a: widget(path: "/inventory/a") { name } }')
    assert answer["data"] == {"widget": None, "a": {"name": "a"}}
    (error,) = answer["errors"]
    assert error["path"] == ["widget"]
    assert error["extensions"]["code"] == "NotFound" and error["extensions"]["path"] == "/inventory/none"
    wrong = await stocked.refusal('{ emergeFile(path: "/inventory/a") { name } }')
    assert wrong["extensions"]["code"] == "Invalid"


async def test_every_kind_of_value(place: Place) -> None:
    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    mark = UUID("12345678123456781234567812345678")
    part = await place.client.store(Supplier(name="s", path="/inventory", city="Rome"))
    reference = Reference(part.uuid)
    thing = Everything(
        name="e", path="/inventory", number=2**60, flag=True, raw=b"\0", moment=moment, price=Decimal("1.50")
    )
    thing.day, thing.span, thing.mark, thing.words = date(2026, 5, 1), timedelta(minutes=1), mark, {"b", "a"}
    thing.pair, thing.free, thing.either, thing.colour = (1, 2), {"a": [1]}, "x", Colour.BLUE
    thing.line, thing.lines, thing.parts = Line("one", part=reference), [Line("two", 2)], [reference]
    await place.client.store(thing)
    data = await place.data(
        '{ everything(path: "/inventory/e") { number flag raw moment day span price mark words pair choice free either '
        "colour line { text part { name } } lines { text amount } parts { name ... on Supplier { city } } size size_ "
        "state } }"
    )
    found = data["everything"]
    assert found.pop("state")["größe"] == 0
    assert found.pop("size") > 100 and found.pop("size_") == 7
    assert found == {
        "number": str(2**60),
        "flag": True,
        "raw": "AA==",
        "moment": "2026-05-01T12:00:00+00:00",
        "day": "2026-05-01",
        "span": 60.0,
        "price": "1.50",
        "mark": str(mark),
        "words": ["a", "b"],
        "pair": [1, 2],
        "choice": "a",
        "free": {"a": [1]},
        "either": "x",
        "colour": "BLUE",
        "line": {"text": "one", "part": {"name": "s"}},
        "lines": [{"text": "two", "amount": 2}],
        "parts": [{"name": "s", "city": "Rome"}],
    }
    filter = '{moment: {le: "2026-05-01T12:00:00Z"}, day: {eq: "2026-05-01"}, price: {gt: "1.4"}, span: {ge: 60}, '
    filter += 'flag: {eq: true}, mark: {eq: "12345678-1234-5678-1234-567812345678"}, raw: {eq: "AA=="}, '
    filter += 'words: {contains: "a"}, pair: {contains: 2}, number: {gt: 4503599627370496}, size_: {eq: 7}}'
    data = await place.data("{ everythings(filter: " + filter + ") { objects { name } } }")
    assert data["everythings"]["objects"] == [{"name": "e"}]


class Counting:
    """A dispatch that counts what it is asked."""

    def __init__(self, place: Place) -> None:
        self.calls: list[str] = []
        self._dispatch = place.filesystem.dispatch
        place.filesystem.core.dispatch = self

    def __call__(self, name: str, args: list[Any], context: Any) -> Any:
        self.calls.append(name)
        return self._dispatch(name, args, context)


async def test_references_both_ways_each_loaded_once(place: Place) -> None:
    suppliers = await place.client.storeall([Supplier(name=f"s{n}", path="/inventory") for n in range(2)])
    for number in range(20):
        reference = Reference(suppliers[number % 2].uuid)
        await place.client.store(Widget(name=f"w{number}", path="/inventory", supplier=reference))
    document = "{ widgets { objects { supplier { name ... on Supplier { city } } references { objects { name } } } } }"
    calls = Counting(place)
    data = await place.data(document)
    assert {each["supplier"]["name"] for each in data["widgets"]["objects"]} == {"s0", "s1"}
    for each in data["widgets"]["objects"]:
        assert each["references"]["objects"] == [{"name": each["supplier"]["name"]}]
    assert calls.calls.count("getobject") == 2
    document = (
        '{ supplier(path: "/inventory/s1") { backReferences(limit: 6) { objects { name ... on Widget { quantity }'
    )
    document += " } cursor } } }"
    page = (await place.data(document))["supplier"]["backReferences"]
    assert len(page["objects"]) == 6 and page["cursor"] and page["objects"][0]["quantity"] == 0


async def test_a_reference_to_what_is_gone_is_told(place: Place) -> None:
    supplier = await place.client.store(Supplier(name="s", path="/inventory"))
    await place.client.store(Widget(name="w", path="/inventory", supplier=Reference(supplier.uuid)))
    await place.client.rm("/inventory/s")
    answer = await place.ask('{ widget(path: "/inventory/w") { name supplier { name } } }')
    assert answer["data"]["widget"] == {"name": "w", "supplier": None}
    assert answer["errors"][0]["extensions"]["code"] == "NotFound"
