"""What was defined anew, or changed in place, counts for what is captured afterwards: here and there are alike."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm.bundles import capture, keep_source, load
from emerge_wasm.bundles.expression import capture_expression
from emerge_wasm.bundles.load_expression import load_expression
from emerge_wasm.errors import CannotShip

from .conftest import forget, new_console, pack

HEAD = """
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum
from emerge_wasm import EmergeFile
"""
_numbers = itertools.count()


class Cells:
    """A console: each cell is a text of its own, all share one namespace."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        new_console()
        self.module = ModuleType(f"console{next(_numbers)}")
        monkeypatch.setitem(sys.modules, self.module.__name__, self.module)  # patched: classes find their module

    def run(self, text: str) -> Any:
        filename = f"<cell {next(_numbers)}>"
        keep_source(filename, text)
        exec(compile(text, filename, "exec", dont_inherit=True), vars(self.module))
        return self.module

    def there(self, name: str = "Item") -> Any:
        """What another process computes that gets the class now."""
        hash, table = pack(vars(self.module)[name])
        forget()
        return load(hash, table.get)().f()

    def here(self, name: str = "Item") -> Any:
        return vars(self.module)[name]().f()


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    found = Cells(monkeypatch)
    found.run(HEAD)
    return found


ITEM = "@dataclass\nclass Item(EmergeFile):\n    n: int = 2\n    def f(self):\n        return {}\n"
STEPS: dict[str, tuple[str, ...]] = {
    "function": ("def h(x): return x * 10", "def h(x): return x * 20"),
    "function behind a function": (
        "def g(x): return x + 1\ndef h(x): return g(x)",
        "def g(x): return x + 2",
        "def g(x): return x + 3",
    ),
    "lambda": ("h = lambda x: x * 10", "h = lambda x: x * 20"),
    "constant": ("R = 1\ndef h(x): return x * R", "R = 2", "R = 2.0", "R = True"),
    "list grown": ("R = [1]\ndef h(x): return x * len(R), R", "R.append(2)", "R[0] = 1.0", "R = []"),
    "nested data": ("R = {'a': {'b': [1]}}\ndef h(x): return R", "R['a']['b'].append(2)", "del R['a']"),
    "another kind": ("def h(x): return x", "h = lambda x: x + 1", "import operator\nh = operator.neg", "h = str"),
    "a class used": (
        "class K:\n    def g(self): return 1\ndef h(x): return K().g()",
        "class K:\n    def g(self): return 2",
    ),
    "a class behind a class": (
        "def k(): return 1\nclass K:\n    def g(self): return k()\ndef h(x): return K().g()",
        "def k(): return 2",
    ),
    "an import": (
        "from math import floor as h",
        "from math import ceil as h2\nh = h2",
        "from operator import neg as h",
    ),
    "a dataclass constant": (
        "@dataclass\nclass C:\n    n: int = 1\nR = C(5)\ndef h(x): return R.n",
        "R.n = 6",
        "R = C(7)",
        "R = C(8)",
    ),
    "an Enum": ("class E(Enum):\n    A = 1\ndef h(x): return E.A.value", "class E(Enum):\n    A = 2\n    B = 3"),
    "a name that shadows a builtin": ("def h(x): return len('ab')", "def len(x): return 7", "del len"),
    "a pattern": ("import re\nR = re.compile('a')\ndef h(x): return R.findall('abab')", "R = re.compile('b.')"),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("apart", [True, False])
def test_each_step_counts(cells: Cells, name: str, apart: bool) -> None:
    """Helpers in a cell of their own, or in the cell of the class."""
    first, *rest = STEPS[name]
    if apart:
        cells.run(first)
        cells.run(ITEM.format("h(self.n)"))
    else:
        cells.run(first + "\n" + ITEM.format("h(self.n)"))
    for step in ["", *rest]:
        cells.run(step)
        here = cells.here()
        assert repr(cells.there()) == repr(here), step


def test_without_a_change_the_bundle_is_the_same(cells: Cells) -> None:
    cells.run("R = [1]\ndef h(x): return R")
    cells.run(ITEM.format("h(self.n)"))
    first = capture(cells.module.Item)[-1]
    assert capture(cells.module.Item)[-1] is first
    cells.run("R = [1]\ndef unrelated(): pass")
    assert capture(cells.module.Item)[-1].hash == first.hash


def test_a_variable_of_a_closure(cells: Cells) -> None:
    cells.run(
        "def make():\n    rate = 1\n    def up():\n        nonlocal rate\n        rate += 1\n"
        "    class Item(EmergeFile):\n        def f(self):\n            return rate\n"
        "    return Item, up\nItem, up = make()"
    )
    for _ in range(2):
        assert cells.there() == cells.here()
        cells.module.up()


def test_what_cannot_travel_any_more_is_refused_each_time(cells: Cells) -> None:
    cells.run("R = [1]")
    cells.run(ITEM.format("R"))
    capture(cells.module.Item)
    cells.run("import threading\nR = threading.Lock()")
    for _ in range(2):
        with pytest.raises(CannotShip, match="Item uses R, a lock"):
            capture(cells.module.Item)
    cells.run("R = [2]")
    assert cells.there() == [2]


def test_a_class_changed_after_it_was_captured_is_refused(cells: Cells) -> None:
    cells.run(ITEM.format("1"))
    capture(cells.module.Item)
    cells.run("Item.g = lambda self: 3")
    with pytest.raises(CannotShip, match="Item got its attribute g after"):
        capture(cells.module.Item)


def test_searches_see_what_was_defined_anew(cells: Cells) -> None:
    cells.run("def h(x): return x * 10\nR = [1]\np = lambda o: h(o) + len(R)")
    predicate: Callable[[Any], Any] = cells.module.p
    for step in ("", "def h(x): return x * 20", "R.append(1)", "R = [1, 2, 3, 4]", "h = lambda x: x"):
        cells.run(step)
        expression = capture_expression(predicate)
        forget()
        assert load_expression(expression.to_wire(), expression.bundles.get)(3) == predicate(3)


KEPT: dict[str, tuple[str, ...]] = {
    "a base": (
        "class B:\n    def g(self): return 1\n@dataclass\nclass Item(B, EmergeFile):\n"
        "    def f(self):\n        return self.g(), B().g(), isinstance(self, B)",
        "class B:\n    def g(self): return 2",
    ),
    "a base of a generic": (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass B(Generic[T]):\n    def g(self): return 1\n"
        "@dataclass\nclass Item(B[int], EmergeFile):\n    def f(self):\n        return self.g()",
        "class B(Generic[T]):\n    def g(self): return 2",
    ),
    "the base of a base": (
        "class A:\n    def g(self): return 1\nclass B(A): pass\n@dataclass\nclass Item(B, EmergeFile):\n"
        "    def f(self):\n        return self.g()",
        "class A:\n    def g(self): return 2",
        "class B(A): pass",
    ),
    "defaults": (
        "R, S = 1, 'a'\ndef h(x, r=R, *, s=S + 'b'): return x, r, s\n@dataclass\nclass Item(EmergeFile):\n"
        "    n: int = R\n    m: int = field(default=R)\n    k = R * 2 + 1\n"
        "    def g(self, q=R): return q\n    def f(self):\n        return h(0), self.n, self.m, self.k, self.g(), R",
        "R, S = 5, 'z'",
        "R = 6.5",
    ),
    "factories": (
        "def new(): return [1]\ndef area(self): return 1\n@dataclass\nclass Item(EmergeFile):\n"
        "    n: list = field(default_factory=new)\n    size = area\n"
        "    def f(self):\n        return self.n, self.size(), new()",
        "def new(): return [2]",
        "def area(self): return 2",
    ),
    "counters of the class": (
        "@dataclass\nclass Item(EmergeFile):\n    count = 0\n    seen = []\n"
        "    def f(self):\n        return self.count, self.seen",
        "Item.count += 1\nItem.seen.append(2)",
        "Item.seen = [5]",
    ),
    "registrations": (
        "from functools import singledispatch\n@singledispatch\ndef h(x): return 0\n"
        "@dataclass\nclass Item(EmergeFile):\n    def f(self):\n        return h(1), h('a')",
        "@h.register(int)\ndef _(x): return 1",
        "@h.register(str)\ndef _(x): return 2",
        "@h.register(int)\ndef _(x): return 3",
    ),
    "a plugin table": (
        "T = {}\ndef plugin(f):\n    T[f.__name__] = f\n    return f\n@dataclass\nclass Item(EmergeFile):\n"
        "    def f(self):\n        return {k: v() for k, v in T.items()}",
        "@plugin\ndef a(): return 1",
        "@plugin\ndef b(): return 2\n@plugin\ndef a(): return 3",
        "del T['b']",
    ),
    "subclasses": (
        "class B:\n    n = 0\n@dataclass\nclass Item(EmergeFile):\n"
        "    def f(self):\n        return [c.n for c in B.__subclasses__()]",
        "class C(B): n = 1",
        "class D(B): n = 2",
    ),
    "virtual subclasses": (
        "from abc import ABC\nclass B(ABC): pass\nclass C: pass\n@dataclass\nclass Item(EmergeFile):\n"
        "    def f(self):\n        return isinstance(C(), B), isinstance(3, B)",
        "B.register(C)",
        "B.register(int)",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_ran_before_keeps_what_it_was(cells: Cells, name: str) -> None:
    for step in KEPT[name]:
        cells.run(step)
        here = cells.here()
        assert repr(cells.there()) == repr(here), step


def test_a_decorator_defined_anew_is_refused_until_the_class_is(cells: Cells) -> None:
    cells.run("def loud(f):\n    def run(*a): return f(*a) * 2\n    return run")
    text = "@dataclass\nclass Item(EmergeFile):\n    @loud\n    def f(self):\n        return 2"
    cells.run(text)
    assert cells.there() == 4
    cells.run("def loud(f):\n    def run(*a): return f(*a) * 3\n    return run")
    with pytest.raises(CannotShip, match=r"Item\.f was decorated by loud, which was defined anew"):
        capture(cells.module.Item)
    cells.run(text)
    assert cells.there() == 6


def test_two_definitions_of_one_text_are_refused(cells: Cells) -> None:
    """They would be one class there."""
    enum = "class E(Enum):\n    A = 1"
    cells.run(enum + "\nT = {E.A: len}\n" + ITEM.format("T[E.A]('ab')"))
    assert cells.there() == 2
    cells.run(enum)
    with pytest.raises(CannotShip, match=r"two E, of which one was defined anew|E has 2 definitions"):
        capture(cells.module.Item)
    cells.run("T = {E.A: len}")
    assert cells.there() == 2
