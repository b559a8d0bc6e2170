"""Constants that are no plain data ship as they are now: tables of functions, registries, sentinels, aliases."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from .conftest import forget, load, pack

Make = Callable[..., ModuleType]
HEAD = """
from dataclasses import dataclass, field
from enum import Enum
from emerge_wasm import EmergeFile
"""
ITEM = """
@dataclass
class Item(EmergeFile):
    def f(self):
        return {probe}
"""


def cases(text: str) -> dict[str, tuple[str, str]]:
    """Return (module, what its method returns) by name, from texts that begin with `## name: what it returns`."""
    found = {}
    for block in text.split("## ")[1:]:
        head, _, module = block.partition("\n")
        name, _, probe = head.partition(": ")
        found[name] = module, probe
    return found


VALUES = cases(r'''
## operators: T['+'](2, 3), T['<'](2, 3)
import operator
T = {'+': operator.add, '<': operator.lt}

## types as keys: [T[type(x)] for x in (1, 'a', None, [])]
T = {int: 'i', str: 's', type(None): 'n', list: 'l'}

## builtins: T[0]('ab'), T[1]('ba'), T[2]('x'), T[3]('-'), T[4]('ab'), T[5](b'a', 'big'), T[6]('ab')
T = [len, sorted, str.upper, 'a-b'.split, ', '.join, int.from_bytes, dict.fromkeys]

## shadowed builtin: T[0]('ab'), g()
T = (len, max)
def len(x): return 7
def g(): return len('a')

## classmethods: T['d']('2024-05-06').day
from datetime import date
T = {'d': date.fromisoformat}

## functions: T['a'](1), T['n']['b'][0](1), T['n']['b'][1]
def a(x): return x + 1
def b(x): return a(x) * 2
T = {'a': a, 'n': {'b': (b, 3)}}

## classes: [k().g() for k in T]
class A:
    def g(self): return 1
class B(A):
    def g(self): return super().g() + 1
T = [A, B]

## a class in itself: T['a']().g()
T = {}
class A:
    def g(self): return T['a'] is A
T['a'] = A

## lambdas: T['a'](1), T['b'](4)
T = {'a': lambda x: x + 1, 'b': lambda x, y=2: x * y}

## lambdas in a loop: [f(10) for f in T]
T = [lambda x, n=n: x + n for n in range(3)]

## closures: T[1](10), T[2](10)
def adder(n):
    def add(m):
        return n + m
    return add
T = {n: adder(n) for n in (1, 2)}

## recursive closures: T[0](4), T[1](4)
def make(k):
    def fact(n):
        return k if n < 2 else n * fact(n - 1)
    return fact
T = [make(1), make(2)]

## counters: T[0]() + T[0](), T[1]()
def counter(n):
    def up():
        nonlocal n
        n += 1
        return n
    return up
T = [counter(1), counter(5)]

## text in a closure: T[0](), T[1]()
def say(n):
    def f():
        return f"""{n}
  two
