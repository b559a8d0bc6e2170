"""Show values as text that people read and type: Python literals and a few constructors. Reading runs no code."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from ..errors import Invalid, LimitExceeded
from .attributes import state_of
from .syntax_depth import check_nesting
from .value import DEPTH_LIMIT, Record, Reference, class_name_of

V = TypeVar("V")

TEXT_LIMIT = 4 * 1024 * 1024
"""Characters that `read_literal` takes."""


def show(value: object) -> str:
    """Show a value as Python text that `read_literal` reads back, except records and instances: `Name(…)`."""
    write = _SHOW.get(type(value))
    if write:
        return write(value)
    kind = type(value)
    if isinstance(value, Enum):
        return f"{class_name_of(kind)}.{value.name}"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return _call(class_name_of(kind), dict(zip(kind._fields, value, strict=True)))
    return _call(class_name_of(kind), state_of(value)) if is_dataclass(kind) else repr(value)


def _call(name: str, fields: dict[str, object]) -> str:
    return f"{name}({', '.join(f'{key}={show(item)}' for key, item in fields.items())})"


def _join(values: Iterable[object]) -> str:
    return ", ".join(show(item) for item in values)


def _int(value: int) -> str:
    return str(value) if value.bit_length() < 4096 else hex(value)  # Python refuses to write long decimal integers


def _set(value: Collection[object]) -> str:
    return "{" + ", ".join(sorted(show(item) for item in value)) + "}" if value else "set()"


def _frozenset(value: Collection[object]) -> str:
    return f"frozenset({_set(value) if value else ''})"


def _moment(value: datetime | time) -> str:
    offset = value.utcoffset()
    fixed = value.replace(tzinfo=None if offset is None else timezone(offset), fold=0)
    return _bare(fixed)


def _bare(value: object) -> str:
    return repr(value).replace("datetime.", "")


_SHOW: dict[type, Callable[[Any], str]] = {
    int: _int,
    list: lambda value: f"[{_join(value)}]",
    tuple: lambda value: f"({_join(value)}{',' if len(value) == 1 else ''})",
    set: _set,
    frozenset: _frozenset,
    dict: lambda value: "{" + ", ".join(f"{show(key)}: {show(item)}" for key, item in value.items()) + "}",
    bytearray: lambda value: repr(bytes(value)),
    complex: lambda value: f"complex({value.real!r}, {value.imag!r})",
    Decimal: lambda value: f"Decimal('{value}')",
    UUID: lambda value: f"UUID('{value}')",
    datetime: _moment,
    time: _moment,
    date: _bare,
    timedelta: _bare,
    Reference: lambda value: f"Reference({value.uuid!r})",
    Record: lambda value: _call(value.class_name, value.fields),
}

_NAMES: dict[str, object] = {"nan": float("nan"), "inf": float("inf"), "timezone.utc": UTC}
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
}
_PREFIXES = ("datetime.", "decimal.", "uuid.")


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
    make = _look_up(_CALLS, node.func, "call")
    if any(isinstance(item, ast.Starred) for item in node.args) or any(item.arg is None for item in node.keywords):
        raise ValueError("* is an expression")
    args = [_read(item, depth + 1) for item in node.args]
    named = {str(item.arg): _read(item.value, depth + 1) for item in node.keywords}
    if make is Reference and [type(item) for item in (*args, *named.values())] != [str]:
        raise ValueError("a Reference takes the text of a uuid")
    return make(*args, **named)
