"""Classes as people write them: any name in any place, private names, classes that a call made, hooks, descriptors."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.bundles import capture, load
from emerge_wasm.codec import pack_state, unpack_state

from ..scale import examples
from .conftest import forget, pack, reload

Make = Callable[..., ModuleType]
HEAD = "from dataclasses import dataclass, field\nfrom emerge_wasm import EmergeFile\n"
WORDS = [
    *("top", "type", "match", "case", "_", "self", "cls", "print", "list", "function", "annotations", "lambda_", "x"),
    *(
        "größe",
        "__x__",
        "module",
        "super",
        "object",
        "field",
        "EmergeFile",
        "capture",
        "A1",
        "__secret",
        "_Item",
        "Item",
    ),
]
ANY_NAME = st.one_of(st.sampled_from(WORDS), st.from_regex(r"[^\W\d]\w{0,6}", fullmatch=True)).filter(
    lambda name: name.isidentifier() and not keyword.iskeyword(name) and name.isprintable()
)
PLACES = {
    "method": "@dataclass\nclass Owner(EmergeFile):\n    n: int = 3\n    def {0}(self_):\n        here = 1\n"
    "        return self_.n + here\n    def do_(self_):\n        return self_.{0}()\n",
    "parameter": "@dataclass\nclass Owner(EmergeFile):\n    def do_(self_, {0}=2):\n        return {0} * 3\n",
    "local": "@dataclass\nclass Owner(EmergeFile):\n    def do_(self_):\n        {0} = 4\n"
    "        return [{0} for _i in (1, 2)]\n",
    "field": "@dataclass\nclass Owner(EmergeFile):\n    {0}: int = 5\n    def do_(self_):\n        return self_.{0}\n",
    "nested": "@dataclass\nclass Owner(EmergeFile):\n    class {0}:\n        def deep(self):\n            a = 7\n"
    "            return a\n    def do_(self_):\n        return self_.{0}().deep()\n",
}
GLOBAL_PLACES = {
    "function": "def {0}(a):\n    b = a\n    return b * 2\n@dataclass\nclass Owner(EmergeFile):\n"
    "    def do_(self_):\n        return {0}(4)\n",
    "constant": "{0} = 9\n@dataclass\nclass Owner(EmergeFile):\n    def do_(self_):\n        return {0}\n",
    "class": "class {0}:\n    def deep(self):\n        a = 8\n        return a\n@dataclass\nclass Owner(EmergeFile):\n"
    "    def do_(self_):\n        return {0}().deep()\n",
    "own": "@dataclass\nclass {0}(EmergeFile):\n    n: int = 6\n    def do_(self_):\n        top = self_.n\n"
    "        return top\nOwner = {0}\n",
}
TAKEN = {"self_", "do_", "Owner", "dataclass", "EmergeFile", "n", "deep", "a", "b", "_i", "here", "name", "path", "int"}


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=ANY_NAME, place=st.sampled_from([*PLACES, *GLOBAL_PLACES]))
def test_any_name_in_any_place(module: Make, name: str, place: str) -> None:
    """What works here works there, whatever it is called; what does not work here is not asked."""
    if name in TAKEN:
        return
    forget()
    text = (PLACES | GLOBAL_PLACES)[place].format(name)
    try:
        owner = module(HEAD + text, f"named_{abs(hash((name, place)))}").Owner
        here = owner().do_()
    except Exception:
        return
    assert reload(owner)().do_() == here


SHAPES = {
    "private": (
        """
@dataclass
class Owner(EmergeFile):
    __secret: int = 3
    __limit = 4
    def __private(self): return self.__secret + self.__limit
    @staticmethod
    def __plain(x): return x
    @property
    def __double(self): return 2 * self.__secret
    class __Inner:
        def __deep(self): return 9
        def call(self): return self.__deep()
    @dataclass
    class Line:
        __size: int = 2
        def size(self): return self.__size
    def do_(self): return [self.__private(), self.__plain(2), self.__double, self.__Inner().call(), self.Line().size()]
