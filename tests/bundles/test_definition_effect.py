"""What was done to functions and classes after their definition ships whole, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from emerge_wasm.bundles import capture, load
from emerge_wasm.errors import CannotShip

from .conftest import forget, pack
from .test_live_value import HEAD, ITEM, both, cases

Make = Callable[..., ModuleType]
EFFECTS = cases(r"""
## dispatch: show(1), show('a'), show([1]), show(2.5), show(None)
from functools import singledispatch
@singledispatch
def show(x): return 'any'
@show.register
def _(x: int): return 'int'
@show.register(str)
@show.register(list)
def _(x): return 'text'
def real(x): return 'real'
show.register(float, real)
show.register(type(None), lambda x: 'none')

## dispatch by abstract class: [show(x) for x in ([1], (1,), {1: 2}, 4)]
from collections.abc import Mapping, Sequence
from functools import singledispatch
@singledispatch
def show(x): return 'any'
@show.register(Sequence)
def _seq(x): return 'seq'
@show.register
def _map(x: Mapping): return 'map'

## dispatch by own classes: [show(x) for x in (A(), B(), C(), 4)]
from functools import singledispatch
@singledispatch
def show(x): return 'any'
class A: pass
class B(A): pass
class C(B): pass
@show.register
def _(x: A): return 'a'
@show.register
def _(x: C): return 'c' + show(1)

## dispatch and decorators: show(1), show('a')
from functools import singledispatch, wraps
def loud(f):
    @wraps(f)
    def run(*a): return f(*a).upper()
    return run
@singledispatch
def show(x): return 'any'
@show.register(int)
@loud
def _(x): return 'int'
@loud
@show.register(str)
def _(x): return 'text'

## dispatch made by a call: show(1), show('a'), base(1)
from functools import singledispatch
def base(x): return 'any'
show = singledispatch(base)
@show.register(int)
def _(x): return 'int'

## dispatching methods: D().show(1), D().show('a'), D().show(2.5)
from functools import singledispatchmethod
class D:
    @singledispatchmethod
    def show(self, x): return 'any'
    @show.register
    def _(self, x: int): return 'int'
def real(self, x): return 'real'
D.__dict__['show'].register(float, real)

## virtual subclasses: issubclass(Mine, Shape), isinstance(Other(), Shape), isinstance(3, Shape), isinstance('', Shape)
from abc import ABC
class Shape(ABC): pass
class Mine: pass
@Shape.register
class Other: pass
Shape.register(Mine)
Shape.register(int)

## virtual subclasses of the library: isinstance(Mine(), Sequence), isinstance(Mine(), Number), isinstance(Mine(), Set)
from collections.abc import Sequence, Set
from numbers import Number
class Mine: pass
Sequence.register(Mine)
Number.register(Mine)

## subclasses: [c.__name__ for c in Base.__subclasses__()], Base.kinds(), [c().n for c in walk(Base)]
class Base:
    n = 0
    @classmethod
    def kinds(cls): return sorted(c.__name__ for c in cls.__subclasses__())
def walk(cls):
    for each in cls.__subclasses__():
        yield each
        yield from walk(each)
class Z(Base): n = 1
class A(Base): n = 2
class M(Z): n = 3

## registry by __init_subclass__: Base.kinds['A']().n, list(Base.kinds), Base.kinds['B'] is B, B.tag
class Base:
    kinds = {}
    def __init_subclass__(cls, tag='', **more):
        super().__init_subclass__(**more)
        cls.tag = tag
        Base.kinds[cls.__name__] = cls
class A(Base): n = 1
class B(A, tag='b'): n = 2

## registry by a metaclass: list(Meta.known), Meta.known['A'].n, [k for k in Base.all]
class Meta(type):
    known = {}
    def __new__(mcs, name, bases, space):
        cls = super().__new__(mcs, name, bases, space)
        mcs.known[name] = cls
        return cls
class Base(metaclass=Meta):
    all = []
class A(Base): n = 1
Base.all.append('later')

## registry by later lines: [c.n for c in Base.kinds], Base.by['a'](2), Base.count, Base._made
class Base:
    kinds = []
    by = {}
    count = 0
class A(Base): n = 5
Base.kinds.append(A)
Base.by['a'] = lambda x: x + 1
Base.count += 3
Base._made = (1, 2)

## registry by __set_name__: Owner.names, Owner().x
class Field:
    def __set_name__(self, owner, name): owner.names.append(name)
    def __get__(self, one, owner): return 7
class Owner:
    names = []
    x = Field()
    y = Field()

## private and nested containers: Outer.Inner.seen, Outer.look()
class Outer:
    __cache = {}
    class Inner:
        seen = set()
    @classmethod
    def put(cls, x): cls.__cache[x] = 1
    @classmethod
    def look(cls): return list(cls.__cache)
Outer.put('k')
Outer.Inner.seen.add(3)

## function attributes: f.calls, f.limits, f(), g.route
def f():
    f.calls += 1
    return f.calls
f.calls = 3
f.limits = {'a': [1]}
def route(path):
    def mark(fn):
        fn.route = path
        return fn
    return mark
