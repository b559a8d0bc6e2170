"""What every filesystem must find: by a lambda, by words, in an order, as figures; with indexes and without. More
scenarios like those of `filesystem.py`, with nothing but the standard library."""

from __future__ import annotations

import asyncio
import datetime as datetime_module
import decimal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from emerge_wasm import EmergeFile, Invalid, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.searches import wire_predicate
from tests.contracts.filesystem import Part, item, refused, scenario

Predicate = Callable[[Any], Any] | None
CHEAP = 3.5


@dataclass
class Parcel(EmergeFile):
    """A piece of land."""

    acres: float = 0.0
    crops: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def hectares(self) -> float:
        return self.acres * 0.4047

    def grows(self, crop: str) -> bool:
        return crop in self.crops


def is_large(acres: float) -> bool:
    return acres > 100 / CHEAP


class Finder:
    """The operations that search, over a client's transport; a state is told by its object's name."""

    def __init__(self, client: Client, path: str = "/inventory") -> None:
        self.client = client
        self.path = path

    async def call(self, operation: str, *args: Any) -> Any:
        return await self.client.transport.call(operation, list(args), self.client.context or None)

    async def page(self, predicate: Predicate = None, *more: Any) -> Any:
        """`more`: order_by, descending, limit, cursor, as_of."""
        asked, bundles = wire_predicate(predicate)
        return await self.call("search", self.path, asked, *[*more, *("", False, 1000, "", "")[len(more) :]], bundles)

    async def names(
        self, predicate: Predicate = None, order_by: str = "", descending: bool = False, limit: int = 1000
    ) -> list[str]:
        """The names of all that is found, over all pages."""
        found: list[str] = []
        cursor = ""
        while True:
            page = await self.page(predicate, order_by, descending, limit, cursor)
            found += names_of(page)
            cursor = page["cursor"]
            if not cursor:
                return found

    async def explain(self, predicate: Predicate, order_by: str = "") -> Any:
        asked, bundles = wire_predicate(predicate)
        return await self.call("explain", self.path, asked, order_by, "", bundles)

    async def index(self, *fields: str, text: bool = False, path: str = "") -> None:
        """Define an index, and wait until it is there."""
        rows = await self.call("index", path or self.path, list(fields), False, text)
        for _ in range(500):
            if not any(row["state"] == "building" for row in rows):
                return
            await asyncio.sleep(0.02)
            rows = await self.call("index", path or self.path)
        raise AssertionError(f"the index over {fields} is still being built")


def names_of(page: Any) -> list[str]:
    return [row["pointer"]["name"] for row in page["objects"]]


async def stock(client: Client, count: int = 24) -> Finder:
    items = [
        item(f"w{n:02}", f"/inventory/{'ab'[n % 2]}", unit_price=n / 2, quantity=n % 5, parts=[Part("x", n)])
        for n in range(count)
    ]
    await client.storeall([*items, EmergeFile(name="note", path="/inventory", data="no price")])
    await client.store(item("elsewhere", "/attic", unit_price=1.0))
    return Finder(client)


@scenario
async def finds_by_a_lambda(client: Client) -> None:
    finder = await stock(client)
    cheap = CHEAP
    expected = [f"w{n:02}" for n in range(24) if n / 2 < cheap and n % 5]
    for indexes in ((), ("unit_price",), ("quantity", "unit_price")):
        if indexes:
            await finder.index(*indexes)
        page = await finder.page(lambda o: o.unit_price < cheap and o.quantity)
        assert sorted(names_of(page)) == expected and page["cursor"] == ""
        assert await finder.names(lambda o: o.unit_price < cheap and o.quantity, "unit_price") == expected
        assert sorted(await finder.names(lambda o: o.unit_price < cheap and o.quantity, limit=2)) == expected
        assert await finder.names(lambda o: not o.unit_price < 11.5 or o.name == "w03", "name", True) == ["w23", "w03"]
        assert sorted(await finder.names(lambda o: o.quantity in (3, 4) and o.parts[0].weight > 20)) == ["w23"]
    assert page["scanned"] < 24
    told = await finder.call("count", "/inventory", None)
    assert told["count"] == 25


