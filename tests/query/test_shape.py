"""What is seen of a class in its bundle: which attributes are plain state, and which only the class can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.query.nested import NeedsCode
from emerge_wasm.query.row import Row
from emerge_wasm.query.shape import Shape, forget, known_shape, learn, shape_of
from tests.bundles.conftest import module

from .conftest import Color, Item, bundle_of, bundles_of, pointer_of

__all__ = ["module"]
Make = Callable[..., ModuleType]
HEAD = """
from __future__ import annotations
import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any, ClassVar
from emerge_wasm import EmergeFile
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget()
    yield
    forget()


def shape(make: Make, text: str, name: str = "Thing") -> Shape:
    cls = getattr(make(HEAD + text), name)
    return shape_of(bundle_of(cls), bundles_of(cls).get)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("x: int", None),
        ("x: int = 3", 3),
        ("x: int = -3", -3),
        ("x: list[int] = field(default_factory=list)", []),
        ("x: int = dataclasses.field(default=4)", 4),
        ("x = 5", 5),
        ("x: ClassVar[int] = 6", 6),
        ("x: int = LIMIT", 7),
    ],
)
def test_what_is_there_when_the_state_has_nothing(module: Make, line: str, kind: Any) -> None:
    text = f"LIMIT = 7\n@dataclass(kw_only=True)\nclass Thing(EmergeFile):\n    {line}\n"
    found = shape(module, text)
    assert not found.opaque
    row = Row({}, b"\x80", found)
    assert row.get("x") == kind
    assert Row({}, {"x": 9}, found).get("x") == 9


@pytest.mark.parametrize(
    "line",
    [
        "x: Any = field(default_factory=lambda: 3)",
        "x: Decimal = Decimal('1.5')",
        "x: int = 60 * 60",
        "x: Any = Status.OPEN",
        "x: Any = Level.LOW",
        "x = [1, LIMIT]",
        "def x(self): return 1",
        "@cached_property\n    def x(self): return 1",
        "@staticmethod\n    def x(): return 1",
    ],
)
def test_what_only_the_class_can_tell_when_the_state_has_nothing(module: Make, line: str) -> None:
    text = "LIMIT = 7\nclass Status(Enum):\n    OPEN = 1\nclass Level(IntEnum):\n    LOW = 1\n"
    found = shape(module, text + f"@dataclass(kw_only=True)\nclass Thing(EmergeFile):\n    {line}\n")
    assert not found.opaque and "x" in found.others
    assert Row({}, {"x": 9}, found).get("x") == 9
    with pytest.raises(NeedsCode):
        Row({}, b"\x80", found).get("x")


@pytest.mark.parametrize(
    "line",
    [
        "@property\n    def x(self): return 1",
        "x = Positive()",
        "x: Any = Positive()",
        "x: Any = field(default=Positive())",
        "x: Any = POSITIVE",
        "@mark\n    def x(self): return 1",
    ],
)
def test_what_the_class_computes(module: Make, line: str) -> None:
    text = "class Positive:\n    def __get__(self, o, t=None): return 1\n    def __set__(self, o, v): pass\n"
    text += "def mark(f): return property(f)\n"
    text = text.replace("class Positive", "@dataclass(frozen=True)\nclass Positive") + "POSITIVE = Positive()\n"
    found = shape(module, text + f"@dataclass(kw_only=True)\nclass Thing(EmergeFile):\n    {line}\n")
    assert "x" in found.computed
    with pytest.raises(NeedsCode):
        Row({}, {"x": 9}, found).get("x")


@pytest.mark.parametrize(
    ("bases", "body"),
    [
        ("EmergeFile", "def __getattribute__(self, name): return 1"),
        ("EmergeFile", "def __new__(cls): return object.__new__(cls)"),
        ("EmergeFile", "if True:\n        x = 1"),
        ("EmergeFile, metaclass=Meta", "x: int = 1"),
        ("dict, EmergeFile", "x: int = 1"),
        ("Base", "x: int = 1"),
    ],
)
def test_opaque_classes(module: Make, bases: str, body: str) -> None:
    text = "class Meta(type): pass\nclass Base(EmergeFile):\n    def __init_subclass__(cls): pass\n"
    found = shape(module, text + f"@dataclass(kw_only=True)\nclass Thing({bases}):\n    {body}\n")
    assert found.opaque
    with pytest.raises(NeedsCode):
        Row({}, {"x": 1}, found).get("x")


def test_getattr_is_asked_only_for_what_is_missing(module: Make) -> None:
    found = shape(
        module, "@dataclass\nclass Thing(EmergeFile):\n    x: int = 1\n    def __getattr__(self, n): return 2\n"
    )
    assert Row({}, b"\x80", found).get("x") == 1
    with pytest.raises(NeedsCode):
        Row({}, b"\x80", found).get("y")


def test_what_bases_say_counts(module: Make) -> None:
    text = """
@dataclass
class Base(EmergeFile):
    price: float = 1.0
    count: int = 2
    @property
    def total(self): return 3
@dataclass
class Thing(Base):
    count: int = 4
    def total(self): return 5
"""
    found = shape(module, text)
    row = Row({}, {"total": 1}, found)
    assert row.get("price") == 1.0 and row.get("id") == "" and row.get("data") is None
    for name in ("count", "total"):
        with pytest.raises(NeedsCode):
            row.get(name)


def test_a_missing_base_is_not_guessed(module: Make) -> None:
    text = "@dataclass\nclass Base(EmergeFile):\n    x: int = 1\n@dataclass\nclass Thing(Base):\n    y: int = 1\n"
    cls = module(HEAD + text).Thing
    hash = bundle_of(cls)
    alone = {hash: bundles_of(cls)[hash]}
    assert "missing" in shape_of(hash, alone.get).opaque
    assert not shape_of(hash, bundles_of(cls).get).opaque
    assert shape_of("0" * 64, {}.get).opaque
    assert shape_of(hash, {}.get) is known_shape(hash)


def test_nested_classes_are_learnt_with_the_class(module: Make) -> None:
    shape_of(bundle_of(Item), bundles_of(Item).get)
    found = known_shape(bundle_of(Color))
    assert found is not None and found.enum and found.opaque
    forget()
    learn(bundles_of(Item))
    assert known_shape(bundle_of(Color)) is not None


def test_plain_files() -> None:
    found = shape_of("", {}.get)
    assert Row(pointer_of(Item(name="a")), {"price": 1}, found).get("price") == 1
    assert Row({}, {}, found).get("data") is None
    with pytest.raises(AttributeError):
        Row({}, {}, shape_of("", {}.get, "EmergeObject")).get("data")
    from emerge_wasm import EmergeFile

    assert capture(EmergeFile)[-1].hash
    assert not shape_of(bundle_of(EmergeFile), bundles_of(EmergeFile).get).opaque
    assert pack_state(EmergeFile(name="a"), bundle_of)


def test_the_decorator_that_emerge_gives_is_the_standard_one(module: Make) -> None:
    text = "from emerge_wasm import dataclass\n@dataclass\nclass Thing(EmergeFile):\n    price: float = 0.0\n"
    seen = shape(module, text)
    assert not seen.opaque
    assert Row({}, {"price": 2.0}, seen).get("price") == 2.0
