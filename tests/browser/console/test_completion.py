"""Completion names what is there, and runs nobody's code for it."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.browser.console.caret import read_caret
from emerge_wasm.browser.console.completion import Completer, before_name
from emerge_wasm.browser.console.tools import describe_value
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.sync import SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.results import EntryPage
from emerge_wasm.stores import open_store
from tests.scale import examples


async def nothing(client: object, root: str, path: str, cursor: str, limit: int) -> EntryPage:
    return {"entries": [], "cursor": ""}


async def texts(namespace: dict[str, object], before: str, after: str = "") -> list[str]:
    found = await Completer(namespace, nothing).complete(before, after)
    return [item["text"] for item in found.items]


# --- nobody's code
class Trap(Exception):
    """Raised by code that must not run."""


RAN: list[str] = []


def trap(name: str) -> Callable[..., object]:
    def run(*args: object, **kwargs: object) -> object:
        RAN.append(name)
        raise Trap(name)

    return run


class Descriptor:
    def __get__(self, instance: object, owner: object = None) -> object:
        RAN.append("a descriptor")
        raise Trap

    def __set__(self, instance: object, value: object) -> None:
        raise Trap


class Mine(type):
    """A metaclass that traps whatever it is asked."""

    def __getattribute__(cls, name: str) -> object:
        RAN.append(f"metaclass {name}")
        raise Trap(name)

    def __eq__(cls, other: object) -> bool:
        RAN.append("metaclass ==")
        raise Trap

    __hash__ = type.__hash__


HOOKS = """__getattr__ __getattribute__ __dir__ __repr__ __str__ __eq__ __hash__ __bool__ __len__ __iter__ __getitem__
    __contains__ __call__ __format__ __instancecheck__ __class_getitem__ __mro_entries__ __subclasscheck__""".split()
KINDS = ["property", "method", "static", "class", "value", "descriptor", "slot", "nested", "cached"]
NAMES = st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True).filter(str.isidentifier)


@st.composite
def hostile(draw: st.DrawFn) -> tuple[object, set[str]]:
    """A value of a generated class that runs code wherever it can, and the public names that it has."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    bases: list[type] = []
    public = set(names)
    levels = draw(st.integers(1, 3))
    for level in range(levels):
        body: dict[str, object] = {"__doc__": "Documented."}
        slots = []
        for at, name in enumerate(names):
            if at % 3 != level % 3 and level:
                continue
            kind = draw(
                st.sampled_from(
                    ["property", "method", "static", "class", "value", "descriptor", "slot", "nested", "cached"]
                )
            )
            body[name] = {
                "property": property(trap(name), trap(name)),
                "method": trap(name),
                "static": staticmethod(trap(name)),
                "class": classmethod(trap(name)),
                "value": 3,
                "descriptor": Descriptor(),
                "nested": type("Nested", (), {}),
                "cached": __import__("functools").cached_property(trap(name)),
            }.get(kind, 3)
            if kind == "slot" and not bases:
                slots.append(name)
                del body[name]
        for hook in draw(st.sets(st.sampled_from(HOOKS))) if level == 0 or draw(st.booleans()) else ():
            body.setdefault(hook, trap(hook))
        if slots:
            body["__slots__"] = (*slots, "__dict__") if draw(st.booleans()) else tuple(slots)
        meta = draw(st.sampled_from([type, type, Mine])) if level + 1 == levels else type
        bases = [type.__new__(meta, f"C{level}", tuple(bases), body)]
    value = object.__new__(bases[0])
    return (bases[0] if draw(st.integers(0, 4)) == 0 else value), public


@settings(max_examples=examples(25), deadline=None)
@given(hostile())
async def test_it_runs_nobodys_code_and_names_all_public_members(made: tuple[object, set[str]]) -> None:
    value, public = made
    RAN.clear()
    space: dict[str, object] = {"x": value}
    found = await texts(space, "x.")
    assert public <= set(found)
    completer = Completer(space, nothing)
    for before in ["x", *(f"x.{name}" for name in sorted(public)[:4])]:
        completer.describe(before)
        completer.call_of(f"{before}(1, ")
        await completer.complete(f"{before}.")
        await completer.complete(f"{before}('/")
        await completer.complete(f"{before}['")
        await completer.complete(f"{before}[0].")
        await completer.complete(f"y = {before}\ny.")
    describe_value("x", value, full=True)
    assert RAN == []


class Colour(enum.Enum):
    RED = 1


@dataclass
class Item(EmergeFile):
    """A thing in a store."""

    unit_price: float = 0.0
    tags: list[str] = field(default_factory=list)

    def total(self, count: int, *, tax: float = 0.2) -> float:
        """What so many cost."""
        return count * self.unit_price * (1 + tax)

    @property
    def cheap(self) -> bool:
        raise Trap