VALUES = """0; 1; 2.5; -3; 10**20; True; None; 'b'; 'bee'; 'a' * 300; ''; [1, 'b']; {'b': 1}; b'b'; float('nan');
    decimal.Decimal('2.5'); datetime.date(2026, 5, 1); datetime.date(2026, 5, 2)""".split(";")
TESTS = """o.{f} < {v}; o.{f} >= {v}; o.{f} == {v}; o.{f} != {v}; {v} <= o.{f} <= {w}; o.{f} in ({v}, {w});
    'b' in o.{f}; o.{f}.startswith('b'); o.{f} is None; o.{f} + 1 > {v}; hasattr(o, '{f}'); len(o.{f}) > 1""".split(";")
JOINS = ("{a} and {b}", "{a} or {b}", "not ({a})", "not ({a}) and {b}", "{a} if {b} else {c}", "{a}")
WORDS = {"datetime": datetime_module, "decimal": decimal}


def random_test(dice: Random) -> str:
    v, w = dice.choice(VALUES).strip(), dice.choice(VALUES).strip()
    return dice.choice(TESTS).strip().format(f=dice.choice("xy"), v=v, w=w)


def random_objects(dice: Random, count: int) -> list[EmergeFile]:
    """Objects with fields of any kind, or none."""
    objects = [EmergeFile(name=f"r{number:02}", path=f"/random/{number % 2}") for number in range(count)]
    for each in objects:
        for name in dice.choice(("", "x", "y", "xy", "xy")):
            setattr(each, name, eval(dice.choice(VALUES).strip(), WORDS))
    return objects


def holds(text: str, obj: EmergeFile) -> bool:
    try:
        return bool(eval(f"lambda o: {text}", WORDS)(obj))
    except Exception:
        return False


@scenario
async def answers_as_a_full_scan_would(client: Client) -> None:
    """Random predicates over random objects: mixed types, missing attributes; with and without indexes."""
    dice = Random(20261123)
    objects = random_objects(dice, 40)
    await client.storeall(objects)
    finder = Finder(client, "/random")
    texts = [dice.choice(JOINS).format(**{name: random_test(dice) for name in "abc"}) for _ in range(30)]
    expected = {text: [each.name for each in objects if holds(text, each)] for text in texts}
    assert sum(map(bool, expected.values())) > 10
    for indexes in ((), ("x",), ("y", "x")):
        if indexes:
            await finder.index(*indexes)
        for text in texts:
            asked, bundles = wire_predicate(text)
            page = await finder.call("search", "/random", asked, "", False, 1000, "", "", bundles)
            assert sorted(names_of(page)) == expected[text], (indexes, text)


@scenario
async def what_a_comparison_raises_is_counted(client: Client) -> None:
    finder = await stock(client, 4)
    page = await finder.page(lambda o: o.unit_price >= 0)
    assert len(page["objects"]) == 4 and page["errors"]["count"] == 1
    assert page["errors"]["first"][0]["path"] == "/inventory/note"
    assert "unit_price" in page["errors"]["first"][0]["error"]


@scenario
async def finds_by_what_only_code_knows(client: Client) -> None:
    await client.storeall(Parcel(name=f"p{n}", path="/land", acres=n * 10.0, crops=["rye"] * (n % 2)) for n in range(8))
    finder = Finder(client, "/land")
    assert sorted(await finder.names(lambda o: o.hectares > 20)) == ["p5", "p6", "p7"]
    assert sorted(await finder.names(lambda o: o.acres > 20 and o.grows("rye"))) == ["p3", "p5", "p7"]
    assert sorted(await finder.names(lambda o: is_large(o.acres), limit=2)) == ["p3", "p4", "p5", "p6", "p7"]
    assert await finder.names(None, "hectares", True, 3) == [f"p{n}" for n in range(7, -1, -1)]
    told = await finder.call("aggregate", "/land", {"n": ["count"], "most": ["max", "hectares"]}, ["crops"])
    assert [(row["crops"], row["n"]) for row in told["groups"]] == [([], 4), (["rye"], 4)]
    assert abs(told["groups"][1]["most"] - 28.329) < 1e-9
    explained = await finder.explain(lambda o: is_large(o.acres))
    assert explained["code"] is True
    await finder.index("acres")
    page = await finder.page(lambda o: o.acres > 55 and o.hectares > 20)
    assert names_of(page) == ["p6", "p7"] and page["scanned"] == 2


