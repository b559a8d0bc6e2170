"""Objects edited through the page's requests hold exactly what the same assignment in Python stores."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, cast
from uuid import UUID

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.protocol.view import FieldView, ObjectView
from emerge_wasm.browser.requests.objects import open_object, save
from emerge_wasm.browser.requests.right import rights
from emerge_wasm.browser.requests.state import read_state, write_state
from emerge_wasm.browser.tab import Tab
from emerge_wasm.codec import Reference, show
from emerge_wasm.errors import Invalid, NotFound
from tests.browser.requests.test_table import OneTab, one_tab
from tests.scale import TURN, examples

MODULE = """
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal, NamedTuple, Optional, Union
from uuid import UUID

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Reference

Tags = list[str]


class Colour(Enum):
    RED = 1
    DARK_BLUE = "blue"


class Size(IntEnum):
    S = 1
    L = 3


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclass
class Line:
    sku: str
    count: int = 1
    colour: Colour = Colour.RED
    below: list[Line] = field(default_factory=list)
"""
values: ModuleType
_numbers = itertools.count()
ID = "0190a0b0-0000-7000-8000-000000000001"
Make = Callable[[Random], object]
ANNOTATIONS: dict[str, Make] = {
    "int": lambda r: r.choice([0, -7, 2**70, 12]),
    "float": lambda r: r.choice([0.0, -0.0, 1e300, 2.5, float("inf")]),
    "bool": lambda r: r.random() < 0.5,
    "str": lambda r: r.choice(["", "a", "two\nlines", "'\"\\", "مرحبا 🙂", "x" * 200]),
    "bytes": lambda r: r.randbytes(5),
    "date": lambda r: date(2026, 1, r.randint(1, 28)),
    "datetime": lambda r: datetime(2026, 1, 5, 9, r.randint(0, 59), tzinfo=r.choice([None, UTC])),
    "time": lambda r: time(r.randint(0, 23), 5),
    "timedelta": lambda r: timedelta(days=r.randint(-3, 3), seconds=4),
    "Decimal": lambda r: Decimal(r.choice(["1.50", "-0", "1E+5"])),
    "UUID": lambda r: UUID(int=r.getrandbits(128)),
    "Colour": lambda r: r.choice(list(values.Colour)),
    "Size": lambda r: r.choice(list(values.Size)),
    "Point": lambda r: values.Point(r.randint(0, 9), 1.5),
    "Line": lambda r: line(r, 2),
    "Reference": lambda r: Reference(ID),
    "Literal['a', 'b', 3]": lambda r: r.choice(["a", "b", 3]),
    "Tags": lambda r: ["x", "y"][: r.randint(0, 2)],
    "Any": lambda r: r.choice([None, 1, (1, 2), {"a": [1]}]),
}


def line(random: Random, depth: int) -> Any:
    below = [line(random, depth - 1) for _ in range(random.randint(0, 2 if depth else 0))]
    return values.Line(f"s{random.randint(0, 9)}", random.randint(0, 9), random.choice(list(values.Colour)), below)


def annotation(random: Random, depth: int = 2) -> tuple[str, Make]:
    """An annotation, and what makes values that fit it."""
    if depth == 0 or random.random() < 0.4:
        text = random.choice(list(ANNOTATIONS))
        return text, ANNOTATIONS[text]
    text, make = annotation(random, depth - 1)
    hashed, make_hashed = random.choice([(key, ANNOTATIONS[key]) for key in ("int", "str", "date", "Colour", "Point")])
    some: list[tuple[str, Make]] = [
        (f"list[{text}]", lambda r: [make(r) for _ in range(r.randint(0, 3))]),
        (f"tuple[{text}, ...]", lambda r: tuple(make(r) for _ in range(r.randint(0, 3)))),
        (f"tuple[int, {text}]", lambda r: (r.randint(0, 9), make(r))),
        (f"dict[{hashed}, {text}]", lambda r: {make_hashed(r): make(r) for _ in range(r.randint(0, 3))}),
        (f"set[{hashed}]", lambda r: {make_hashed(r) for _ in range(r.randint(0, 3))}),
        (f"frozenset[{hashed}]", lambda r: frozenset({make_hashed(r)})),
        (f"Optional[{text}]", lambda r: None if r.random() < 0.5 else make(r)),
        (f"{text} | None", lambda r: None if r.random() < 0.5 else make(r)),
        (f"Union[{text}, str]", lambda r: "or" if r.random() < 0.5 else make(r)),
    ]
    return random.choice(some)


def write_class(name: str, fields: dict[str, str]) -> str:
    rows = "".join(f"    {field}: {text} = None\n" for field, text in fields.items())
    return f"\n\n@dataclass\nclass {name}(EmergeFile):\n{rows}"


def load(folder: Path, text: str) -> None:
    """Load a module of classes, from which values are made from now on."""
    global values
    name = f"values_of_objects_{next(_numbers)}"
    file = folder / f"{name}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    sys.modules[name] = values = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(values)


def field_of(view: ObjectView, name: str) -> FieldView:
    return next(row for row in view["fields"] if row["name"] == name)


async def look(tab: OneTab, path: str) -> ObjectView:
    return await open_object(cast("Tab", tab), {"where": "local", "path": path, "version": 0})


async def put(tab: OneTab, path: str, **texts: str) -> None:
    version = (await look(tab, path))["pointer"]["version"]
    saved = await save(cast("Tab", tab), {"where": "local", "path": path, "version": version, "changes": texts})
    assert saved["pointer"] is not None


def typed(kind: str, value: object) -> str:
    """What a user would type for a value: a string itself, or as Python writes it."""
    return value if isinstance(value, str) and kind in ("str", "text") else show(value)


async def state(tab: OneTab, path: str) -> bytes:
    row = await tab.place.call("getobject", [path])
    return cast(bytes, row["state"])


def test_an_edit_stores_what_the_assignment_would(tmp_path: Path) -> None:
    randoms = [Random(f"{TURN} {number}") for number in range(examples(8))]
    made = [{f"f{at}": annotation(random) for at in range(4)} for random in randoms]
    classes = [write_class(f"G{at}", {name: text for name, (text, _) in each.items()}) for at, each in enumerate(made)]
    load(tmp_path, MODULE + "".join(classes))

    async def run(number: int) -> None:
        random, makers = randoms[number], {name: make for name, (_, make) in made[number].items()}
        cls = getattr(values, f"G{number}")
        async with one_tab() as tab:
            first = {name: make(random) for name, make in makers.items()}
            for path in ("/page", "/python"):
                await tab.place.reader.store(cls(name="o", path=path, **cast("Any", first)))
            view = await look(tab, "/page/o")
            for row in view["fields"]:
                assert row["kind"] != "fixed", (row, first)
            second = {name: make(random) for name, make in makers.items()}
            texts = {name: typed(field_of(view, name)["kind"], value) for name, value in second.items()}
            # what the kinds of inputs do not take (None in a number, say) stays to the editor of the whole text
            await put(tab, "/page/o", **texts)
            mine = await tab.place.reader.getobject("/python/o")
            for name, value in second.items():
                setattr(mine, name, value)
            await tab.place.reader.store(mine)
            assert await state(tab, "/page/o") == await state(tab, "/python/o"), (first, second)
            read = await tab.place.reader.getobject("/page/o")
            assert [getattr(read, name) for name in second] == list(second.values())
            await check_texts(tab, "/page/o", texts)
            again = await look(tab, "/page/o")  # and what is shown now reads back as it is
            await put(tab, "/page/o", **{row["name"]: row["text"] for row in again["fields"]})
            assert await state(tab, "/page/o") == await state(tab, "/python/o")

    for number in range(len(randoms)):
        asyncio.run(run(number))


async def check_texts(tab: OneTab, path: str, edits: dict[str, str]) -> None:
    """The state as one text reads back as it is, and from an older version as what has changed since."""
    for format in ("python", "json"):
        args: Any = {"where": "local", "path": path, "version": 2, "format": format}
        written = await write_state(cast("Tab", tab), {**args, "changes": {}})
        assert written["left"] == {}
        assert await read_state(cast("Tab", tab), {**args, "text": written["text"]}) == {"changes": {}}
        args["version"] = 1
        edited = await write_state(cast("Tab", tab), {**args, "changes": edits})
        assert edited["text"] == written["text"]
        changes = (await read_state(cast("Tab", tab), {**args, "text": written["text"]}))["changes"]
        before = await state(tab, path)
        version = (await look(tab, path))["pointer"]["version"]
        await tab.place.call("restore", [path, 1])
        await put(tab, path, **changes)
        assert await state(tab, path) == before
        await tab.place.call("restore", [path, version])


BROKEN = [
    ("python", "{'f0': 1", "no Python"),
    ("python", "[1]", "written as a dict"),
    ("python", "{'number': open('x')}", "number: "),
    ("python", "{f: 1}", "no name of a field"),
    ("python", "{'number': 1, 'number': 2}", "twice"),
    ("python", "{'number': 1}", "is missing"),
    ("python", "{'path': '/b'}", "no part of the state"),
    ("json", '{"number": 1', "no JSON in line 1"),
    ("json", '{"number": {"$odd": 1}}', "$odd is not known"),
    ("json", '{"number": {"a": 1, "a": 2}}', "twice"),
    ("json", '{"number": {"$python": "f()"}}', "number: "),
]


def test_a_text_that_is_no_state_is_refused_by_name(tmp_path: Path) -> None:
    load(tmp_path, MODULE + NESTED)

    async def run() -> None:
        async with one_tab() as tab:
            await tab.place.reader.store(values.Odd(name="o", path="/a"))
            for format, text, said in BROKEN:
                args: Any = {"where": "local", "path": "/a/o", "version": 1, "format": format, "text": text}
                with pytest.raises(Invalid, match=re.escape(said)):
                    await read_state(cast("Tab", tab), args)

    asyncio.run(run())


NESTED = """