"""
    return f
T = [say(1), say(2)]

## partials: T['p'](2), T['q'](9)
from functools import partial
def g(a, b=1): return a * b
T = {'p': partial(g, b=5), 'q': partial(max, 3)}

## getters: T[0]([5, 6]), T[1](3), T[2]('a-b-c')
from operator import itemgetter, attrgetter, methodcaller
T = (itemgetter(1, 0), attrgetter('real'), methodcaller('split', '-', maxsplit=1))

## a set: sorted(f.__name__ for f in T), a in U, len(U)
def a(): return 1
T = {a, len}
U = frozenset([int, a])

## a deque: T.maxlen, [f('ab') for f in T]
from collections import deque
T = deque([len, max], maxlen=2)

## defaultdict: T['zz'], T['a']('ab')
from collections import defaultdict
def new(): return [0]
T = defaultdict(new, {'a': len})

## ordered: list(T), type(T).__name__
from collections import OrderedDict
T = OrderedDict(b=len, a=max)
T.move_to_end('b')

## grown by later lines: list(T), T['a'](), T['y']()
T = {}
def a(): return 1
T['a'] = a
T.update(b=len)
for k in 'xy':
    T[k] = k.upper
del T['b']

## grown by decorators: [(k, f()) for k, f in T.items()]
T = {}
def register(name):
    def take(f):
        if name in T: raise ValueError(name)
        T[name] = f
        return f
    return take
@register('a')
def a(): return 1
@register('b')
def _(): return 2
@register('c')
def _(): return 3

## names by decorators: T, a(), b()
T = []
def note(f):
    if f.__name__ in T: raise ValueError
    T.append(f.__name__)
    return f
@note
def a(): return 1
@note
def b(): return 2

## classes by decorators: [(k, c.n) for k, c in T.items()]
T = {}
def register(cls):
    T[cls.__name__] = cls
    return cls
@register
class A:
    n = 1
@register
class B(A):
    n = 2

## read by the class: P.n
def a(): return 5
T = {'a': a}
class P:
    n = T['a']()

## a nested class: T['b'].n, T['b'] is A.B
class A:
    class B:
        n = 4
T = {'b': A.B}

## Enum members: T[E.A](), T[E.B]('ab')
class E(Enum):
    A = 1
    B = 2
def a(): return 1
T = {E.A: a, E.B: len}

## Enum and its table: E.A.next().name, E.B.next() is E.A
class E(Enum):
    A = 1
    B = 2
    def next(self): return T[self]
T = {E.A: E.B, E.B: E.A}

## instances: T[1].n, D.n, D.other() == D, T[1].other().n
@dataclass(frozen=True)
class P:
    n: int = 1
    def other(self): return D
D = P(4)
T = [len, P(5), D]

## a pattern: T['a'].findall('abB'), T['a'].flags
import re
T = {'a': re.compile('B+', re.I), 'f': len}

## fractions: T * 3 == 1, T.denominator
from fractions import Fraction
T = Fraction(1, 3)

## paths: T.suffix, str(U), type(T).__name__
from pathlib import Path, PurePosixPath
T = Path('/a/b.c')
U = PurePosixPath('x') / 'y'

## zones: T.key, type(T).__name__
from zoneinfo import ZoneInfo
T = ZoneInfo('Europe/Rome')

## ranges: list(T), [1, 2, 3][U]
T = range(1, 9, 3)
U = slice(1, 2)

## a context: str(T.divide(Decimal(1), Decimal(3))), T.prec
from decimal import Context, Decimal, ROUND_UP
T = Context(prec=3, rounding=ROUND_UP)

## templates: T.substitute(a=1)
from string import Template
T = Template('$a!')

## mapping proxies: T['a'](), T['n'], type(T).__name__
from types import MappingProxyType
def a(): return 1
T = MappingProxyType({'a': a, 'n': 2})

## namespaces: T.a, T.f('ab')
from types import SimpleNamespace
T = SimpleNamespace(a=1, f=len)

## nothing special: repr(T)
T = (..., NotImplemented, None, float('inf'), -0.0, 2+1j, b'x')

## sentinel: get(), get(1), get(P().g()), P().g() is MISSING
MISSING = object()
def get(x=MISSING): return x is MISSING
class P:
    def g(self): return MISSING

## sentinel in a table: T['m'] is MISSING, type(MISSING).__name__
MISSING = object()
T = {'m': MISSING, 'f': len}

## sentinel of a class: repr(MISSING), bool(MISSING), P().g() is MISSING
class _Missing:
    def __repr__(self): return '<missing>'
    def __bool__(self): return False
MISSING = _Missing()
class P:
    def g(self): return MISSING

## type aliases: str([T, U, V, W, X, Y])
from typing import Optional, Union, Callable, Literal, List
T = Optional[int]
U = list[str]
V = int | None
W = Callable[[int, str], bool]
X = Literal['a', 2]
Y = {'t': List[int], 'u': Union[int, str]}

## type variables: T.__bound__.__name__, N(3), N.__name__, B().put(2)
from typing import TypeVar, NewType, Generic
T = TypeVar('T', bound=int)
N = NewType('N', int)
class Box(Generic[T]):
    def put(self, x: T) -> T: return x
B = Box[int]

## a cached function: fast(1), fast.cache_info().maxsize, slow(1)
from functools import lru_cache
def slow(n): return n + 1
fast = lru_cache(maxsize=7)(slow)

## a wrapped function: h(1), g(1)
import functools
def loud(f):
    @functools.wraps(f)
    def run(*a): return f(*a) * 2
    return run
def g(n): return n + 1
h = loud(g)

## a logger: T['l'].name
import logging
T = {'l': logging.getLogger('a.b'), 'f': len}

## modules: T['m'].floor(1.5), T['p'].basename('/a/b')
import math, os.path
T = {'m': math, 'p': os.path, 'f': len}

## methods of classes: T['c'](), T['s'](2), T['m'](A())
class A:
    n = 3
    @classmethod
    def make(cls): return cls.n
    @staticmethod
    def s(x): return x
    def m(self): return 4
T = {'c': A.make, 's': A.s, 'm': A.m}
''')
if sys.version_info >= (3, 12):
    VALUES |= cases("""
## type statements: str(T), str(T.__value__), str(P[int])
type T = int | list[T]
type P[X] = tuple[X, X]

## generic syntax: Box[int]().put(3), first([4]), Box.__type_params__[0].__name__
class Box[X]:
    def put(self, x: X) -> X: return x
def first[Y](y: list[Y]) -> Y: return y[0]
""")


def both(module: Make, setup: str, probe: str, name: str = "stock") -> tuple[str, str, tuple[str, dict[str, bytes]]]:
    """What a method returns here, and where only the bytes are."""
    source = module(HEAD + setup + ITEM.format(probe=probe), name)
    bundles = pack(source.Item)
    here = repr(source.Item().f())
    forget()
    return here, repr(load(bundles[0], bundles[1].get)().f()), bundles


@pytest.mark.parametrize("name", VALUES)
def test_values_are_the_same_there(module: Make, name: str) -> None:
    here, there, _ = both(module, *VALUES[name])
    assert there == here