@scenario
async def keeps_an_order_across_pages(client: Client) -> None:
    values = [3, 1.5, Decimal("2.5"), "b", "a", None, True, [1], datetime(2026, 1, 1, tzinfo=UTC)]
    await client.storeall(EmergeFile(name=f"v{n}", path="/mixed", data=value) for n, value in enumerate(values))
    finder = Finder(client, "/mixed")
    ascending = ["v5", "v6", "v1", "v2", "v0", "v4", "v3", "v8", "v7"]
    descending = [*ascending[-2::-1], "v7"]
    for limit in (1, 4, 100):
        assert await finder.names(None, "data", False, limit) == ascending
        assert await finder.names(None, "data", True, limit) == descending
    await client.rm("/mixed/v7")
    await finder.index("data")
    for limit in (1, 4, 100):
        assert await finder.names(None, "data", False, limit) == ascending[:-1]
        assert await finder.names(None, "data", True, limit) == descending[:-1]
    assert "in its order" in (await finder.explain(None, "data"))["text"]


@scenario
async def searches_follow_every_change(client: Client) -> None:
    finder = await stock(client, 10)
    await finder.index("unit_price", path="/")
    dear: Predicate = lambda o: o.unit_price > 4  # noqa: E731  # asked again and again
    assert await finder.names(dear) == ["w09"]
    await client.update("/inventory/a/w00", unit_price=100.0)
    await client.mv("/attic/elsewhere", "/inventory/moved")
    await client.update("/inventory/moved", unit_price=5.0)
    await client.cp("/inventory/moved", "/inventory/copy")
    assert sorted(await finder.names(dear)) == ["copy", "moved", "w00", "w09"]
    before = (await client.get("/inventory/copy")).date
    await client.rm("/inventory/a", recursive=True)
    await client.mv("/inventory/b", "/attic/b")
    assert sorted(await finder.names(dear)) == ["copy", "moved"]
    page = await finder.page(dear, "unit_price", False, 1000, "", before)
    assert names_of(page)[-1] == "w00" and len(page["objects"]) == 4
    await client.restore("/inventory/a")
    assert sorted(await finder.names(dear)) == ["copy", "moved", "w00"]


@scenario
async def searches_show_what_may_be_read(client: Client) -> None:
    await client.chmod("/", "rwxrwxrwx")
    ada, bob = client.as_user("ada"), client.as_user("bob")
    await ada.with_umask(0).storeall(item(f"w{n}", f"/inventory/{'ab'[n % 2]}", unit_price=n) for n in range(6))
    await ada.chmod("/inventory/a", "rwx--x--x")
    await ada.chmod("/inventory/b/w3", "rwx------")
    for indexed in (False, True):
        if indexed:
            await Finder(client).index("unit_price", path="/")
        finder = Finder(bob)
        assert sorted(await finder.names(lambda o: o.unit_price >= 0)) == ["w1", "w5"]
        assert await finder.names(None, "unit_price", True) == ["w5", "w1"]
        told = await finder.call("aggregate", "/inventory", {"total": ["sum", "unit_price"]})
        assert told["groups"] == [{"total": 6}]
        assert len(await Finder(ada).names(lambda o: o.unit_price >= 0)) == 6
    await refused(Finder(bob, "/inventory/a").names(lambda o: o.unit_price >= 0), PermissionDenied, "/inventory/a")