@dataclass
class Order(EmergeFile):
    @dataclass
    class Line:
        sku: str = ""
        kind: Order.Kind | None = None

    class Kind(Enum):
        NEW = 1
        OLD = 2

    lines: list[Line] = field(default_factory=list)
    first: Line | None = None
    count: int = 0


@dataclass
class Odd(EmergeFile):
    number: int = 0
    when: date | None = None
    twice: list[list[int]] = field(default_factory=list)
    big: str = ""
    rows: list[int] = field(default_factory=list)
"""


def test_the_first_value_of_a_class_within_a_class_can_be_read(tmp_path: Path) -> None:
    load(tmp_path, MODULE + NESTED)

    async def run() -> None:
        async with one_tab() as tab:
            await tab.place.reader.store(values.Order(name="o", path="/a"))
            await put(tab, "/a/o", lines="[Order.Line('a', Order.Kind.OLD), Order.Line()]", first="Order.Line(sku='b')")
            line = values.Order.Line
            read = await tab.place.reader.getobject("/a/o")
            assert read.lines == [line("a", values.Order.Kind.OLD), line()] and read.first == line("b")
            view = await look(tab, "/a/o")
            assert field_of(view, "first")["text"] == "Order.Line(sku='b', kind=None)"
            form = view["forms"][field_of(view, "lines")["form"]]
            assert (form["kind"], view["forms"][form["of"][0]]["name"]) == ("list", "Order.Line")

    asyncio.run(run())


def test_what_does_not_fit_is_shown_and_can_be_edited(tmp_path: Path) -> None:
    load(tmp_path, MODULE + NESTED)

    async def run() -> None:
        async with one_tab() as tab:
            inner = [1]
            odd = values.Odd(name="o", path="/a", number="three", when=5, twice=[inner, inner], big="x" * 200_000)
            odd.rows = list(range(50_000))
            await tab.place.reader.store(odd)
            rows = {row["name"]: row for row in (await look(tab, "/a/o"))["fields"]}
            assert (rows["number"]["kind"], rows["number"]["text"]) == ("literal", "'three'")
            assert (rows["when"]["kind"], rows["when"]["text"]) == ("literal", "5")
            assert rows["twice"]["kind"] == "fixed" and "shared" in rows["twice"]["reason"]
            assert (rows["big"]["kind"], rows["big"]["size"], len(rows["big"]["text"])) == ("text", 200_000, 100_000)
            assert (rows["rows"]["kind"], rows["rows"]["type"]) == ("literal", "list")
            await put(tab, "/a/o", number="3", when="date(2026, 1, 2)", twice="[[1], [1]]", big="y" * 150_000)
            read = await tab.place.reader.getobject("/a/o")
            assert (read.number, read.when, read.twice, read.big) == (3, date(2026, 1, 2), [[1], [1]], "y" * 150_000)
            assert field_of(await look(tab, "/a/o"), "number")["kind"] == "int"

    asyncio.run(run())


def test_an_object_whose_class_is_nowhere_is_shown_and_edited_whole(tmp_path: Path) -> None:
    load(tmp_path, MODULE + NESTED)

    async def run() -> None:
        async with one_tab() as tab:
            pointer = await tab.place.reader.store(values.Order(name="o", path="/a", first=values.Order.Line("a")))
            bundles = {pointer.bundle: b"broken"}
            for gone in (bundles, {}):
                tab.place.reader = cast("Any", Without(tab.place.reader, gone))
                view = await look(tab, "/a/o")
                assert view["lacking"] and view["runs"] == "nowhere" and not view["methods"]
                assert [row["name"] for row in view["fields"]] == ["lines", "first", "count", "id", "data"]
                await put(tab, "/a/o", first="Order.Line(sku='b', kind=None)", count=str(len(gone) + 7))
                tab.place.reader = tab.place.reader.whole  # type: ignore[attr-defined]
                read = await tab.place.reader.getobject("/a/o")
                assert (read.first, read.count) == (values.Order.Line("b"), len(gone) + 7)

    asyncio.run(run())


def test_rights_are_told_and_their_change_is_undone() -> None:
    async def run() -> None:
        async with one_tab() as tab:
            await tab.place.reader.store(EmergeFile(name="o", path="/a"))
            told = await rights(cast("Tab", tab), {"where": "local", "path": "/a/o"})
            assert told["may"] == (not told["why"]) and told["may"]
            before = (await look(tab, "/a/o"))["pointer"]
            done = await tab.change(
                {"change": "chmod", "path": "/a/o", "perms": "rwxrwxr--"},
                {"change": "chown", "path": "/a/o", "owner": "", "group": "shop"},
            )
            after = (await look(tab, "/a/o"))["pointer"]
            assert (after["perms"], after["group"], after["owner"]) == ("rwxrwxr--", "shop", before["owner"])
            await tab.change(*done["undo"])
            back = (await look(tab, "/a/o"))["pointer"]
            assert (back["perms"], back["group"], back["owner"]) == (before["perms"], before["group"], before["owner"])

    asyncio.run(run())


class Without:
    """A client whose filesystem has lost its classes, or has what is none."""

    def __init__(self, whole: Any, bundles: dict[str, bytes]) -> None:
        self.whole, self.bundles = whole, bundles
        self.remote = self

    async def fetch_bundles(self, hash: str) -> dict[str, bytes]:
        if hash not in self.bundles:
            raise NotFound(f"the class bundle {hash} is nowhere to be found")
        return self.bundles

    async def classes(self, hashes: list[str]) -> dict[str, bytes]:
        return self.bundles
