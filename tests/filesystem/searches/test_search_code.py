"""Searches that need shipped code: properties, methods, lambdas that are more than comparisons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture
from emerge_wasm.bundles.expression import capture_expression
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import Invalid, NotFound, Unavailable
from emerge_wasm.filesystem.runner import EvaluateCall, EvaluateOutcome
from emerge_wasm.filesystem.runs.inside.here import Here
from tests.filesystem.searches.searched import Searched, path_of, predicate, searched

LIMIT = 50


def is_dear(price: float) -> bool:
    return price > LIMIT


@dataclass
class Line:
    label: str
    weight: float = 0.0


@dataclass
class Good(EmergeFile):
    price: float = 0.0
    count: int = 1
    lines: list[Line] = field(default_factory=list)
    main: Any = None

    @property
    def total(self) -> float:
        return self.price * self.count

    @property
    def checked(self) -> float:
        if self.count == 13:
            raise ValueError("thirteen")
        return self.price

    def heavier_than(self, weight: float) -> bool:
        return sum(line.weight for line in self.lines) > weight


class Counting(Here):
    """The real thing, with an eye on what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        self.calls.append(len(call.rows))
        return await super().evaluate(call)


@pytest.fixture
def runner() -> Counting:
    return Counting()


@pytest_asyncio.fixture
async def there(runner: Counting) -> AsyncIterator[Searched]:
    async with searched(runner=runner) as found:
        await fill(found)
        yield found


async def fill(there: Searched) -> None:
    client = Client(LocalTransport(there.filesystem, there.context))
    goods = [
        Good(name=f"g{n:02}", path="/goods", price=float(n), count=n % 5, lines=[Line("a", n / 10)], main=Line("m", n))
        for n in range(40)
    ]
    await client.storeall([*goods, EmergeFile(name="plain", path="/goods", data=1)])


def wire(function: Any) -> tuple[Any, dict[str, bytes]]:
    expression = capture_expression(function)
    return expression.to_wire(), dict(expression.bundles)


async def found(there: Searched, function: Any, path: str = "/goods", **more: Any) -> list[str]:
    asked, bundles = wire(function)
    order_by, limit = more.get("order_by", ""), more.get("limit", 1000)
    names: list[str] = []
    cursor = ""
    while True:
        page = await there.call("search", path, asked, order_by, False, limit, cursor, "", bundles)
        names += [path_of(row).rpartition("/")[2] for row in page["objects"]]
        cursor = page["cursor"]
        if not cursor:
            return names


async def test_fields_need_no_code(there: Searched, runner: Counting) -> None:
    limit = 37
    assert await found(there, lambda o: o.price > limit) == ["g38", "g39"]
    assert await found(there, lambda o: o.main.weight > 37 and o.lines[0].label == "a") == ["g38", "g39"]
    assert await found(there, lambda o: o.data == 1) == ["plain"]
    assert runner.calls == []


async def test_properties_and_methods_run_where_the_objects_are(there: Searched, runner: Counting) -> None:
    assert await found(there, lambda o: o.total > 110) == ["g29", "g34", "g38", "g39"]
    assert await found(there, lambda o: o.price > 20 and o.heavier_than(3.75)) == ["g38", "g39"]
    assert runner.calls == [40, 19]  # comparisons before it leave out what they can, without code
    asked, _ = wire(lambda o: o.checked >= 38)
    page = await there.call("search", "/goods", asked)
    assert page["errors"]["first"] == [
        {"path": "/goods/plain", "error": "AttributeError: 'EmergeFile' object has no attribute 'checked'"}
    ]


async def test_lambdas_that_are_more_than_comparisons(there: Searched, runner: Counting) -> None:
    function = lambda o: is_dear(o.price + 12)  # noqa: E731  # as one writes it in a call
    assert await found(there, function, limit=1) == ["g39"]
    asked, bundles = wire(function)
    explained = await there.call("explain", "/goods", asked, "", "", bundles)
    assert explained["code"] is True and "code: " in explained["text"]
    with pytest.raises(NotFound) as refused:
        await there.call("search", "/goods", asked)
    assert refused.value.details["bundles"] == [asked["bundle"]]
    page = await there.call("search", "/goods", asked, "", False, 1000, "", "", bundles)
    assert page["errors"]["count"] == 1 and page["errors"]["first"][0]["path"] == "/goods/plain"


async def test_explaining_tells_of_code_and_runs_none(there: Searched, runner: Counting) -> None:
    for text, code in (("o.price > 3", False), ("o.total > 3", True), ("o.price > 3 and o.heavier_than(1)", True)):
        explained = await there.call("explain", "/goods", predicate(text))
        assert explained["code"] is code and ("code: " in explained["text"]) is code
    assert runner.calls == []