@scenario
async def finds_words(client: Client) -> None:
    texts = {"fox": "The quick brown fox", "dog": "Quick dog, quick!", "hare": "A hare, quickly, was here", "bare": ""}
    await client.storeall(Parcel(name=name, path="/land", note=text) for name, text in texts.items())
    finder = Finder(client, "/land")

    async def found(words: str) -> list[str]:
        names: list[str] = []
        cursor = ""
        while True:
            page = await finder.call("searchtext", "/land", "note", words, 2, cursor)
            names += names_of(page)
            cursor = page["cursor"]
            if not cursor:
                return names

    for indexed in (False, True):
        if indexed:
            await finder.index("note", text=True)
        assert await found("QUICK") == ["dog", "fox"]
        assert sorted(await found("quick*")) == ["dog", "fox", "hare"]
        assert await found("quick fox") == ["fox"]
        assert await found("quick cat") == []
    await client.update("/land/bare", note="quick quick")
    await client.rm("/land/dog")
    assert await found("quick") == ["bare", "fox"]
    await refused(found("!"), Invalid, "words")


@scenario
async def adds_up_without_fetching(client: Client) -> None:
    finder = await stock(client, 20)
    wanted = {
        "n": ["count"],
        "sum": ["sum", "unit_price"],
        "p": ["percentile", "unit_price", 50],
        "d": ["std", "unit_price"],
    }
    told = await finder.call("aggregate", "/inventory", wanted, ["quantity"])
    assert [row["quantity"] for row in told["groups"]] == [None, 0, 1, 2, 3, 4]
    first = told["groups"][1]
    assert (first["n"], first["sum"], first["p"]) == (4, 15.0, 3.75)
    assert abs(first["d"] - 3.2274861218395143) < 1e-12
    asked, bundles = wire_predicate(lambda o: o.unit_price >= 9)
    told = await finder.call("aggregate", "/inventory", wanted, [], asked, "", bundles)
    assert (told["groups"][0]["n"], told["groups"][0]["sum"]) == (2, 18.5)
    await refused(finder.call("aggregate", "/inventory", {"n": ["size", "quantity"]}), Invalid, "size")


@scenario
async def explains_how_it_would_search(client: Client) -> None:
    finder = await stock(client, 10)
    explained = await finder.explain(lambda o: o.unit_price == 2)
    assert explained["suggestion"] == "index /inventory unit_price" and explained["code"] is False
    assert (explained["scans"], explained["of"]) == (11, 11)
    await finder.index("unit_price")
    explained = await finder.explain(lambda o: o.unit_price == 2)
    assert explained["suggestion"] == "" and explained["scans"] == 1
    assert "index on unit_price" in explained["text"]


@scenario
async def refuses_searches_that_are_none(client: Client) -> None:
    finder = await stock(client, 4)
    await refused(Finder(client, "/nothing").names(), NotFound, "/nothing")
    await refused(finder.names(None, "a b"), Invalid, "a b")
    await refused(finder.page(None, "", False, 0), Invalid, "limit")
    await refused(finder.page(None, "", False, 10, "nonsense"), Invalid, "cursor")
    await refused(finder.call("search", "/", {"text": "import os"}), Invalid)


@scenario
async def any_page_of_a_search_is_one_call(client: Client) -> None:
    random = Random(7)
    parcels = [Parcel(name=f"p{n:02}", path=f"/land/{n % 3}", acres=float(random.randrange(9))) for n in range(40)]
    await client.storeall([*parcels, item("odd", "/land")])
    orders: list[tuple[str, bool]] = [("", False), ("acres", False), ("acres", True), ("name", True)]
    for indexed in (False, True):
        if indexed:
            await Finder(client, "/land").index("acres")
        for order_by, descending in orders:
            asked = {"path": "/land", "order_by": order_by, "descending": descending}
            whole = [o.name for o in await client.search(lambda o: o.acres < 7, **asked)]
            for limit in (1, 6, len(whole), 100):
                pages = await client.searchpages(lambda o: o.acres < 7, limit=limit, **asked)
                assert pages["count"] == len(whole) and pages["errors"]["count"] == 1
                assert len(pages["cursors"]) in (0, -(-len(whole) // limit))  # 0: several nodes have a part
                for number, cursor in enumerate(pages["cursors"]):
                    page = await client.search(lambda o: o.acres < 7, limit=limit, cursor=cursor, **asked)
                    assert [o.name for o in page] == whole[number * limit :][:limit]
    pages = await client.searchpages(lambda o: o.acres > 100, "/land")
    assert pages["count"] == 0 and pages["cursors"] in ([], [""])
