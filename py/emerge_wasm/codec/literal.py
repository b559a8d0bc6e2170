"""Read values that people type as Python literals and a few constructors (`text.py` shows them so). No code is run."""

from __future__ import annotations

import ast
import tokenize
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from ..errors import Invalid, LimitExceeded
from .standard import FACTORIES, PLAIN, TEXTS
from .syntax_depth import check_nesting
from .value import DEPTH_LIMIT, BlockTree, Record, Reference
from .zone import named_zone

V = TypeVar("V")

TEXT_LIMIT = 4 * 1024 * 1024
"""Characters that `read_literal` takes."""


def _of(make: Callable[..., object], *kinds: type) -> Callable[..., object]:
    """Return a constructor that takes arguments of these types only: others may make it work without end."""

    def made(*args: object, **named: object) -> object:
        if any(type(item) not in kinds for item in (*args, *named.values())):
            raise TypeError(f"it takes {', '.join(kind.__name__ for kind in kinds)}")
        return make(*args, **named)

    return made


_NAMES: dict[str, object] = {"nan": float("nan"), "inf": float("inf"), "timezone.utc": UTC, "Ellipsis": ...}
_CALLS: dict[str, Callable[..., object]] = {
    "set": set,
    "frozenset": frozenset,
    "complex": complex,
    "Decimal": Decimal,
    "UUID": UUID,
    "datetime": datetime,
    "datetime.fromisoformat": datetime.fromisoformat,
    "date": date,
    "date.fromisoformat": date.fromisoformat,
    "time": time,
    "time.fromisoformat": time.fromisoformat,
    "timedelta": timedelta,
    "timezone": timezone,
    "Reference": Reference,
    "BlockTree": _of(lambda root, size: BlockTree(bytes.fromhex(root), size), str, int),
    "ZoneInfo": _of(named_zone, str),
    "array": _of(array, str, list),
    "bytearray": _of(bytearray, bytes),
    "Counter": _of(Counter, dict),
    "deque": _of(deque, list, int, type(None)),
    "Fraction": _of(Fraction, int),
    "OrderedDict": _of(OrderedDict, dict),
    "range": _of(range, int),
    "slice": _of(slice, int, type(None)),
    "SimpleNamespace": SimpleNamespace,
    **{name: _of(PLAIN[name][1].make, str) for name in TEXTS},
}
_PREFIXES = ("datetime.", "decimal.", "uuid.", "collections.", "fractions.", "zoneinfo.", "pathlib.", "ipaddress.")


class RecordClass(NamedTuple):
    """A class whose values can be read as records: `Line(sku='a', count=2)`, or `Color.RED` of an enumeration.

    `fields` are the fields with the texts of their defaults ("": it must be given), None if they are not known.
    """

    name: str
    bundle: str
    fields: tuple[tuple[str, str], ...] | None = None
    members: frozenset[str] = frozenset()


Classes = Mapping[str, RecordClass]
"""Classes by the names that texts may have for them."""


