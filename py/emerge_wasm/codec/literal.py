"""Read values that people type as Python literals and a few constructors (`text.py` shows them so). No code is run."""

from __future__ import annotations

import ast
import tokenize
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

from ..errors import Invalid, LimitExceeded
from .standard import FACTORIES, PLAIN, TEXTS
from .syntax_depth import check_nesting
from .value import DEPTH_LIMIT, BlockTree, Reference
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


def read_literal(text: str) -> Any:
    """Return the value of a literal: Python literals, nan, inf, and calls such as `Decimal('1.5')`, `UUID('…')`,
    `datetime(2024, 5, 1, tzinfo=timezone.utc)`, `timedelta(days=1)`, `set()`, `Reference('…')`. No code is run.

    Raises:
        Invalid: the text is no such literal; the error says which part is not understood.
        LimitExceeded: it is too long or too deep.
    """
    if len(text) > TEXT_LIMIT:
        raise LimitExceeded(f"the text has {len(text)} characters", remedy=f"the limit is {TEXT_LIMIT}", limit="size")
    try:
        check_nesting(text.strip())
        return _read(ast.parse(text.strip(), mode="eval").body, 0)
    except (tokenize.TokenError, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise Invalid(f"{text[:80]!r} is not a value: {reason}", remedy="write it as Python would show it") from None


def _read(node: ast.expr, depth: int) -> object:
    if depth > 2 * DEPTH_LIMIT:
        raise ValueError("it is nested too deep")
    match node:
        case ast.Constant() if node.value is not Ellipsis:
            return node.value
        case ast.List() | ast.Tuple() | ast.Set():
            made = [_read(item, depth + 1) for item in node.elts]
            return made if isinstance(node, ast.List) else tuple(made) if isinstance(node, ast.Tuple) else set(made)
        case ast.Dict():
            return {_key(key, depth): _read(item, depth + 1) for key, item in zip(node.keys, node.values, strict=True)}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            number = _number(node.operand, depth)
            return -number if isinstance(node.op, ast.USub) else +number
        case ast.BinOp(op=ast.Add() | ast.Sub(), right=ast.Constant(value=complex() as imaginary)):
            real = _number(node.left, depth)
            return real + imaginary if isinstance(node.op, ast.Add) else real - imaginary
        case ast.Name() | ast.Attribute():
            return _look_up(_NAMES, node, "name")
        case ast.Call():
            return _call_of(node, depth)
    raise ValueError(f"{ast.unparse(node)[:40]} is an expression")


def _key(node: ast.expr | None, depth: int) -> object:
    if node is None:
        raise ValueError("** is an expression")
    return _read(node, depth + 1)


def _number(node: ast.expr, depth: int) -> complex:
    value = _read(node, depth + 1)
    if isinstance(value, int | float | complex) and not isinstance(value, bool):
        return value
    raise ValueError(f"{ast.unparse(node)[:40]} is not a number")


def _look_up(table: Mapping[str, V], node: ast.expr, what: str) -> V:
    name = ast.unparse(node)
    for prefix in _PREFIXES:
        if name not in table:
            name = name.removeprefix(prefix)
    if name not in table:
        raise ValueError(f"the {what} {name[:40]} is not allowed here")
    return table[name]


def _call_of(node: ast.Call, depth: int) -> object:
    if ast.unparse(node.func) in ("defaultdict", "collections.defaultdict"):
        return _defaultdict(node, depth)
    make = _look_up(_CALLS, node.func, "call")
    if any(isinstance(item, ast.Starred) for item in node.args) or any(item.arg is None for item in node.keywords):
        raise ValueError("* is an expression")
    args = [_read(item, depth + 1) for item in node.args]
    named = {str(item.arg): _read(item.value, depth + 1) for item in node.keywords}
    if any(isinstance(item, range) for item in args):
        raise ValueError("a range within a call could be endless")
    if make is Reference and [type(item) for item in (*args, *named.values())] != [str]:
        raise ValueError("a Reference takes the text of a uuid")
    return make(*args, **named)


def _defaultdict(node: ast.Call, depth: int) -> object:
    """Read a defaultdict: its factory is the name of a type, or None."""
    match node.args:
        case [ast.Name(id=str() as name), ast.Dict() as held] if name in FACTORIES:
            factory: Callable[[], object] | None = FACTORIES[name]
        case [ast.Constant(value=None), ast.Dict() as held]:
            factory = None
        case _:
            raise ValueError("a defaultdict takes the name of a type, and a map")
    made: defaultdict[object, object] = defaultdict(factory)
    made.update((_key(key, depth), _read(item, depth + 1)) for key, item in zip(held.keys, held.values, strict=True))
    return made
