"""Documents made to do harm: refused, soon, by the name of the limit; and the filesystem serves on."""

from __future__ import annotations

import time
from typing import Any

import pytest
from graphql import get_introspection_query

from emerge_wasm.graphql import limit
from emerge_wasm.graphql.filter_predicate import CONDITIONS_LIMIT

from .conftest import Place
from .thing import Supplier, Widget


def nested(depth: int, inner: str = "name") -> str:
    return "references { objects { " * depth + inner + " } }" * depth


def fragments(count: int, body: str) -> str:
    return " ".join(f"fragment f{n} on Object {{ {body.replace('NEXT', f'...f{n + 1}')} }}" for n in range(count))


WIDE = "{ objects { objects { " + "name " * 3000 + "} } }"
DOUBLING = "{ objects(limit: 1) { objects { ...f0 } } } " + fragments(
    4, "a: references(limit: 1) { objects { NEXT } } b: references(limit: 1) { objects { NEXT } }"
)
BOMBS = {
    "size": "{ objects { count } } #" + "x" * limit.SIZE,
    "tokens": WIDE,
    "brackets": "{ objects(filter: " + "{and: [" * 30 + "]}" * 30 + ") { count } }",
    "brackets of a list": "{ run(args: " + "[" * 100_00 + "]" * 100_00 + ") }",
    "depth": "{ objects { objects { " + nested(6) + " } } }",
    "depth by fragments": "{ objects { objects { ...f0 } } } "
    + fragments(8, "references { objects { NEXT } }")
    + " fragment f8 on Object { name }",
    "aliases": "{ " + " ".join(f"a{n}: objects {{ count }}" for n in range(limit.ALIASES + 1)) + " }",
    "repeated fields": "{ objects { objects { " + "name " * (limit.SAME + 1) + "} } }",
    "fragments": "{ objects { objects { name } } } "
    + " ".join(f"fragment f{n} on Object {{ name }}" for n in range(51)),
    "cost": "{ objects(limit: 1000) { objects { references(limit: 1000) { objects { name } } } } }",
    "cost by a variable": "query($n: Int = 1000) { objects(limit: $n) { objects { references(limit: $n) "
    "{ objects { name } } } } }",
    "cost by fragments": DOUBLING.replace("limit: 1)", "limit: 5)") + " fragment f4 on Object { name uuid }",
    "introspection depth": "{ __schema { types { " + "ofType { " * 20 + "name" + " }" * 20 + " } } }",
}
LIMITS = {"brackets of a list": "brackets", "depth by fragments": "depth"}
LIMITS |= {"cost by a variable": "cost", "cost by fragments": "cost"}


@pytest.fixture
async def stocked(place: Place) -> Place:
    await place.client.store(Widget(name="w", path="/inventory"))
    return place


@pytest.mark.parametrize("name", BOMBS)
async def test_bombs(stocked: Place, name: str) -> None:
    start = time.thread_time()
    error = await stocked.refusal(BOMBS[name])
    assert error["extensions"]["code"] == "LimitExceeded"
    assert error["extensions"]["limit"] == LIMITS.get(name, name) and error["extensions"]["remedy"]
    assert time.thread_time() - start < 1
    assert (await stocked.data("{ objects { count } }"))["objects"]["count"] == 1


