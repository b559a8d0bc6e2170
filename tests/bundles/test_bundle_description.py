"""What a class offers is read from its source, with what it inherits, and nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from emerge_wasm.bundles import capture, describe, help_of, parse, source_of
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.errors import Invalid, LimitExceeded, NotFound

from .conftest import pack

TEXT = '''
from __future__ import annotations
from dataclasses import dataclass, field
from typing import ClassVar
from emerge_wasm import EmergeFile

RATE = 1.5

def helper(n):
    return n * RATE

@dataclass
class Base(EmergeFile):
    """The base."""
    size: int = 2
    kind: ClassVar[str] = "x"

    def area(self, factor: float = 1.0, *rest: int, deep: bool = False) -> float:
        """How large it is.

        In square metres.
        """
        return helper(self.size)

    def both(self):
        """Of the base."""

@dataclass
class Item(Base):
    price: float = 0.0
    tags: list[str] = field(default_factory=list)

    def both(self):
        """Of the item."""
        return """
two"""

    @property
    def double(self) -> float:
        return self.price * 2

    @double.setter
    def double(self, value: float) -> None:
        self.price = value / 2

    @classmethod
    def make(cls, price: float) -> Item:
        """A new one."""
        return cls(price=price)

    @staticmethod
    def add(a, b=(1, 2)): ...

    def _hidden(self): ...

    @dataclass
    class Inner:
        """Within."""
        x: int = 1
'''


@pytest.fixture
def source(module: Callable[..., ModuleType]) -> ModuleType:
    return module(TEXT)


def test_describe(source: ModuleType) -> None:
    bundle = capture(source.Item)[-1]
    about = describe(bundle, pack(source.Item)[1].get)
    assert about["doc"] == "The base."
    assert about["fields"] == [
        {"name": "size", "annotation": "int", "default": "2", "class": "Base"},
        {"name": "price", "annotation": "float", "default": "0.0", "class": "Item"},
        {"name": "tags", "annotation": "list[str]", "default": "field(default_factory=list)", "class": "Item"},
    ]
    assert [(row["name"], row["signature"], row["kind"], row["class"]) for row in about["methods"]] == [
        ("area", "(factor: float=1.0, *rest: int, deep: bool=False) -> float", "method", "Base"),
        ("both", "()", "method", "Item"),
        ("double", " -> float", "property", "Item"),
        ("make", "(price: float) -> Item", "classmethod", "Item"),
        ("add", "(a, b=(1, 2))", "staticmethod", "Item"),
    ]
    assert about["methods"][1]["doc"] == "Of the item."


def test_a_missing_base_is_left_out(source: ModuleType) -> None:
    about = describe(capture(source.Item)[-1], lambda hash: None)
    assert [row["name"] for row in about["fields"]] == ["price", "tags"]


def test_a_class_within_a_class(source: ModuleType) -> None:
    _, table = pack(source.Item.Inner)
    bundle = capture(source.Item.Inner)[-1]
    assert describe(bundle, table.get) == {
        "doc": "Within.",
        "fields": [{"name": "x", "annotation": "int", "default": "1", "class": "Inner"}],
        "methods": [],
    }
    assert "class Inner" in source_of(bundle, table.get)


def test_source(source: ModuleType) -> None:
    _, table = pack(source.Item)
    bundle = capture(source.Item)[-1]
    text = source_of(bundle, table.get)
    assert "from dataclasses import field" in text and text.index("import") < text.index("class Item(Base)")
    assert source_of(bundle, table.get, "both") == 'def both(self):\n    """Of the item."""\n    return """\ntwo"""'
    assert source_of(bundle, table.get, "make").startswith("@classmethod\ndef make")
    assert source_of(bundle, table.get, "area").startswith("def area(self, factor")
    base = capture(source.Base)[-1]
    assert "def helper(n)" in source_of(base, table.get) and "RATE = 1.5" in source_of(base, table.get)
    with pytest.raises(NotFound, match=r"Item has no method 'nothing' \(it has: area, both"):
        source_of(bundle, table.get, "nothing")


def test_help(source: ModuleType) -> None:
    table = pack(source.Item)[1]
    text = help_of(capture(source.Item)[-1], table.get)
    assert text.startswith("class Item\n    The base.\n")
    assert "    price: float = 0.0\n" in text
    assert "    make(price: float) -> Item  [classmethod]\n        A new one.\n" in text
    one = help_of(capture(source.Item)[-1], table.get, "area")
    assert one == (
        "area(factor: float=1.0, *rest: int, deep: bool=False) -> float\n    How large it is.\n\n    In square metres."
    )
    with pytest.raises(NotFound):
        help_of(capture(source.Item)[-1], table.get, "nothing")


def test_bundles_that_make_no_sense() -> None:
    loop = Bundle.of(Content("A", parts=(SourcePart("class", "A", "class A(B): pass\nclass B(A): pass", True),)))
    with pytest.raises(Invalid):
        describe(loop, lambda hash: None)
    with pytest.raises(Invalid):
        describe(Bundle.of(Content("A", parts=(SourcePart("class", "A", "class A(", True),))), lambda hash: None)
    assert describe(Bundle.of(Content("A")), lambda hash: None) == {"doc": "", "fields": [], "methods": []}


@pytest.mark.parametrize("deep", ["-" * 5000 + "1", "1+" * 5000 + "1", "f" + "(0)" * 5000])
def test_source_that_nests_too_deep(deep: str) -> None:
    """Looking at it must not end a browser tab's interpreter."""
    bundle = Bundle.of(Content("A", parts=(SourcePart("class", "A", f"class A:\n    x = {deep}", True),)))
    with pytest.raises(LimitExceeded, match="line 2 of the text nests deeper"):
        describe(bundle, lambda hash: None)


def test_many_branches() -> None:
    text = "class A:\n    def f(self, a):\n        if a: pass\n" + "        elif a: pass\n" * 2000
    with pytest.raises(LimitExceeded):
        describe(Bundle.of(Content("A", parts=(SourcePart("class", "A", text, True),))), lambda hash: None)


def test_partial_methods(module: Callable[..., ModuleType]) -> None:
    text = (
        "from functools import partialmethod\nclass Cell:\n    def add(self, a, b=1, *, c=2): return a\n"
        "    two = partialmethod(add, 2)\n    by = partialmethod(add, b=5)\n    all = partialmethod(add, 2, 3)\n"
        "    _own = partialmethod(add, 2)\n"
    )
    hash, table = pack(module(text).Cell)
    rows = describe(parse(table[hash]), table.get)["methods"]
    signatures = {row["name"]: row["signature"] for row in rows}
    assert signatures == {
        "add": "(a, b=1, *, c=2)",
        "two": "(b=1, *, c=2)",
        "by": "(a, *, c=2)",
        "all": "(*, c=2)",
    }
