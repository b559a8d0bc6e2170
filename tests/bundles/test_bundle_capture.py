"""What a class may use and still travel: one test a rule, each taken through bytes into a fresh class."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture, load
from emerge_wasm.codec import decode, encode, pack_state, unpack_state

from .conftest import code, forget, pack, reload

Make = Callable[..., ModuleType]
HEAD = """
from __future__ import annotations
from dataclasses import dataclass, field
from emerge_wasm import EmergeFile
"""


def item(module: Make, text: str, name: str = "Item") -> Any:
    """The class of that name in a module with this text, reloaded from its bundle."""
    return reload(getattr(module(HEAD + text), name))


def test_fields_methods_and_text(module: Make) -> None:
    cls = item(
        module,
        '''
@dataclass
class Item(EmergeFile):
    """One line of stock."""
    price: float = 0.0
    tags: list[str] = field(default_factory=lambda: ["new"])

    def __post_init__(self):
        self.checked = True

    def __str__(self):
        return f"{self.price:.2f}"

    @property
    def double(self):
        return self.price * 2

    @classmethod
    def cheap(cls):
        return cls(price=1.0)

    @staticmethod
    def add(a, b):
        return a + b

    async def later(self):
        return self.price
''',
    )
    one = cls.cheap()
    assert issubclass(cls, EmergeFile)
    assert (str(one), one.double, one.add(1, 2), one.tags, one.checked) == ("1.00", 2.0, 3, ["new"], True)
    assert cls.__doc__ == "One line of stock."
    assert "def double(self):" in inspect.getsource(cls)
    assert inspect.getsource(cls.add).strip().startswith("@staticmethod")


def test_functions_constants_and_imports(module: Make) -> None:
    cls = item(
        module,
        """
import math as m
import os.path
import xml.etree.ElementTree
import re
from decimal import Decimal
from functools import lru_cache, partial
from json import *
from string import digits

RATE = Decimal("1.19")
WORDS = {"a": (1, 2), 3: {4}}
NUMBER = re.compile(r"\\d+")
inc = partial(int.__add__, 1)
twice = lambda x: x * 2

@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

@dataclass
class Item(EmergeFile):
    limit: int = len(WORDS)
    def work(self):
        from collections import Counter
        return [fib(10), even(10), m.floor(2.5), os.path.basename("/a/b"), RATE, WORDS, NUMBER.findall("a12"),
                inc(2), twice(4), digits, dumps([1]), Counter("aa")["a"],
                xml.etree.ElementTree.fromstring("<a/>").tag, self.limit]
""",
    )
    from decimal import Decimal

    expected = [55, True, 2, "b", Decimal("1.19"), {"a": (1, 2), 3: {4}}, ["12"], 3, 8, "0123456789", "[1]", 2, "a", 2]
    assert cls().work() == expected


def test_inheritance_and_nested_classes(module: Make) -> None:
    source = module(
        HEAD
        + """
from abc import ABC, abstractmethod
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

class Color(Enum):
    RED = 1

class Pair(NamedTuple):
    a: int
    b: int = 2

class Named(ABC):
    @abstractmethod
    def label(self): ...

class Box(Generic[T]):
    def box(self, value: T) -> list[T]:
        return [value]

@dataclass(frozen=True)
class Part:
    n: int = 1

@dataclass
class Base(EmergeFile):
    part: Part = Part(3)
    def label(self):
        return "base"

@dataclass
class Item(Base, Named, Box[int]):
    color: Color = Color.RED
    pair: Pair = Pair(1)

    @dataclass
    class Inner:
        x: int = 5

    inner: Inner = field(default_factory=Inner)

    def label(self):
        return super().label() + "+" + self.color.name
"""
    )
    bundles = capture(source.Item)
    assert [b.class_name for b in bundles][-1] == "Item"
    assert {b.class_name for b in bundles} == {"Color", "Pair", "Named", "Box", "Part", "Base", "Item"}
    cls = reload(source.Item)
    one = cls()
    assert one.label() == "base+RED"
    assert (one.part.n, one.pair.b, one.inner.x, one.box(1)) == (3, 2, 5, [1])


def test_nested_values_cross_with_their_classes(module: Make) -> None:
    source = module(
        HEAD
        + """
from enum import Enum
class Color(Enum):
    RED = 1
@dataclass
class Part:
    n: int = 1
@dataclass
class Item(EmergeFile):
    @dataclass
    class Inner:
        x: int = 5
    held: object = None
