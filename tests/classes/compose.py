"""Cases that are composed of fragments: what a class may hold, where it is written, and how.

A fragment is a piece of code with questions of which the answers are known by its making. The pieces of one class have
nothing to do with one another but that they are in one class, in one or two modules, under one decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from .case import Answer, Case

NAMES = (
    "top total self_ size _hidden private_ größe item node kind module cls value_ x1 l O data_ "
    "long_name print_ fields names text key lambda_ match case_ soft init run_ state load store_ code hash_ bundle part scope unit"
).split()
"""Names that people, and our own code, use."""


@dataclass
class Fragment:
    """`lib` is at the module's level, or in another module, from which `exports` are imported."""

    imports: list[str] = field(default_factory=list)
    lib: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    answers: list[tuple[str, object]] = field(default_factory=list)


Kind = Callable[[Random, str], Fragment]
"""Makes a fragment whose names begin with the given one."""


def function(random: Random, name: str) -> Fragment:
    """A helper with a default that is a constant, annotated or not, called with keywords."""
    k, n = random.randint(-9, 9), random.randint(0, 99)
    note = random.choice([("", ""), (": int", " -> int"), (': "int"', ' -> "int"')])
    lib = [
        f"{name.upper()}_K = {k}",
        f"def {name}(a{note[0]}, *, k{note[0]}={name.upper()}_K){note[1]}:",
        "    return a * 10 + k",
    ]
    asked = f"    def ask_{name}(self, a): return {name}(a) + {name}(a, k=1)"
    return Fragment(lib=lib, exports=[name], body=[asked], answers=[(f"o.ask_{name}({n})", n * 20 + k + 1)])


def constant(random: Random, name: str) -> Fragment:
    """A module's value of some kind, written as a literal or computed."""
    text, shown = random.choice(
        [
            ("[1, (2, 3), {'a': {4}}]", "[1, (2, 3), {'a': {4}}]"),
            ("{(1, 'x'): [None, True]}", "{(1, 'x'): [None, True]}"),
            ("Decimal('1.50') * 2", "Decimal('3.00')"),
            ("frozenset(range(3))", "frozenset({0, 1, 2})"),
            ("datetime(2026, 1, 2, tzinfo=timezone.utc)", "datetime(2026, 1, 2, tzinfo=timezone.utc)"),
            ("timedelta(hours=3)", "timedelta(hours=3)"),
            ("Fraction(2, 4)", "Fraction(1, 2)"),
            ("Path('a') / 'b'", "Path('a/b')"),
            ("UUID(int=7)", "UUID(int=7)"),
            ("b'\\x00' * 3", "b'\\x00\\x00\\x00'"),
            ("2 ** 80", str(2**80)),
            ("'ü' 'x'", "'üx'"),
            ("range(1, 9, 2)", "range(1, 9, 2)"),
            ("sorted({3, 1, 2}, reverse=True)", "[3, 2, 1]"),
            ("[n * n for n in range(4)]", "[0, 1, 4, 9]"),
            ("dict(zip('ab', (1, 2)))", "{'a': 1, 'b': 2}"),
            ("1.5e300, -0.0, 3j", "(1.5e300, -0.0, 3j)"),
        ]
    )
    imports = [
        "from datetime import datetime, timedelta, timezone",
        "from decimal import Decimal",
        "from fractions import Fraction",
        "from pathlib import Path",
        "from uuid import UUID",
    ]
    body = [f"    @property\n    def ask_{name}(self):\n        return {name}"]
    return Fragment(imports, [f"{name} = {text}"], [name], body=body, answers=[(f"o.ask_{name}", Raw(shown))])


class Raw(str):
    """An expression, as it is to be written."""