def make_item(name: str) -> Item:
    return Item(name=name)


SPACE: dict[str, object] = {
    "item": Item(name="a"),
    "Item": Item,
    "make_item": make_item,
    "things": [Item(name="b"), "text"],
    "by_name": {"alpha": Item(name="c"), "beta": 2},
    "Colour": Colour,
    "types": types,
    "holder": types.SimpleNamespace(things=[Item(name="b")]),
    "number": 7,
    "_private": 1,
}


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("item.", ["unit_price", "tags", "total", "cheap", "name", "path"]),
        ("item.un", ["unit_price"]),
        ("item.price", ["unit_price"]),  # within it, too
        ("x = 1\nif item.to", ["total"]),
        ("print(item.", ["total"]),
        ("things[0].to", ["total"]),
        ("things[1].upp", ["upper"]),
        ("by_name['alpha'].to", ["total"]),
        ("by_name['", ["alpha", "beta"]),
        ('by_name["al', ["alpha"]),
        ("Item(name='x').to", ["total"]),
        ("make_item('x').to", ["total"]),
        ("w = Item(name='x')\nw.to", ["total"]),
        ("item.name.upp", ["upper"]),
        ("'a b'.spl", ["split"]),
        ("f'{item.to", ["total"]),
        ("Colour.R", ["RED"]),
        ("types.Module", ["ModuleType"]),
        ("num", ["number"]),
        ("pri", ["print"]),
        ("whi", ["while"]),
        ("_pri", ["_private"]),
        ("def area(width, height=2):\n    return wid", ["width"]),
        ("import json as js\njs", ["js"]),
        ("total_count = 3\nfor total_each in []:\n    total_", ["total_count", "total_each"]),
        ("import js", ["json"]),
        ("import os.pa", []),
        ("import json.dec", ["json.decoder"]),
        ("from json import du", ["dump", "dumps"]),
        ("from json import (loads, du", ["dump", "dumps"]),
        ("Item(un", ["unit_price="]),
        ("item.total(3, ta", ["tax="]),
        ("Item(name='a', ", ["unit_price="]),
        ("[item.total(\n  3,\n  t", ["tax="]),
        ("[each.price for each in things if each.un", ["unit_price"]),
        ("for each in holder.things:\n    each.un", ["unit_price"]),
        ("%ti", ["time", "timeit"]),
        ("x = 1\nr = %timei", ["timeit"]),
        ("for x in []:\n    %p", ["pip"]),
        ("%%ht", ["html"]),
        ("%%ti", ["time", "timeit"]),
    ],
)
async def test_what_it_completes(before: str, wanted: list[str]) -> None:
    found = await texts(SPACE, before)
    assert set(wanted) <= set(found)


@pytest.mark.parametrize(
    "before",
    ["# item.", "'item.", "x = 'it", '"""item.', "def to", "class It", "3.", "nothing.", "item[0]."],
)
async def test_where_it_has_nothing_to_say(before: str) -> None:
    assert await texts(SPACE, before) == []


async def test_a_comprehension_is_read_on_both_sides_of_the_cursor() -> None:
    assert "unit_price" in await texts(SPACE, "[each.", " for each in things]")


async def test_a_modulo_is_no_magic() -> None:
    assert await texts(SPACE, "number %ti") == await texts(SPACE, "number % ti")


async def test_keywords_that_are_given_are_not_offered_again() -> None:
    assert "name=" not in await texts(SPACE, "Item(name='a', ")
    assert "count=" not in await texts(SPACE, "item.total(3, ")


@given(st.text(alphabet="ab.x('\"[]{}=,:#\n \\/%f", max_size=40))
async def test_any_text_is_read(text: str) -> None:
    """Whatever is being written, completion answers; and what it would replace is the text's end."""
    found = await Completer(SPACE, nothing).complete(text)
    assert text.endswith(found.typed)
    Completer(SPACE, nothing).describe(text)
    Completer(SPACE, nothing).call_of(text)


# --- signatures
@pytest.mark.parametrize(
    ("before", "name", "active"),
    [
        ("item.total(", "total", "count: int"),
        ("item.total(3, tax=", "total", "tax: float = 0.2"),
        ("Item(", "Item", None),
        ("print(item.total(1), ", "print", "*args"),
        ("max(item.total(", "total", "count: int"),
        ("make_item(name=", "make_item", "name: str"),
    ],
)
def test_the_call_that_is_being_written(before: str, name: str, active: str | None) -> None:
    told = Completer(SPACE, nothing).call_of(before)
    assert told is not None
    assert told["name"] == name
    parameters = told["parameters"]
    assert parameters is not None
    if active is not None:
        assert parameters[told["active"]] == active