"""
    )
    table: dict[str, bytes] = {}

    def bundle_of(cls: type) -> str:
        hash, more = pack(cls)
        table.update(more)
        return hash

    one = source.Item(held=[source.Part(2), source.Color.RED, source.Item.Inner(7)])
    state, hash = pack_state(one, bundle_of), bundle_of(source.Item)
    same = unpack_state(state, source.Item, lambda bundle, name: load(bundle, table.get))
    assert same.held == one.held
    forget()
    other = unpack_state(state, load(hash, table.get), lambda bundle, name: load(bundle, table.get))
    assert [type(value).__name__ for value in other.held] == ["Part", "Color", "Inner"]
    assert (other.held[0].n, other.held[1].name, other.held[2].x) == (2, "RED", 7)
    assert type(other.held[2]) is type(other).Inner
    assert pack_state(other, bundle_of) == state


def test_classes_that_need_each_other(module: Make) -> None:
    source = module(
        HEAD
        + """
@dataclass
class Order(EmergeFile):
    lines: list[Line] = field(default_factory=list)
    def add(self):
        self.lines.append(make(self))
        return self.lines[-1]
    def special(self):
        return Special(lines=self.lines)
@dataclass
class Special(Order):
    pass
def make(order):
    return Line(order)
@dataclass
class Line:
    order: Order | None = None
"""
    )
    hashes = {name: pack(getattr(source, name))[0] for name in ("Order", "Line", "Special")}
    assert len(set(hashes.values())) == 3
    order = reload(source.Order)
    one = order()
    assert one.add().order is one
    assert isinstance(one.special(), order)
    assert capture(type(one.lines[0]))[-1].hash == hashes["Line"]
    assert capture(type(one.special()))[-1].hash == hashes["Special"]


def test_a_changed_class_is_another_bundle(module: Make) -> None:
    text = HEAD + "@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return {}\n"
    old, old_table = pack(module(text.format(1)).Item)
    new, new_table = pack(module(text.format(2), "stock2").Item)
    assert old != new
    forget()
    table = {**old_table, **new_table}
    assert load(old, table.get)().f() == 1
    assert load(new, table.get)().f() == 2


def test_a_changed_helper_or_constant_is_another_bundle(module: Make) -> None:
    text = (
        HEAD
        + "N = {}\ndef g():\n    return N\n@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return g()\n"
    )
    hashes = {code(module(text.format(n), f"stock{n}").Item) for n in (1, 2)}
    assert len(hashes) == 2
    again = module("# moved\n\n" + text.format(1), "elsewhere")
    assert code(again.Item) in hashes


def test_the_same_process_gives_the_same_class(module: Make) -> None:
    cls = module(HEAD + "@dataclass\nclass Item(EmergeFile):\n    n: int = 0\n").Item
    hash, table = pack(cls)
    assert load(hash, table.get) is cls
    assert capture(cls)[-1] is capture(cls)[-1]


def test_tracebacks_show_the_shipped_lines(module: Make) -> None:
    cls = item(
        module,
        """
LIMIT = 3

def check(n):
    raise ValueError(n)  # in the helper

@dataclass
class Item(EmergeFile):
    def f(self):
        return check(LIMIT)  # in the method
""",
    )
    with pytest.raises(ValueError) as caught:
        cls().f()
    shown = "".join(traceback.format_exception(caught.value))
    assert "return check(LIMIT)  # in the method" in shown
    assert "raise ValueError(n)  # in the helper" in shown
    assert '"<emerge:Item:' in shown


def test_text_within_strings_is_left_alone() -> None:
    def make() -> type:
        class Item(EmergeFile):
            TEXT = """
            four
    less
"""

            def f(self, n: int) -> str:
                return f"""{n}
                kept {n}
"""

        return Item

    cls = make()
    loaded = reload(cls)
    assert cls.TEXT == loaded.TEXT  # type: ignore[attr-defined]
    assert cls().f(1) == loaded().f(1)  # type: ignore[attr-defined]


def test_classes_within_functions() -> None:
    from dataclasses import dataclass, field

    factor = 3

    def scale(n: int) -> int:
        return n * factor

    @dataclass
    class Part:
        n: int = 1

    @dataclass
    class Base(EmergeFile):
        size: int = 2

    @dataclass
    class Item(Base):
        part: Part = field(default_factory=Part)
        more: int = factor

        def f(self) -> int:
            return scale(self.size) + self.part.n + self.more

    assert reload(Item)().f() == 10


def test_user_decorators_and_factories(module: Make) -> None:
    cls = item(
        module,
        """
import functools

def loud(times=1):
    def wrap(function):
        @functools.wraps(function)
        def run(*args):
            return function(*args) * times
        return run
    return wrap

def plain(function):
    def run(*args):
        return function(*args) + 1
    return run

def named(cls):
    cls.label = lambda self: cls.__name__
    return cls

TIMES = 2

@plain
def base():
    return 10

def adder(n):
    def add(m):
        return n + m
    return add

add5 = adder(5)

@named
@dataclass
class Item(EmergeFile):
    @loud(times=TIMES)
    def f(self):
        return base() + add5(1)
""",
    )
    assert cls().f() == 34
    assert cls().label() == "Item"


def test_functions_that_a_class_body_calls(module: Make) -> None:
    cls = item(
        module,
        """
@dataclass
class Item(EmergeFile):
    n: int = first()
    def f(self):
        return self.n