""",
        "C(_Owner__secret=5).do_()",
    ),
    "a class of underscores": (
        "@dataclass\nclass __(EmergeFile):\n    __x: int = 3\n    def do_(self): return self.__x\nOwner = __\n",
        "C().do_()",
    ),
    "init_subclass": (
        """
class Base(EmergeFile):
    def __init_subclass__(cls, tag="", **more):
        super().__init_subclass__(**more)
        cls.tag = tag
        cls.greet = lambda self: "hi " + self.tag
        setattr(cls, "TAG", tag.upper())
@dataclass
class Owner(Base, tag="x"):
    n: int = 1
""",
        "C.tag, C.TAG, C().greet()",
    ),
    "metaclass": (
        """
class Meta(type):
    def __new__(meta, name, bases, names, flavour="none"):
        made = super().__new__(meta, name, bases, names)
        made.flavour = flavour
        made.show = lambda self: self.flavour
        return made
    def __init__(cls, name, bases, names, flavour=""):
        super().__init__(name, bases, names)
@dataclass
class Owner(EmergeFile, metaclass=Meta, flavour="sweet"):
    n: int = 1
""",
        "C.flavour, C().show()",
    ),
    "set_name": (
        """
class Twice:
    def __set_name__(self, owner, name):
        owner.twice_name = name
    def __get__(self, one, owner=None):
        return self if one is None else one.n * 2
@dataclass
class Owner(EmergeFile):
    n: int = 2
    double = Twice()
""",
        "C.twice_name, C().double",
    ),
    "descriptors": (
        """
from contextlib import contextmanager
from functools import cached_property, partialmethod, singledispatchmethod
@dataclass
class Owner(EmergeFile):
    n: int = 1
    def add(self, a, b=0): return self.n + a + b
    add2 = partialmethod(add, 2)
    @singledispatchmethod
    def kind(self, x): return "any"
    @kind.register
    def _(self, x: int): return "int"
    @kind.register(str)
    def _text(self, x): return "str"
    @cached_property
    def twice(self): return self.n * 2
    @property
    def size(self): return self.n
    @size.setter
    def size(self, value): self.n = value
    @contextmanager
    def held(self): yield self.n
    @staticmethod
    def plain(a): return a
    def do_(self):
        with self.held() as held: pass
        self.size = 7
        return [self.add2(b=1), self.kind(1), self.kind("a"), self.kind(2.0), self.twice, self.n, held, self.plain(3)]