def test_what_a_name_is() -> None:
    completer = Completer(SPACE, nothing)
    total = completer.describe("x = item.total")
    assert total is not None
    assert (total["kind"], total["doc"]) == ("function", "What so many cost.")
    number = completer.describe("number")
    assert number is not None
    assert number["kind"] == "int = 7"
    cheap = completer.describe("item.cheap")
    assert cheap is not None
    assert cheap["kind"] == "property"
    assert completer.describe("nothing") is None
    assert completer.call_of("def total(") is None


# --- paths
PATH_NAMES = ["inventory", "inv", "inventory é", "a'b", "\U0001f600 box", "zoo"]


@pytest.mark.parametrize(
    "call", ["fs.getobject(", "fs.list(path=", "fs.mv('/zoo', ", "fs.cp('/zoo', target=", "Item(name='x', path="]
)
async def test_paths_in_calls_that_take_them(call: str) -> None:
    filesystem = await Filesystem.open(await open_store("memory:"), node="n1", url="memory:")
    transport = LocalTransport(filesystem)
    client = Client(transport)
    for name in PATH_NAMES:
        await client.mkdir(f"/{name}")
    await client.store(EmergeFile(name="widget1", path="/inventory"))

    async def list_directory(given: object, root: str, path: str, cursor: str, limit: int) -> EntryPage:
        page: EntryPage = await transport.call("list", [path, cursor, limit])
        return page

    async def open_client() -> Client:
        return client

    completer = Completer({"fs": SyncClient(open_client, "fs"), "Item": Item}, list_directory)
    found = await completer.complete(f"{call}'/inv")
    assert [item["text"] for item in found.items] == ["inv", "inventory", "inventory é"]
    assert (found.typed, found.whole) == ("inv", True)
    found = await completer.complete(f'{call}"/inventory/wid')
    assert [(item["text"], item["detail"]) for item in found.items] == [("widget1", "EmergeFile")]
    offered = {item["text"] for item in (await completer.complete(f"{call}'/")).items}
    assert offered == {name.replace("'", r"\'") for name in PATH_NAMES}
    assert (await completer.complete(f"{call}'/none/")).items == []
    assert (await completer.complete(f"print({call!r}, '/inv")).items == []


@given(
    st.lists(st.text(min_size=1).filter(lambda text: not any(0xD800 <= ord(each) < 0xE000 for each in text))),
    st.text(max_size=2),
)
def test_a_listing_begins_before_the_names_with_a_prefix(names: list[str], prefix: str) -> None:
    if any(0xD800 <= ord(each) < 0xE000 for each in prefix):
        return
    cursor = before_name(prefix)
    for name in names:
        if name.startswith(prefix):
            assert name > cursor
    assert cursor <= prefix


def test_tokens_of_a_cell_that_is_not_finished() -> None:
    caret = read_caret("x = foo(1\ndef f():\n    return bar.")
    assert (caret.owner, caret.call) == ("bar", None)
    call = read_caret("a.b(1, c=[2, 3], d=").call
    assert call is not None
    assert (call.callee, call.index, call.keyword, call.given) == ("a.b", 2, "d", ("c", "d"))


class Wheel:
    size = 3

    def turn(self) -> int:
        return self.size


WRITTEN = {
    "import json as j\nj.": "dumps",
    "import collections.abc\ncollections.": "OrderedDict",
    "from json import decoder as d\nd.": "JSONDecoder",
    "class New:\n    kind: int\n    def go(self): pass\nNew.": "kind",
    "class New:\n    def go(self): pass\nn = New()\nn.": "go",
    "class New(Wheel):\n    def go(self):\n        self.": "turn",
    "class New:\n    def __init__(self):\n        self.zed = 1\n    def go(self):\n        if self.": "zed",
    "def f(a: Wheel, *, b: str):\n    a.": "turn",
    "def f(a: Wheel, *, b: str):\n    c = a.turn()\n    b.": "upper",
    "async def f(a: Wheel):\n    x = await a.": "turn",
    "for each in wheels:\n    each.": "turn",
    "try:\n    pass\nexcept ValueError as error:\n    error.": "args",
}


@pytest.mark.parametrize(("before", "name"), WRITTEN.items())
async def test_names_of_a_text_that_has_not_run(before: str, name: str) -> None:
    assert name in await texts({"Wheel": Wheel, "wheels": [Wheel()]}, before)


@given(hostile())
async def test_a_class_that_is_written_runs_no_code_of_its_bases(made: tuple[object, set[str]]) -> None:
    value, public = made
    RAN.clear()
    names: dict[str, object] = {"Base": type(value), "many": [value]}
    for text in ("class New(Base):\n    def go(self):\n        self.", "def f(a: Base):\n    a."):
        assert {*await texts(names, text)} - {*dir(object)}
    assert public <= {*await texts(names, "for a in many:\n    a.")}
    assert RAN == []