async def test_an_index_leaves_less_to_run(there: Searched, runner: Counting) -> None:
    await there.index("/goods", "price")
    assert await found(there, lambda o: o.price >= 37 and o.total > 70) == ["g37", "g38", "g39"]
    assert runner.calls == [3]


async def test_pages_of_code_run_together_and_come_in_order(there: Searched, runner: Counting) -> None:
    every = await found(there, lambda o: o.total >= 0)
    assert every == [f"g{n:02}" for n in range(40)]
    assert await found(there, lambda o: o.total >= 0, limit=7) == every
    assert await found(there, lambda o: o.total >= 0, limit=16) == every


async def test_properties_to_order_by_and_to_add_up(there: Searched) -> None:
    names = await found(there, lambda o: o.price > 33, order_by="total", limit=2)
    assert names == ["g35", "g36", "g37", "g38", "g34", "g39"]
    told = await there.call("aggregate", "/goods", {"sum": ["sum", "total"], "n": ["count", "total"]}, ["count"])
    by = {group["count"]: (group["sum"], group["n"]) for group in told["groups"]}
    assert by[4] == (sum(4 * n for n in range(4, 40, 5)), 8) and by[None] == (0, 0)
    assert told["errors"]["count"] == 0


async def test_what_a_property_raises_is_told(there: Searched) -> None:
    client = Client(LocalTransport(there.filesystem, there.context))
    await client.update("/goods/g07", count=13)
    told = await there.call("aggregate", "/goods", {"sum": ["sum", "checked"]})
    assert told["errors"] == {"count": 1, "first": [{"path": "/goods/g07", "error": "ValueError: thirteen"}]}
    assert told["groups"] == [{"sum": sum(range(40)) - 7.0}]


async def test_without_a_runner_it_says_why() -> None:
    async with searched() as there:
        await fill(there)
        assert await there.names("/goods", "o.price > 38") == ["/goods/g39"]
        for text in ("o.total > 3", "o.heavier_than(2)"):
            with pytest.raises(Unavailable, match=r"runs no code.*(total|heavier_than)"):
                await there.names("/goods", text)
        with pytest.raises(Unavailable, match="total"):
            await there.names("/goods", order_by="total")


async def test_bundles_that_lie_are_refused(there: Searched) -> None:
    lie = {"0" * 64: capture(Good)[-1].data}
    with pytest.raises(Invalid):
        await there.call("search", "/goods", predicate("o.price"), "", False, 10, "", "", lie)


@dataclass
class Fixed(EmergeFile):
    """Its price is what it says, whatever its state holds."""

    rank: int = 0

    @property
    def price(self) -> float:
        return 7.0


async def test_what_a_class_computes_is_not_believed_to_an_index(there: Searched, runner: Counting) -> None:
    client = Client(LocalTransport(there.filesystem, there.context))
    pointer = await client.store(Fixed(name="fixed", path="/goods", rank=3))
    bundle = pointer.bundle
    await there.call("store", "/goods/fixed", encode({"price": 1000.0, "rank": 3}), "Fixed", bundle)
    for indexed in ("price", "rank"):
        for limit in (1, 1000):
            assert sorted(await found(there, lambda o: 6 < o.price < 8, limit=limit)) == ["fixed", "g07"]
            both = await found(there, lambda o: o.price == 7 or o.rank == 5, limit=limit)
            assert sorted(both) == ["fixed", "g07"]
            ordered = await found(there, lambda o: 5 < o.price < 9, order_by="price", limit=limit)
            assert [name for name in ordered if name != "fixed"] == ["g06", "g07", "g08"] and ordered.index(
                "fixed"
            ) in (1, 2)
        await there.index("/goods", indexed)


@dataclass
class Forger(EmergeFile):
    """What its code does in a process that works for a search is nothing that others' objects may be told by."""

    price: float = 0.0

    @property
    def total(self) -> float:
        return 0.0


async def test_classes_are_evaluated_apart(there: Searched, runner: Counting) -> None:
    seen: list[set[str]] = []
    ask = runner.evaluate

    async def evaluate(call: EvaluateCall) -> EvaluateOutcome:
        seen.append({pointer["class_name"] for pointer, _ in call.rows})
        return await ask(call)

    runner.evaluate = evaluate  # type: ignore[method-assign]  # to look at what it is handed
    client = Client(LocalTransport(there.filesystem, there.context))
    mixed = [
        Good(name="g05a", path="/goods", price=1.0),
        Forger(name="g05b", path="/goods"),
        Good(name="g99", path="/goods"),
    ]
    await client.storeall(mixed)
    found = await there.call("search", "/goods", predicate("o.total == 1.0 or o.total < 0"))
    assert [row["pointer"]["name"] for row in found["objects"]] == ["g01", "g05a"]  # in their order still
    assert all(len(classes) == 1 for classes in seen) and {"Forger"} in seen and {"Good"} in seen