""",
        "C().do_()",
    ),
}
MADE = {
    "namedtuple": ("from collections import namedtuple\nPt = namedtuple('Pt', 'x y')", "Pt(1, 2)"),
    "defaults": ("import collections\nPt = collections.namedtuple('Pt', ['x', 'y'], defaults=(3,))", "Pt(1)"),
    "another name": ("from collections import namedtuple\nPt = namedtuple('Point', 'x y')", "Pt(1, 2)"),
    "NamedTuple": ("from typing import NamedTuple\nPt = NamedTuple('Pt', [('x', int), ('y', int)])", "Pt(1, 2)"),
    "Enum": ("from enum import Enum\nCo = Enum('Co', 'A B')", "Co.A"),
    "IntEnum": ("import enum\nCo = enum.IntEnum('Co', {'A': 4, 'B': 5})", "Co.B"),
    "StrEnum": ("from enum import StrEnum\nCo = StrEnum('Co', ['A', 'B'], module=__name__)", "Co.B"),
    "Flag": ("from enum import Flag\nCo = Flag('Co', 'A B')", "Co.A | Co.B"),
    "TypedDict": ("from typing import TypedDict\nT = TypedDict('T', {'a': int})", "T(a=1)"),
    "NewType": ("from typing import NewType\nU = NewType('U', int)", "U(4)"),
    "make_dataclass": ("from dataclasses import make_dataclass\nP = make_dataclass('P', ['x', ('y', int, 3)])", "P(1)"),
    "type": ("class Base:\n    z = 3\nP = type('P', (Base,), {'a': 1, 'f': lambda self: self.a + self.z})", "P().f()"),
    "two in a statement": ("from enum import Enum\nA, Co = Enum('A', 'X Y'), Enum('Co', 'Z')", "Co.Z"),
    "two names": ("from collections import namedtuple\nPt = Qt = namedtuple('Pt', 'x y')", "Qt(1, 2)"),
    "annotated, in a block": ("from enum import Enum\nif True:\n    Co: type[Enum] = Enum('Co', 'A B')", "Co.A"),
    "by a function": ("from enum import Enum\ndef make(name): return Enum(name, 'A B')\nCo = make('Co')", "Co.A"),
    "base": ("from collections import namedtuple\nBase = namedtuple('Base', 'x')\nclass Pt(Base):\n    n = 1", "Pt(1)"),
    "in a constant": ("from enum import Enum\nCo = Enum('Co', 'A B')\nAll = [Co.A, {'b': Co.B}]", "All"),
}  # fmt: skip
for title, (lines, value) in MADE.items():
    uses = (
        f"@dataclass\nclass Owner(EmergeFile):\n    held: object = None\n    def do_(self):\n        return {value}\n"
    )
    SHAPES[title] = (f"{lines}\n{uses}", "repr(C().do_())")
STORED = {
    "made": "make_dataclass('Owner', [('n', int, 3), ('held', list, field(default_factory=list))],"
    " bases=(EmergeFile,), namespace={'do_': lambda self: self.n})",
    "typed": "dataclass(type('Owner', (EmergeFile,), {'__annotations__': {'n': int}, 'n': 3, 'do_': lambda o: o.n}))",
}
for title, call in STORED.items():
    SHAPES[title] = (f"from dataclasses import make_dataclass\nOwner = {call}\n", "C().do_(), C(n=4).n")


@pytest.mark.parametrize("title", SHAPES)
def test_a_shape_gives_the_same_there(module: Make, title: str) -> None:
    text, expression = SHAPES[title]
    owner = module(HEAD + text).Owner
    here = eval(expression, {"C": owner})
    assert eval(expression, {"C": reload(owner)}) == here


@pytest.mark.parametrize("title", [title for title in MADE if title not in ("TypedDict", "NewType")])
def test_an_instance_of_a_made_class_is_state(module: Make, title: str) -> None:
    text, _ = SHAPES[title]
    owner = module(HEAD + text).Owner
    one = owner(name="a", held=owner().do_())
    table = {bundle.hash: bundle.data for bundle in capture(owner)}

    def bundle_of(cls: type) -> str:
        bundles = capture(cls)
        table.update((bundle.hash, bundle.data) for bundle in bundles)
        return bundles[-1].hash

    data, hash = pack_state(one, bundle_of), capture(owner)[-1].hash
    forget()
    there = unpack_state(data, load(hash, table.get), lambda bundle, name: load(bundle, table.get))
    assert repr(there.held) == repr(one.held)
    assert pack_state(there, bundle_of) == data


def test_a_made_class_within_a_class_or_function(module: Make) -> None:
    source = module(
        HEAD
        + """
from collections import namedtuple
@dataclass
class Owner(EmergeFile):
    Pt = namedtuple("Pt", "x y")
    def do_(self): return self.Pt(1, 2)
def local():
    Pt = namedtuple("Pt", "x y")
    @dataclass
    class Owner(EmergeFile):
        def do_(self): return Pt(3, 4)
    return Owner
"""
    )
    assert capture(source.Owner.Pt)[-1].class_name == "Owner.Pt"
    hash, table = pack(source.Owner.Pt)
    forget()
    assert load(hash, table.get)(1, 2) == (1, 2)
    assert reload(source.local())().do_() == (3, 4)