def read_literal(text: str, classes: Classes | None = None) -> Any:
    """Return the value of a literal: Python literals, nan, inf, and calls such as `Decimal('1.5')`, `UUID('…')`,
    `datetime(2024, 5, 1, tzinfo=timezone.utc)`, `timedelta(days=1)`, `set()`, `Reference('…')`; those of
    `classes` as records. No code is run.

    Raises:
        Invalid: the text is no such literal; the error says which part is not understood.
        LimitExceeded: it is too long or too deep.
    """
    if len(text) > TEXT_LIMIT:
        raise LimitExceeded(f"the text has {len(text)} characters", remedy=f"the limit is {TEXT_LIMIT}", limit="size")
    try:
        check_nesting(text.strip())
        return _Reader(classes or {}).read(ast.parse(text.strip(), mode="eval").body, 0)
    except (tokenize.TokenError, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise Invalid(f"{text[:80]!r} is not a value: {reason}", remedy="write it as Python would show it") from None


class _Reader:
    """Reads the syntax tree of one literal."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes

    def read(self, node: ast.expr, depth: int) -> object:
        if depth > 2 * DEPTH_LIMIT:
            raise ValueError("it is nested too deep")
        match node:
            case ast.Constant() if node.value is not Ellipsis:
                return node.value
            case ast.List() | ast.Tuple() | ast.Set():
                made = [self.read(item, depth + 1) for item in node.elts]
                return made if isinstance(node, ast.List) else tuple(made) if isinstance(node, ast.Tuple) else set(made)
            case ast.Dict():
                return dict(self.pairs(node, depth))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                number = self.number(node.operand, depth)
                return -number if isinstance(node.op, ast.USub) else +number
            case ast.BinOp(op=ast.Add() | ast.Sub(), right=ast.Constant(value=complex() as imaginary)):
                real = self.number(node.left, depth)
                return real + imaginary if isinstance(node.op, ast.Add) else real - imaginary
            case ast.Attribute() if (known := self.classes.get(ast.unparse(node.value))) and known.members:
                return _member(known, node.attr)
            case ast.Name() | ast.Attribute():
                return _look_up(_NAMES, node, "name")
            case ast.Call():
                return self.call(node, depth)
        raise ValueError(f"{ast.unparse(node)[:40]} is an expression")

    def pairs(self, node: ast.Dict, depth: int) -> Iterator[tuple[object, object]]:
        for key, item in zip(node.keys, node.values, strict=True):
            if key is None:
                raise ValueError("** is an expression")
            yield self.read(key, depth + 1), self.read(item, depth + 1)

    def number(self, node: ast.expr, depth: int) -> complex:
        value = self.read(node, depth + 1)
        if isinstance(value, int | float | complex) and not isinstance(value, bool):
            return value
        raise ValueError(f"{ast.unparse(node)[:40]} is not a number")

    def call(self, node: ast.Call, depth: int) -> object:
        name = ast.unparse(node.func)
        if name in ("defaultdict", "collections.defaultdict"):
            return self.defaultdict(node, depth)
        known = self.classes.get(name)
        make = None if known else _look_up(_CALLS, node.func, "call")
        if any(isinstance(item, ast.Starred) for item in node.args) or any(item.arg is None for item in node.keywords):
            raise ValueError("* is an expression")
        args = [self.read(item, depth + 1) for item in node.args]
        named = {str(item.arg): self.read(item.value, depth + 1) for item in node.keywords}
        if known is not None:
            return self.record(known, args, named, depth)
        assert make is not None
        if any(isinstance(item, range) for item in args):
            raise ValueError("a range within a call could be endless")
        if make is Reference and [type(item) for item in (*args, *named.values())] != [str]:
            raise ValueError("a Reference takes the text of a uuid")
        return make(*args, **named)

    def record(self, known: RecordClass, args: list[object], named: dict[str, object], depth: int) -> Record:
        """Make a record as the class would: what is not given has its default."""
        if known.fields is None or known.members:
            if args:
                raise ValueError(f"{known.name} takes its fields by name")
            return Record(known.name, known.bundle, named)
        names = [name for name, _ in known.fields]
        if len(args) > len(names):
            raise ValueError(f"{known.name} has {len(names)} fields, not {len(args)}")
        given = dict(zip(names, args, strict=False))
        for name in named:
            if name not in names:
                raise ValueError(f"{known.name} has no field {name}: it has {', '.join(names)}")
            if name in given:
                raise ValueError(f"{name} is given twice")
        given |= named
        return Record(
            known.name,
            known.bundle,
            {
                name: given[name] if name in given else self.default(known, name, default, depth)
                for name, default in known.fields
            },
        )

    def default(self, known: RecordClass, name: str, default: str, depth: int) -> object:
        try:
            if default:
                return self.read(ast.parse(default, mode="eval").body, depth + 1)
        except ValueError:
            pass  # only running code could tell it
        raise ValueError(f"{known.name} needs {name}")

    def defaultdict(self, node: ast.Call, depth: int) -> object:
        """Read a defaultdict: its factory is the name of a type, or None."""
        match node.args:
            case [ast.Name(id=str() as name), ast.Dict() as held] if name in FACTORIES:
                factory: Callable[[], object] | None = FACTORIES[name]
            case [ast.Constant(value=None), ast.Dict() as held]:
                factory = None
            case _:
                raise ValueError("a defaultdict takes the name of a type, and a map")
        made: defaultdict[object, object] = defaultdict(factory)
        made.update(self.pairs(held, depth))
        return made


def _member(known: RecordClass, name: str) -> Record:
    if name not in known.members:
        raise ValueError(f"{known.name} has no member {name}: it has {', '.join(sorted(known.members))}")
    return Record(known.name, known.bundle, {"name": name})


def _look_up(table: Mapping[str, V], node: ast.expr, what: str) -> V:
    name = ast.unparse(node)
    for prefix in _PREFIXES:
        if name not in table:
            name = name.removeprefix(prefix)
    if name not in table:
        raise ValueError(f"the {what} {name[:40]} is not allowed here")
    return table[name]