WRONG = [
    "{ objects { objects { ...a } } } fragment a on Object { ...b } fragment b on Object { ...a }",
    "{ objects { objects { ...a } } } fragment a on Object { references { objects { ...a } } }",
    "{ ...a } fragment a on Query { ...a }",
    "{ objects { objects { ...none } } }",
    "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }",
    "{ objects(limit: 0) { count } }",
    "{ objects(limit: -5) { count } }",
    "{ objects(limit: " + "9" * 5000 + ") { count } }",
    "{ objects(filter: {version: {eq: " + "9" * 5000 + "}}) { count } }",
    "{ objects(filter: {version: {lt: null}}) { count } }",
    "{ objects { count }",
    "",
    "{",
    "type Query { a: Int }",
    "query a { objects { count } } query b { objects { count } }",
    "query($v: None) { objects { count } }",
    "\0",
    '{ objects(cursor: "nonsense", orderBy: "\'; import os") { count } }',
    "{ " + "x" * 60_000 + " }",
    "{ objects(orderBy: __class__) { count } }",
    'mutation { createWidget(path: "/inventory/n", fields: {none: 1}) { name } }',
    'mutation { createWidget(path: "relative", fields: {}) { name } }',
    'mutation { createWidget(path: "/inventory/n", fields: {supplier: "no uuid", quantity: "x"}) { name } }',
]


@pytest.mark.parametrize("query", WRONG, ids=range(len(WRONG)))
async def test_what_is_wrong_is_told(stocked: Place, query: str) -> None:
    start = time.thread_time()
    answer = await stocked.ask(query)
    assert answer["errors"] and all(
        error["extensions"]["code"] in ("Invalid", "LimitExceeded") for error in answer["errors"]
    )
    assert time.thread_time() - start < 1


async def test_the_most_that_validation_can_be_made_to_do(stocked: Place) -> None:
    """As many fields of one name as may be, in fragments that must be compared with one another."""
    count = limit.FRAGMENTS - 2
    bodies = " ".join(
        f"fragment f{n} on Object {{ name {' '.join(f'k{m}: uuid' for m in range(1))} }}" for n in range(count)
    )
    query = "{ objects { objects { " + " ".join(f"...f{n}" for n in range(count)) + " } } } " + bodies
    start = time.thread_time()
    await stocked.data(query)
    assert time.thread_time() - start < 1
    names = [f"n{n}" for n in range(10)]
    inner = " ".join(f"{name}: name" for name in names[:1]) + " uuid name path owner perms node date type"
    query = "{ objects { objects { " + f"references {{ objects {{ {inner} }} }} " * 80 + "} } }"
    start = time.thread_time()
    await stocked.ask(query)
    assert time.thread_time() - start < 1


async def test_variables(stocked: Place) -> None:
    document = "query($f: ObjectFilter) { objects(filter: $f) { count } }"
    deep: dict[str, Any] = {}
    for _ in range(limit.VARIABLES_DEPTH):
        deep = {"not": deep}
    assert (await stocked.refusal(document, f=deep))["extensions"]["limit"] == "variables"
    many = {"version": {"in": list(range(limit.VARIABLES))}}
    assert (await stocked.refusal(document, f=many))["extensions"]["limit"] == "variables"
    some = {"version": {"in": list(range(1001))}}
    assert (await stocked.refusal(document, f=some))["extensions"]["limit"] == "in"
    conditions = {"and": [{"version": {"gt": n}} for n in range(CONDITIONS_LIMIT + 1)]}
    assert (await stocked.refusal(document, f=conditions))["extensions"]["limit"] == "conditions"
    evil = {"name": {"eq": '" or __import__("os").system("true") or "'}}
    assert (await stocked.data(document, f=evil))["objects"]["count"] == 0


async def test_an_answer_is_bounded_whatever_its_objects_hold(stocked: Place) -> None:
    await stocked.client.update("/inventory/w", tags=["x"] * 100_001)
    answer = await stocked.ask("{ widgets { objects { name tags } } }")
    assert answer["errors"][0]["extensions"]["limit"] == "values"
    assert answer["data"]["widgets"]["objects"] == [{"name": "w", "tags": None}]


async def test_introspection_fits(stocked: Place) -> None:
    await stocked.client.store(Supplier(name="s", path="/inventory"))
    data = await stocked.data(get_introspection_query(directive_is_repeatable=True, schema_description=True))
    assert {"Widget", "Supplier", "Object"} <= {each["name"] for each in data["__schema"]["types"]}