def enum(random: Random, name: str) -> Fragment:
    """An Enum of some kind, as a field's value and default."""
    base, first = random.choice(
        [("Enum", "'a'"), ("IntEnum", "1"), ("StrEnum", "'a'"), ("Flag", "1"), ("Enum", "(1, 'x')")]
    )
    kind = name.strip("_").title() + "Kind"
    lib = [f"class {kind}({base}):", f"    ONE = {first}", "    TWO = auto()" if base != "Enum" else "    TWO = 'b'"]
    lib += ["    @property", "    def other(self):", f"        return {kind}.TWO if self is {kind}.ONE else {kind}.ONE"]
    member = random.choice(["ONE", "TWO"])
    body = [f"    def ask_{name}(self): return self.f_{name}.other.name, self.f_{name} in ({kind}.{member},)"]
    other = {"ONE": "TWO", "TWO": "ONE"}[member]
    return Fragment(
        ["from enum import Enum, Flag, IntEnum, StrEnum, auto"],
        lib,
        [kind],
        fields=[f"    f_{name}: {kind} = {kind}.{member}"],
        body=body,
        answers=[(f"o.ask_{name}()", (other, True)), (f"own: o.f_{name} is {kind}.{member}", True)],
    )


def value_class(random: Random, name: str) -> Fragment:
    """A dataclass of some kind within a field: alone, in a list or a dict."""
    kind = name.strip("_").title() + "Value"
    options = random.choice(
        ["", "(frozen=True)", "(slots=True)", "(order=True)", "(frozen=True, slots=True)", "(kw_only=True)"]
    )
    held = random.choice([("{}", "{}"), ("[{}]", "{}[0]"), ("{{'k': {}}}", "{}['k']"), ("({}, 1)", "{}[0]")])
    n = random.randint(0, 50)
    lib = [f"@dataclass{options}", f"class {kind}:", "    n: int = 0", f"    more: '{kind} | None' = None"]
    lib += ["    def sum(self):", "        return self.n + (self.more.sum() if self.more else 0)"]
    made = held[0].format(f"{kind}(n={n}, more={kind}(n=1))")
    got = held[1].format(f"self.f_{name}")
    body = [f"    def ask_{name}(self): return {got}.sum(), {got} == {kind}(n={n}, more={kind}(n=1))"]
    return Fragment(
        ["from dataclasses import dataclass, field"],
        lib,
        [kind],
        fields=[f"    f_{name}: object = None"],
        body=body,
        given=[f"f_{name}={made}"],
        answers=[(f"o.ask_{name}()", (n + 1, True)), (f"own: o.f_{name} == {made}", True)],
    )


def decorated(random: Random, name: str) -> Fragment:
    """A method or function under a decorator of one's own, with arguments or without."""
    n = random.randint(1, 9)
    lib = [f"def {name}_by(k):", "    def decorate(f):", "        @functools.wraps(f)", "        def inner(*a, **kw):"]
    lib += ["            return f(*a, **kw) * k", "        return inner", "    return decorate"]
    lib += [f"@{name}_by({n})", f"def {name}_f(x): return x + 1"]
    body = [f"    @{name}_by(2)", f"    def ask_{name}(self, x): return [{name}_f(x)]"]
    answer = [(f"o.ask_{name}(3)", [4 * n] * 2), (f"o.ask_{name}.__name__", f"ask_{name}")]
    return Fragment(["import functools"], lib, [f"{name}_by", f"{name}_f"], body=body, answers=answer)


def table(random: Random, name: str) -> Fragment:
    """A table of functions: written at once, or filled by later lines or by a decorator."""
    n = random.randint(0, 9)
    way = random.choice(["literal", "item", "decorator", "update"])
    lib = [f"def {name}_one(x): return x + {n}", f"def {name}_two(x): return {name}_one(x) * 2"]
    if way == "literal":
        lib += [f"{name}_T = {{'one': {name}_one, 'two': {name}_two, 'abs': abs, 'l': lambda x: -x}}"]
    elif way == "item":
        lib += [f"{name}_T = {{}}", f"{name}_T['one'] = {name}_one", f"{name}_T['two'] = {name}_two"]
        lib += [f"{name}_T['abs'] = abs", f"{name}_T['l'] = operator.neg"]
    elif way == "update":
        lib += [f"{name}_T = dict(abs=abs)", f"{name}_T.update(one={name}_one, two={name}_two, l=operator.neg)"]
    else:
        lib = [
            f"{name}_T = {{'abs': abs, 'l': operator.neg}}",
            f"def {name}_put(f):",
            f"    {name}_T[f.__name__[-3:]] = f",
            "    return f",
        ]
        lib += [
            f"@{name}_put",
            f"def {name}_one(x): return x + {n}",
            f"@{name}_put",
            f"def {name}_two(x): return {name}_one(x) * 2",
        ]
    body = [
        f"    def ask_{name}(self, k, x): return {name}_T[k](x)",
        f"    def keys_{name}(self): return sorted({name}_T)",
    ]
    answers = [(f"o.ask_{name}('two', 3)", (3 + n) * 2), (f"o.ask_{name}('l', 4)", -4)]
    return Fragment(
        ["import operator"],
        lib,
        [f"{name}_T"],
        body=body,
        answers=[*answers, (f"o.keys_{name}()", ["abs", "l", "one", "two"])],
    )


