"""The schema: made from class bundles as they come, names that GraphQL cannot hold, classes that change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.graphql.field_kind import JSON, FieldKind, read_kind, unite
from emerge_wasm.graphql.type_name import name_types, plural, singular

from .conftest import Place
from .test_graphql_query import Counting
from .thing import Everything, Supplier, Widget

TYPE = "query($type: String!) { __type(name: $type) { fields { name type { name ofType { name } } } } }"


async def fields_of(place: Place, type: str, path: str = "/inventory") -> dict[str, Any]:
    """The fields of a type and the names of their types; none when there is no such type."""
    found = (await place.data(TYPE, path, type=type))["__type"]
    named = [(each["name"], each["type"]) for each in found["fields"]] if found else []
    return {name: type["name"] or type["ofType"]["name"] for name, type in named}


async def test_types_come_with_their_classes(place: Place) -> None:
    await place.client.mkdir("/inventory")
    assert await fields_of(place, "Widget") == {}
    await place.client.store(Widget(name="w", path="/inventory"))
    fields = await fields_of(place, "Widget")
    assert fields["unit_price"] == "Float" and fields["quantity"] == "BigInt" and fields["tags"] == "String"
    assert fields["supplier"] == "Object" and fields["version"] == "Int" and fields["data"] == "JSON"
    await place.client.store(Everything(name="e", path="/inventory"))
    fields = await fields_of(place, "Everything")
    assert fields["either"] == "JSON" and fields["colour"] == "String" and fields["line"] == "Line"
    assert "größe" not in fields and fields["size"] == "Int" and fields["size_"] == "BigInt"
    assert await fields_of(place, "Line") == {"text": "String", "amount": "BigInt", "part": "Object"}


async def test_a_schema_knows_what_is_below_its_path_only(place: Place) -> None:
    await place.client.store(Widget(name="w", path="/inventory"))
    await place.client.store(Supplier(name="s", path="/elsewhere"))
    assert await fields_of(place, "Supplier") == {} and await fields_of(place, "Supplier", "/") != {}
    assert await fields_of(place, "Widget", "/inventory/w") != {}
    await place.client.mv("/elsewhere", "/inventory")
    assert await fields_of(place, "Supplier") != {}


async def test_listing_is_done_once(place: Place) -> None:
    await place.client.store(Widget(name="w", path="/inventory"))
    calls = Counting(place)
    await place.data("{ objects { count } }")
    assert calls.calls.count("tree") == 1
    await place.client.store(Supplier(name="s", path="/inventory"))
    await place.client.store(Widget(name="x", path="/inventory"))
    await place.data("{ suppliers { count } }")
    assert calls.calls.count("tree") == 1
    classes = calls.calls.count("classes")
    await place.data("{ suppliers { count } }")
    assert calls.calls.count("classes") == classes


async def test_a_class_that_the_log_does_not_tell_of(place: Place) -> None:
    """As in a cluster, where another node has stored it."""
    await place.client.store(Widget(name="w", path="/inventory"))
    await place.data("{ objects { count } }")
    inner = place.filesystem.dispatch

    def dispatch(name: str, args: list[Any], context: Any) -> Any:
        async def nothing() -> Any:
            return {"changes": [], "position": args[0]}

        return nothing() if name == "changes" else inner(name, args, context)

    place.filesystem.core.dispatch = dispatch
    await place.client.store(Supplier(name="s", path="/inventory"))
    assert "suppliers" in (await place.refusal("{ suppliers { count } }"))["message"]
    await place.data("{ objects { objects { name } } }")
    assert (await place.data("{ suppliers { count } }"))["suppliers"]["count"] == 1


async def test_a_class_that_gets_a_field(place: Place) -> None:
    @dataclass
    class Part(EmergeFile):
        weight: int = 1

    await place.client.store(Part(name="old", path="/inventory", weight=2))
    assert "maker" not in await fields_of(place, "Part")

    def later() -> type[Any]:
        @dataclass
        class Part(EmergeFile):
            weight: float = 1.0
            maker: str = "nobody"

        return Part

    await place.client.store(later()(name="new", path="/inventory", maker="me"))
    fields = await fields_of(place, "Part")
    assert fields["maker"] == "String" and fields["weight"] == "Float"
    data = await place.data("{ parts(orderBy: name) { objects { name weight maker } count } }")
    assert data["parts"]["objects"] == [
        {"name": "new", "weight": 1.0, "maker": "me"},
        {"name": "old", "weight": 2.0, "maker": None},
    ]
    data = await place.data('{ parts(filter: {maker: {eq: "me"}}) { objects { name } } }')
    assert data["parts"]["objects"] == [{"name": "new"}]
    made = await place.data('mutation { createPart(path: "/inventory/made", fields: {}) { maker } }')
    assert made["createPart"]["maker"] == "nobody"


async def test_two_classes_of_one_name(place: Place) -> None:
    def one() -> type[Any]:
        @dataclass
        class Item(EmergeFile):
            code: str = ""
            left: int = 0

        return Item

    def other() -> type[Any]:
        @dataclass
        class Item(EmergeFile):
            code: list[int] | None = None
            right: int = 0

        return Item

    await place.client.store(one()(name="a", path="/inventory", code="x", left=1))
    await place.client.store(other()(name="b", path="/inventory", code=[1], right=2))
    assert (await fields_of(place, "Item"))["code"] == "JSON"
    data = await place.data("{ items(orderBy: name) { objects { code left right } } }")
    assert data["items"]["objects"] == [
        {"code": "x", "left": 1, "right": None},
        {"code": [1], "left": None, "right": 2},
    ]


async def test_classes_whose_names_are_taken(place: Place) -> None:
    @dataclass
    class Query(EmergeFile):
        references: int = 3
        true: int = 4

    @dataclass
    class Größe(EmergeFile):
        pass

    await place.client.storeall([Query(name="q", path="/inventory"), Größe(name="g", path="/inventory")])
    data = await place.data(
        '{ query_(path: "/inventory/q") { references_ true __typename } objects { objects { className __typename } } }'
    )
    assert data["query_"] == {"references_": 3, "true": 4, "__typename": "Query_"}
    types = {each["className"]: each["__typename"] for each in data["objects"]["objects"]}
    assert types == {"Query": "Query_", "Größe": "Gr__e"}


async def test_a_class_that_cannot_be_read_has_no_type_of_its_own(place: Place) -> None:
    await place.client.store(Widget(name="w", path="/inventory"))
    transport = place.client.transport
    state = (await transport.call("getobject", ["/inventory/w"]))["state"]
    await transport.call("store", ["/inventory/odd", state, "Odd"])
    data = await place.data('{ object(path: "/inventory/odd") { __typename className state } }')
    assert data["object"]["__typename"] == "EmergeObject" and data["object"]["className"] == "Odd"
    assert data["object"]["state"]["quantity"] == 0
    data = await place.data('{ object(path: "/inventory") { __typename name } }')
    assert data["object"] == {"__typename": "EmergeDirectory", "name": "inventory"}


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("int", FieldKind("BigInt")),
        ("float | None", FieldKind("Float")),
        ("Optional[str]", FieldKind("String")),
        ("'Optional[datetime.datetime]'", FieldKind("DateTime")),
        ("Union[int, float, None]", FieldKind("Float")),
        ("int | str", JSON),
        ("list[int] | None", FieldKind("List", FieldKind("BigInt"), "list")),
        ("typing.List[list[str]]", FieldKind("List", FieldKind("List", FieldKind("String"), "list"), "list")),
        ("tuple[int, ...]", FieldKind("List", FieldKind("BigInt"), "tuple")),
        ("tuple[int, str]", FieldKind("List", JSON, "tuple")),
        ("list", FieldKind("List", JSON, "list")),
        ("dict[str, int]", JSON),
        ("Any", JSON),
        ("None", JSON),
        ("Literal['a', 'b']", FieldKind("String")),
        ("Literal[1]", JSON),
        ("Annotated[int, 'x']", FieldKind("BigInt")),
        ("Reference", FieldKind("Reference")),
        ("Known", FieldKind("Nested", target="Known")),
        ("list['Known']", FieldKind("List", FieldKind("Nested", target="Known"), "list")),
        ("Unknown[int]", JSON),
        ("((", JSON),
        ("'" * 2, JSON),
        ("[" * 100 + "]" * 100, JSON),
        ("list[" * 50 + "int" + "]" * 50, None),
    ],
)
def test_annotations(annotation: str, kind: FieldKind | None) -> None:
    found = read_kind(annotation, lambda name: FieldKind("Nested", target=name) if name == "Known" else None)
    assert kind is None or found == kind


def test_united_lists() -> None:
    assert unite(
        FieldKind("List", FieldKind("BigInt"), "list"), FieldKind("List", FieldKind("Float"), "set")
    ) == FieldKind("List", FieldKind("Float"), "list")


def test_names() -> None:
    assert name_types(["Order.Line", "A-b", "Taken", "_", "__x", "Æ"], {"Taken", "APage"}) == {
        "Order.Line": "Order_Line",
        "A-b": "A_b",
        "Taken": "Taken_",
        "_": "_",
        "__x": "Tx",
        "Æ": "__",
    }
    assert [singular(name) for name in ("Widget", "HTTPServer", "A", "_X")] == ["widget", "httpServer", "a", "_X"]
    assert [plural(name) for name in ("widget", "box", "story", "day")] == ["widgets", "boxes", "stories", "days"]
