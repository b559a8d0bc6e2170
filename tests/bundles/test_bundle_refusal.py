"""What cannot travel is refused by name, with what to do about it; so is every bundle that is not right."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from collections.abc import Callable
from dataclasses import make_dataclass
from enum import Enum
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture, load, parse
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.codec import decode, encode
from emerge_wasm.errors import CannotShip, ExecutionFailed, Invalid, LimitExceeded, NotFound

from .conftest import forget, pack, reload

Make = Callable[..., ModuleType]
HEAD = """
from __future__ import annotations
from dataclasses import dataclass, field
from emerge_wasm import EmergeFile
"""
ITEM = "@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return {}\n"


@pytest.mark.parametrize(
    ("before", "used", "named"),
    [
        ("log = open(__file__)\nlog.close()", "log", "Item uses log, a TextIOWrapper"),
        ("import socket\nline = socket.socket()\nline.close()", "line", "Item uses line, a socket"),
        ("import threading\nlock = threading.Lock()", "lock", "Item uses lock, a lock"),
        ("fs = [len, {1: open(__file__)}]\nfs[1][1].close()", "fs", "Item uses fs, a list that holds a TextIOWrapper"),
        ("import threading\nt = (len, threading.Lock())", "t", "Item uses t, a tuple that holds a lock"),
        ("fs = {'a': eval('lambda: 1')}", "fs", "Item uses fs, a dict that holds a function without a text"),
        ("fs = [len]\nfs.append(fs)", "fs", "Item uses fs, a list that holds something that nests too deep"),
        (
            "def g():\n    return h()\nimport threading\nlock = threading.Lock()\ndef h():\n    return lock",
            "g()",
            "h uses lock",
        ),
        ("gen = (n for n in ())", "gen", "Item uses gen, a generator"),
        ("", "missing()", "Item uses missing, which is not defined"),
        ("exec('class Q: pass')", "Q()", "class Q has no source"),
        ("g = eval('lambda: 1')", "g()", "Item uses g"),
        ("from . import brother", "brother.x", "module brother, which is not installed"),
    ],
)
def test_names_that_cannot_travel(module: Make, before: str, used: str, named: str) -> None:
    brother = module("x = 1\n", "shop.brother")
    package = module("", "shop")
    vars(package)["brother"] = brother
    package.__path__ = []
    cls = module(HEAD + before + "\n" + ITEM.format(used), "shop.item").Item
    with pytest.raises(CannotShip, match=named) as caught:
        capture(cls)
    assert caught.value.remedy


def test_an_import_of_a_users_module_within_a_method(module: Make) -> None:
    module("x = 1\n", "mine")
    with pytest.raises(CannotShip, match="imports mine within a function"):
        capture(module(HEAD + ITEM.format("1") + "        import mine\n").Item)
    with pytest.raises(CannotShip, match=r"imports \.other within a function"):
        capture(module(HEAD + ITEM.format("1") + "        from .other import x\n", "shop.item").Item)


def test_two_things_of_one_name(module: Make) -> None:
    module("N = 1\ndef one():\n    return N\n", "first")
    module("N = 2\ndef two():\n    return N\n", "second")
    text = HEAD + "from first import one\nfrom second import two\n" + ITEM.format("one() + two()")
    with pytest.raises(CannotShip, match="two things named N"):
        capture(module(text).Item)


def test_classes_without_source() -> None:
    for cls in (make_dataclass("Made", ["x"]), type("Typed", (), {}), namedtuple("Tup", "x"), Enum("Num", "A")):
        with pytest.raises(CannotShip, match=f"the class {cls.__name__} has no source that can be found"):
            capture(cls)
    with pytest.raises(CannotShip, match="is not a class"):
        capture(3)  # type: ignore[arg-type]


def test_a_changed_class(module: Make) -> None:
    source = module(HEAD + "def other(self):\n    return 9\n" + ITEM.format("1"))
    source.Item.g = source.other
    with pytest.raises(CannotShip, match="Item got its attribute g after its definition"):
        capture(source.Item)
    del source.Item.g
    source.Item.size = 3
    with pytest.raises(CannotShip, match="attribute size"):
        capture(source.Item)
    del source.Item.size
    source.Item.f = source.other
    with pytest.raises(CannotShip, match="Item"):
        capture(source.Item)


def test_a_default_that_changed_after_the_import(module: Make, tmp_path: Any) -> None:
    text = HEAD + "def g(n=1, *, m=(1, 2)): return n\n" + ITEM.format("g()")
    source = module(text)
    (tmp_path / "stock.py").write_text(text.replace("m=(1, 2)", "m=(1, 3)"))
    with pytest.raises(CannotShip, match="g has no source that fits it"):
        capture(source.Item)


def test_a_method_replaced_by_a_function_of_its_name(module: Make) -> None:
    source = module(HEAD + "def f(self):\n    return 9\n" + ITEM.format("1"))
    source.Item.f = source.f
    with pytest.raises(CannotShip, match="Item"):
        capture(source.Item)


def test_lines_that_were_added_above_it_since(module: Make, tmp_path: Any) -> None:
    source = module(HEAD + "def g(): return 1\n" + ITEM.format("g()"))
    (tmp_path / "stock.py").write_text("# more\n\n\n" + HEAD + "\n\ndef g(): return 1\n" + ITEM.format("g()"))
    assert reload(source.Item)().f() == 1


def test_a_file_that_changed_after_its_import(module: Make, tmp_path: Any) -> None:
    source = module(HEAD + ITEM.format("1"))
    (tmp_path / "stock.py").write_text(HEAD + ITEM.format("2"))
    with pytest.raises(CannotShip, match=r"stock\.py was changed after it was imported"):
        capture(source.Item)


def test_the_same_name_twice(module: Make) -> None:
    """Line numbers tell which definition a class came from; without any method its fields do, or it is refused."""
    source = module(HEAD + ITEM.format("'old'") + "Old = Item\n" + ITEM.format("'new'"))
    old, new = pack(source.Old), pack(source.Item)
    forget()
    assert load(old[0], old[1].get)().f() == "old"
    assert load(new[0], new[1].get)().f() == "new"
    fields = "@dataclass\nclass Item(EmergeFile):\n    n: int = {}\n"
    source = module(HEAD + fields.format(1) + "Old = Item\n" + fields.format(2), "fields")
    assert "= 1" in capture(source.Old)[-1].source
    assert "= 2" in capture(source.Item)[-1].source


def test_ambiguous_definitions_are_refused(module: Make) -> None:
    fields = "@dataclass\nclass Item(EmergeFile):\n    n: list = field(default_factory={})\n"
    source = module(HEAD + fields.format("list") + "Old = Item\n" + fields.format("lambda: [1]"))
    if hasattr(source.Item, "__firstlineno__"):
        assert "lambda" not in capture(source.Old)[-1].source
        return
    with pytest.raises(CannotShip, match="2 definitions that fit"):
        capture(source.Old)


def test_a_constant_that_is_too_large(module: Make) -> None:
    with pytest.raises(CannotShip, match="Item with what it uses has"):
        capture(module(HEAD + "BIG = bytes(5_000_000)\n" + ITEM.format("BIG")).Item)


# --- bundles from elsewhere


def rows(**changes: Any) -> bytes:
    """A small bundle, with some of its rows replaced."""
    parts = {
        "head": [1, "Item", "", "anywhere"],
        "lists": [[], [], []],
        "tables": [[], [], []],
        "parts": [["class", "Item", "class Item:\n    pass", True]],
    }
    return encode(list({**parts, **changes}.values()))


def test_a_small_bundle_is_right() -> None:
    bundle = parse(rows())
    assert (bundle.class_name, bundle.source, bundle.where) == ("Item", "class Item:\n    pass", "anywhere")
    assert parse(bundle.data, bundle.hash) == bundle
    assert bundle.hash == hashlib.sha256(bundle.data).hexdigest()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"junk",
        encode({"class": "Item"}),
        rows()[:-1],
        rows() + b"\xc0",
        rows(head=[2, "Item", "", "anywhere"]),
        rows(head=[1, "Item", "", "everywhere"]),
        rows(head=[1, "It em", "", "anywhere"]),
        rows(head=[1, 5, "", "anywhere"]),
        rows(head=[1, "Item", "nothash", "anywhere"]),
        rows(head=[1, "Item", "a" * 64, "anywhere"]),
        rows(lists=[["../../etc"], [], []]),
        rows(lists=[[], [], [3]]),
        rows(lists=[[], []]),
        rows(tables=[[["n", 3]], [], []]),
        rows(tables=[[["n", b"\xc1"]], [], []]),
        rows(tables=[[], [["n", "b" * 64]], []]),
        rows(tables=[[], [], [["n", "1x"]]]),
        rows(parts=[["code", "Item", "", True]]),
        rows(parts=[["class", "Item", b"", True]]),
        rows(parts=[["class", "Item", "", 1]]),
        rows(parts=["class"]),
        rows(parts=None),
    ],
)
def test_malformed_bundles(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse(data)


def test_a_bundle_with_another_hash() -> None:
    with pytest.raises(Invalid, match="other bytes than its hash says"):
        parse(rows(), "0" * 64)
    with pytest.raises(Invalid):
        load("0" * 64, lambda hash: rows())
    with pytest.raises(NotFound) as caught:
        load("0" * 64, lambda hash: None)
    assert caught.value.details["bundle"] == "0" * 64


def made(text: str, **more: Any) -> tuple[str, Callable[[str], bytes | None]]:
    bundle = Bundle.of(Content("Item", parts=(SourcePart("class", "Item", text, False),), **more))
    return bundle.hash, {bundle.hash: bundle.data}.get


def test_a_required_bundle_is_missing() -> None:
    with pytest.raises(NotFound, match="ffffffffffff is not here"):
        load(*made("class Item: pass", requires=("f" * 64,)))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("class Item:\n    1 / 0", "ZeroDivisionError"),
        ("class Item(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("import no_such_package_here", "install no_such_package_here"),
        ("\0", "null"),
        ("from typing import Nothing", r"typing has no Nothing in Python 3\.\d+, which runs here"),
    ],
)
def test_source_that_fails(text: str, named: str) -> None:
    hash, find = made(text)
    with pytest.raises(ExecutionFailed, match=named) as caught:
        load(hash, find)
    assert "Traceback" in caught.value.details["traceback"]
    assert ".py" not in str(caught.value), "paths of this machine"
    with pytest.raises(ExecutionFailed):
        load(hash, find)


def test_a_bundle_without_its_class() -> None:
    with pytest.raises(Invalid, match="does not define Item"):
        load(*made("Item = 3"))
    with pytest.raises(ExecutionFailed):
        load(*made("pass", aliases=(("Item", "Item"),)))


def test_a_long_chain_of_bundles() -> None:
    table: dict[str, bytes] = {}
    last: tuple[str, ...] = ()
    for number in range(200):
        bundle = Bundle.of(
            Content("Item", requires=last, parts=(SourcePart("class", "Item", f"class Item: n = {number}", True),))
        )
        table[bundle.hash] = bundle.data
        last = (bundle.hash,)
    with pytest.raises(LimitExceeded):
        load(last[0], table.get)


def test_parsing_runs_nothing() -> None:
    parse(encode(decode(rows(parts=[["class", "Item", "raise SystemExit", True]]))))


def test_reading_pins_no_class_of_emerge() -> None:
    assert capture(EmergeFile)[-1].source == ""


BASE = "@dataclass\nclass Base(EmergeFile):\n    label: str = ''\n"
LOSES_NOTHING = [
    "@dataclass\nclass Item(Base):\n    {}\n",
    "class Item(Base):\n    count: 'ClassVar[int]' = 3\n    label: str = 'x'\n",
    "class Item(Base):\n    {}\n    def __init__(self):\n        super().__init__()\n        self.count = 4\n",
]


@pytest.mark.parametrize("base", ["EmergeFile", "Base"])
@pytest.mark.parametrize("line", ["count: int = 3", "count: 'int' = field(default=3)"])
def test_a_forgotten_dataclass(module: Make, base: str, line: str) -> None:
    named = "the class Item declares count, but is not a dataclass as its base is"
    with pytest.raises(CannotShip, match=named) as caught:
        capture(module(HEAD + BASE + f"class Item({base}):\n    {line}\n").Item)
    assert caught.value.remedy == "write @dataclass above it"
    for number, text in enumerate(LOSES_NOTHING):
        capture(module(HEAD + BASE + text.format(line), f"stock{number}").Item)