""".replace("@dataclass\nclass", "def first():\n    return second()\ndef second():\n    return 4\n@dataclass\nclass"),
    )
    assert cls().f() == 4


def test_names_from_other_modules_of_the_user(module: Make) -> None:
    module("X = 5\ndef helper():\n    return X\nclass Plain:\n    def g(self):\n        return X + 1\n", "shop.util")
    cls = module(
        HEAD.replace("from dataclasses", "from shop.util import helper as h, Plain as P\nfrom dataclasses")
        + "@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return h() + P().g()\n",
        "shop.item",
    ).Item
    assert reload(cls)().f() == 11


def test_constants_with_instances(module: Make) -> None:
    cls = item(
        module,
        """
from enum import Enum
class Color(Enum):
    RED = 1
@dataclass(frozen=True)
class Config:
    n: int = 1
DEFAULT = Config(4)
COLORS = {"a": [Color.RED], "b": Config(7)}
@dataclass
class Item(EmergeFile):
    def f(self):
        return DEFAULT.n, COLORS["a"][0].name, COLORS["b"].n
""",
    )
    assert cls().f() == (4, "RED", 7)


def test_methods_by_other_means(module: Make) -> None:
    cls = item(
        module,
        """
from functools import cached_property, partialmethod, total_ordering
def area(self):
    return 12
@total_ordering
@dataclass(eq=True)
class Item(EmergeFile):
    size = area
    n: int = 1
    half = lambda self: self.n / 2
    def __lt__(self, other):
        return self.n < other.n
    def _add(self, m):
        return self.n + m
    add2 = partialmethod(_add, 2)
    @cached_property
    def slow(self):
        return self.n
    @property
    def v(self):
        return self.n
    @v.setter
    def v(self, value):
        self.n = value
    if True:
        def maybe(self):
            return __class__.__name__
""",
    )
    one = cls(n=4)
    one.v = 6
    assert (one.size(), one.half(), one.add2(), one.slow, one.v, one.maybe(), one >= cls(n=1)) == (
        12,
        3,
        8,
        6,
        6,
        "Item",
        True,
    )


def test_private_names_and_globals(module: Make) -> None:
    cls = item(
        module,
        """
_Item__secret = 3
COUNT = 0
def bump():
    global COUNT
    COUNT += 1
    return COUNT
@dataclass
class Item(EmergeFile):
    def f(self):
        [COUNT for COUNT in "ab"]
        return __secret + bump() + bump()
""",
    )
    assert cls().f() == 6


def test_annotations_that_do_not_resolve(module: Make) -> None:
    cls = item(
        module,
        """
from typing import TYPE_CHECKING, Literal
if TYPE_CHECKING:
    from nowhere import Missing
@dataclass
class Item(EmergeFile):
    a: Missing | None = None
    b: "Literal['fs']" = "fs"
    def f(self, x: Absent) -> Missing:
        y: Gone = x
        return y
""",
    )
    assert cls().f(2) == 2


def test_annotations_without_the_future(module: Make) -> None:
    source = module(
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    n: int = 0\n    o: 'Item | None' = None\n"
    )
    assert reload(source.Item).__annotations__["n"] is int


def test_where_a_class_can_run(module: Make) -> None:
    text = "@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        {}\n"
    kinds = {
        "return 1": ("anywhere", ()),
        "import json, msgpack": ("anywhere", ("msgpack",)),
        "import threading": ("node", ()),
        "from subprocess import run": ("node", ()),
        "import zmq.asyncio": ("node", ("zmq",)),
        "import not_here": ("node", ("not_here",)),
    }
    for number, (line, expected) in enumerate(kinds.items()):
        bundle = capture(module(HEAD + text.format(line), f"stock{number}").Item)[-1]
        assert (bundle.where, bundle.needs) == expected
    child = module(HEAD + "from stock2 import Item\n@dataclass\nclass Child(Item):\n    pass\n", "child").Child
    assert capture(child)[-1].where == "node"


def test_emerge_itself_is_imported(module: Make) -> None:
    bundle = capture(module(HEAD + "@dataclass\nclass Item(EmergeFile):\n    pass\n").Item)[-1]
    assert bundle.requires == ()
    assert "from emerge_wasm import EmergeFile" in bundle.preamble
    assert load(pack(EmergeFile)[0], {}.get) is EmergeFile
    assert reload_installed(EmergeFile) is EmergeFile


def reload_installed(cls: type) -> type:
    hash, table = pack(cls)
    forget()
    return load(hash, table.get)


def test_constants_are_copied_as_values(module: Make) -> None:
    source = module(HEAD + "N = [1]\n@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return N\n")
    bundle = capture(source.Item)[-1]
    assert [(name, decode(value)) for name, value in bundle.content.constants] == [("N", [1])]
    assert "N = [1]" in bundle.preamble
    assert encode([1]) == bundle.content.constants[0][1]