def dispatch(random: Random, name: str) -> Fragment:
    """A singledispatch function, registered by annotation, by argument or by a call."""
    lib = ["@functools.singledispatch", f"def {name}(x): return 'other'"]
    lib += random.choice(
        [
            [f"@{name}.register", "def _(x: int): return 'int'"],
            [f"@{name}.register(int)", f"def {name}_int(x): return 'int'"],
            [f"def {name}_int(x): return 'int'", f"{name}.register(int, {name}_int)"],
            [f"{name}.register(int)(lambda x: 'int')"],
        ]
    )
    body = [f"    def ask_{name}(self): return {name}(1), {name}('x'), {name}(True)"]
    return Fragment(
        ["import functools"], lib, [name], body=body, answers=[(f"o.ask_{name}()", ("int", "other", "int"))]
    )


def registry(random: Random, name: str) -> Fragment:
    """A base whose subclasses are known to it: by `__init_subclass__`, a metaclass, `__subclasses__`."""
    kind = name.strip("_").title() + "Base"
    way = random.choice(["hook", "meta", "subclasses"])
    if way == "hook":
        lib = [
            f"class {kind}:",
            "    known = {}",
            "    def __init_subclass__(cls, **kw):",
            "        super().__init_subclass__(**kw)",
        ]
        lib += [f"        {kind}.known[cls.__name__[-1]] = cls"]
        found = f"{kind}.known"
    elif way == "meta":
        lib = [
            f"class {kind}Meta(type):",
            "    known = {}",
            "    def __new__(m, n, b, d):",
            "        c = super().__new__(m, n, b, d)",
        ]
        lib += [
            f"        if b: {kind}Meta.known[n[-1]] = c",
            "        return c",
            f"class {kind}(metaclass={kind}Meta): pass",
        ]
        found = f"{kind}Meta.known"
    else:
        lib, found = [f"class {kind}: pass"], f"{{c.__name__[-1]: c for c in {kind}.__subclasses__()}}"
    lib += [
        f"class {kind}A({kind}):",
        "    def go(self): return 'a'",
        f"class {kind}B({kind}):",
        "    def go(self): return 'b'",
    ]
    lib += [f"def {name}_all(): return {found}"]
    body = [f"    def ask_{name}(self): return {{k: c().go() for k, c in sorted({name}_all().items())}}"]
    return Fragment([], lib, [f"{name}_all"], body=body, answers=[(f"o.ask_{name}()", {"A": "a", "B": "b"})])


def closure(random: Random, name: str) -> Fragment:
    """A function made by a function."""
    n = random.randint(0, 99)
    lib = [
        f"def {name}_make(n, *more):",
        f"    def {name}_inner(x): return x + n + sum(more)",
        f"    return {name}_inner",
    ]
    lib += [f"{name} = {name}_make({n}, 1, 2)"]
    return Fragment(
        lib=lib,
        exports=[name],
        body=[f"    def ask_{name}(self): return {name}(1)"],
        answers=[(f"o.ask_{name}()", n + 4)],
    )