@route('/x')
def g(): pass

## method attributes: P.m.note, P.m.tags
class P:
    def m(self): pass
    m.note = 'n'
P.m.tags = [1]

## decorators and tables: T['a'](), a(), U
T, U = {}, []
def register(f):
    T[f.__name__] = f
    U.append(f.__name__)
    return f
def loud(f):
    def run(*args): return f(*args) * 2
    return run
@loud
@register
def a(): return 'a'

## enum hooks: Color('r') is Color.RED, Color.RED.other.name
class Color(Enum):
    RED = 1
    BLUE = 2
    @classmethod
    def _missing_(cls, value): return cls.RED
    @property
    def other(self): return NEXT[self]
NEXT = {Color.RED: Color.BLUE, Color.BLUE: Color.RED}

## a singleton: One() is ONE, One.made is ONE
class One:
    made = None
    def __new__(cls):
        if cls.made is None:
            cls.made = super().__new__(cls)
        return cls.made
ONE = One()

## conditional definitions: h(2), K().n()
import sys
if sys.version_info >= (3, 8):
    def h(x): return x + 1
    class K:
        def n(self): return 1
else:
    def h(x): return x - 1
    class K:
        def n(self): return 2

## class items: Box[int], Box.made
class Box:
    made = []
    def __class_getitem__(cls, item):
        cls.made.append(item.__name__)
        return item.__name__
Box[str]
""")


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_are_the_same_there(module: Make, name: str) -> None:
    here, there, _ = both(module, *EFFECTS[name])
    assert there == here


def test_a_registry_of_classes_that_are_stored(module: Make) -> None:
    """Each kind takes the others along; one that is defined later makes new bundles of all."""
    text = """
@dataclass
class Shape(EmergeFile):
    n: int = 1
    kinds = {}
    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        Shape.kinds[cls.__name__] = cls
    def f(self):
        return {name: kind().n for name, kind in self.kinds.items()}, [c.__name__ for c in Shape.__subclasses__()]
@dataclass
class Round(Shape):
    n: int = 2
"""
    source = module(HEAD + text)
    hashes = set()
    for _ in range(2):
        for cls in (source.Shape, source.Round):
            hash, table = pack(cls)
            hashes.add(hash)
            here = cls().f()
            forget()
            assert load(hash, table.get)().f() == here
        source = module(HEAD + text + "@dataclass\nclass Square(Round):\n    n: int = 3\n", "more")
        assert list(source.Shape.kinds) == ["Round", "Square"]
    assert len(hashes) == 4


@pytest.mark.parametrize("kind", ["dict", "list", "set"])
@pytest.mark.parametrize("taken", ["A", "B", "Last"])
def test_a_class_that_was_taken_out_of_a_registry_stays_out(module: Make, kind: str, taken: str) -> None:
    """Whether it is the class that is stored, a base of it, or another one, and whatever is loaded first."""
    empty, add, remove = {
        "dict": ("{}", "Base.known[cls.__name__] = cls", "Base.known.pop(%r)"),
        "list": ("[]", "Base.known.append(cls.__name__)", "Base.known.remove(%r)"),
        "set": ("set()", "Base.known.add(cls.__name__)", "Base.known.discard(%r)"),
    }[kind]
    text = f"""
class Base:
    known = {empty}
    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        {add}
    def f(self):
        return sorted(Base.known)
class A(Base): pass
class B(Base): pass
@dataclass
class First(EmergeFile, A):
    n: int = 0
@dataclass
class Last(EmergeFile, B):
    n: int = 0
{remove % taken}
"""
    source = module(HEAD + text)
    packed = {cls: pack(cls) for cls in (source.First, source.Last)}
    for order in (list(packed), list(packed)[::-1]):
        forget()
        for cls in order:
            hash, table = packed[cls]
            assert load(hash, table.get)().f() == cls().f(), (kind, taken)


REFUSED = {
    "Item uses T, a dict that holds a lock": "import threading\nT = {'a': len, 'l': threading.Lock()}",
    "its attribute seen was changed": "import threading\nclass T:\n    seen = {}\nT.seen['a'] = threading.Lock()",
    r"T\.lock is a lock": "import threading\ndef T(): pass\nT.lock = threading.Lock()",
    "T has an implementation for int that is a function without a text": (
        "from functools import singledispatch\n@singledispatch\ndef T(x): pass\nT.register(int, eval('lambda x: x'))"
    ),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_is_not_whole_is_refused(module: Make, named: str) -> None:
    source = module(HEAD + REFUSED[named] + ITEM.format(probe="T"))
    with pytest.raises(CannotShip, match=named) as caught:
        capture(source.Item)
    assert caught.value.remedy


def test_two_bundles_agree_on_a_sentinel(module: Make) -> None:
    source = module(HEAD + "M = object()\nclass A:\n    def m(self): return M\n" + ITEM.format(probe="M is A().m()"))
    hash, table = pack(source.Item)
    forget()
    assert load(hash, table.get)().f() is True