def members(random: Random, name: str) -> Fragment:
    """Members of every kind: static, class, cached, setter, generator, async, nested class, private."""
    n = random.randint(0, 9)
    body = [
        f"    __p_{name.strip('_')} = {n}",
        f"    class N_{name}:",
        f"        deep = {n} + 1",
        "    @staticmethod",
        f"    def s_{name}(x, y=2): return x * y",
        "    @classmethod",
        f"    def c_{name}(cls): return cls.N_{name}.deep",
        "    @functools.cached_property",
        f"    def k_{name}(self): return self.__p_{name.strip('_')} + 5",
        f"    def g_{name}(self): yield from (self.k_{name}, self.c_{name}())",
        f"    def ask_{name}(self): return [*self.g_{name}(), self.s_{name}(4)]",
    ]
    return Fragment(["import functools"], body=body, answers=[(f"o.ask_{name}()", [n + 5, n + 1, 8])])


def changing(random: Random, name: str) -> Fragment:
    """A method that changes the state: a list, a set, a tuple, a dict with keys of several kinds."""
    start = random.choice(
        ["[1, 2]", "{1, 2}", "(1, 2)", "{1: 'a', (2,): 'b'}", "frozenset({1, 2})", "bytearray(b'ab')[:2] and [1, 2]"]
    )
    body = [
        f"    def ask_{name}(self):",
        f"        self.f_{name} = [len(self.f_{name}), type(self.f_{name}).__name__]",
        f"        return self.f_{name}",
    ]
    kind = type(eval(start)).__name__
    return Fragment(
        fields=[f"    f_{name}: object = None"],
        body=body,
        given=[f"f_{name}={start}"],
        answers=[(f"o.f_{name}", Raw(start)), (f"o.ask_{name}()", [2, kind])],
    )


KINDS: tuple[Kind, ...] = (
    function,
    constant,
    enum,
    value_class,
    decorated,
    table,
    dispatch,
    registry,
    closure,
    members,
    changing,
)


def compose(random: Random, name: str) -> Case:
    """A case of one to five fragments, in one module or two, written in some way."""
    names = random.sample(NAMES, random.randint(1, 5))
    parts = [random.choice(KINDS)(random, part) for part in names]
    future = ["from __future__ import annotations"] if random.random() < 0.3 else []
    imports = ["from dataclasses import dataclass, field", "from emerge_wasm import EmergeFile"]
    imports = list(dict.fromkeys([*imports, *(line for part in parts for line in part.imports)]))
    files: dict[str, str] = {}
    split = [part for part in parts if part.lib and random.random() < 0.4]
    if split:
        lib = f"{name}_lib"
        files[f"{lib}.py"] = _text([*future, *imports, *(line for part in split for line in part.lib)])
        exported = [one for part in split for one in part.exports]
        imports.append(f"from {lib} import {', '.join(exported)}")
    own = [line for part in parts if part not in split for line in part.lib]
    base, head = _head(random, name)
    rows = [*future, *imports, *base, *own, *head]
    rows += [line for part in parts for line in part.fields] or ["    nothing: int = 0"]
    bodies = [part.body for part in parts]
    random.shuffle(bodies)
    rows += [line for body in bodies for line in body]
    text = _text(rows)
    if random.random() < 0.2:
        text = text.replace("    ", "\t")
    if random.random() < 0.2:
        text = text.replace("\n", "\r\n")
    asked = [(question, shown) for part in parts for question, shown in part.answers]
    answers = [
        Answer(
            question.removeprefix("own: "),
            shown if isinstance(shown, Raw) else repr(shown),
            question.startswith("own: "),
        )
        for question, shown in asked
    ]
    made = f"Composed({', '.join(line for part in parts for line in part.given)})"
    return Case(name, {f"{name}.py": text, **files}, made, answers)


def _head(random: Random, name: str) -> tuple[list[str], list[str]]:
    """The lines of bases of the class, and its first lines."""
    mixin = ["class Mixin:", "    def mixed(self): return type(self).__name__"]
    between = ["@dataclass", "class Between(EmergeFile):", "    between: int = 1"]
    decorator = random.choice(
        ["@dataclass", "@dataclass(kw_only=True)", "@dataclass(eq=False)", "@dataclass(repr=False)"]
    )
    doc = random.choice([[], ['    """What it is."""'], ["    # nothing to say"]])
    lines, bases = random.choice(
        [([], "EmergeFile"), (mixin, "Mixin, EmergeFile"), (between, "Between"), ([*mixin, *between], "Mixin, Between")]
    )
    return lines, [decorator, f"class Composed({bases}):", *doc]


def _text(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"
