"""Derive the ranges of fields in which an expression can be true from its tree.

Python's comparisons decide: an object on which one raises is not found, so only values of the other side's family
matter. A value that has no place in an order (NaN, containers, instances) is never left out by a range.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from .compile import Compiler
from .key_range import ABSENT, Everything, Nothing, Range, RangeSet, both, either

LISTED = 200
"""Values of an `in` that become ranges of their own."""

_ORDERED = (int, float, str, bytes, Decimal, datetime, date, time, timedelta, UUID)
_OPPOSITE = {"Lt": "GtE", "LtE": "Gt", "Gt": "LtE", "GtE": "Lt", "Eq": "NotEq", "NotEq": "Eq", "In": "NotIn"} | {
    "NotIn": "In",
    "Is": "IsNot",
    "IsNot": "Is",
}
MIRRORED = {
    "Lt": "Gt",
    "LtE": "GtE",
    "Gt": "Lt",
    "GtE": "LtE",
    "Eq": "Eq",
    "NotEq": "NotEq",
    "Is": "Is",
    "IsNot": "IsNot",
}
_HIGHEST = 0x10FFFF


class RangeDeriver:
    """Derives ranges from one tree; its compiler knows which parts are fixed."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler

    def derive(self, node: ast.expr, holds: bool = True) -> RangeSet:
        """Return where the expression can be true (or, with `holds` False, false)."""
        match node:
            case ast.BoolOp():
                join = both if isinstance(node.op, ast.And) == holds else either
                return join([self.derive(item, holds) for item in node.values])
            case ast.UnaryOp(op=ast.Not()):
                return self.derive(node.operand, not holds)
            case ast.Compare():
                return self._compared(node, holds)
            case ast.IfExp() if not any(isinstance(one, ast.IfExp) for one in ast.walk(node.test)):  # else it doubles
                return either(
                    [
                        both([self.derive(node.test), self.derive(node.body, holds)]),
                        both([self.derive(node.test, False), self.derive(node.orelse, holds)]),
                    ]
                )
            case ast.Call(func=ast.Attribute(value=owner, attr="startswith"), args=[start], keywords=[]) if holds:
                return self._started(owner, start)
        name = asked_for(node, self.compiler) if holds else ""
        return Range(name, there=True) if name else self._constant(node, holds)

    def _constant(self, node: ast.expr, holds: bool) -> RangeSet:
        step = self.compiler.step(node)
        try:
            return Nothing() if step.fixed and bool(step.value) != holds else Everything()
        except Exception:  # an instance whose truth is up to its class
            return Everything()

    def _compared(self, node: ast.Compare, holds: bool) -> RangeSet:
        sides = [node.left, *node.comparators]
        pairs = [
            self._pair(left, type(op).__name__, right, holds)
            for left, op, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return both(pairs) if holds else either(pairs)

    def _pair(self, left: ast.expr, name: str, right: ast.expr, holds: bool) -> RangeSet:
        one, other = self.compiler.step(left), self.compiler.step(right)
        if not holds:
            name = _OPPOSITE[name]
        if one.field and other.fixed:
            return self._range(one.field, name, other.value, holds)
        if other.field and one.fixed and name in MIRRORED:
            return self._range(other.field, MIRRORED[name], one.value, holds)
        return Everything()

    def _range(self, field: str, name: str, value: object, holds: bool) -> RangeSet:
        if name == "In":
            return _listed(field, value)
        if name in ("Eq", "Is"):
            return Range(field, value, value, equal=True) if value is None or is_ordered(value) else Everything()
        make = _RANGES.get(name)
        return make(field, value) if make and is_ordered(value) else Everything()

    def _started(self, owner: ast.expr, start: ast.expr) -> RangeSet:
        field, prefix = self.compiler.step(owner).field, self.compiler.step(start)
        if not field or not prefix.fixed:
            return Everything()
        starts = prefix.value if isinstance(prefix.value, tuple) else (prefix.value,)
        return either([_prefixed(field, one) if isinstance(one, str) else Everything() for one in starts])


_RANGES: dict[str, Callable[[str, object], Range]] = {
    "Lt": lambda field, value: Range(field, ABSENT, value),
    "LtE": lambda field, value: Range(field, ABSENT, value),
    "Gt": lambda field, value: Range(field, value, ABSENT),
    "GtE": lambda field, value: Range(field, value, ABSENT),
}


def asked_for(node: ast.expr, compiler: Compiler) -> str:
    """Return the field in `hasattr(o, "field")`, else ""."""
    match node:
        case ast.Call(func=function, args=[ast.Name(id=owner), ast.Constant(value=str() as name)], keywords=[]):
            asked = compiler.dotted(function) == "hasattr" and owner == compiler.argument
            return name if asked and not name.startswith("__") else ""
    return ""


def first_read(node: ast.expr, compiler: Compiler) -> str:
    """Return the field that an expression reads before anything else, "" where that is not plain to see."""
    match node:
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return name if owner == compiler.argument else ""
        case ast.BoolOp(values=[first, *_]) | ast.UnaryOp(operand=first):
            return first_read(first, compiler)
        case ast.Compare(left=left, comparators=[right, *_]):
            return first_read(right if compiler.step(left).fixed else left, compiler)
        case ast.Call(func=ast.Attribute(value=first, attr="startswith")):
            return first_read(first, compiler)
    return ""


def is_ordered(value: object) -> bool:
    """Tell whether a value has a place among those of its family."""
    if type(value) is float:
        return not math.isnan(value)
    if type(value) is Decimal:
        return not value.is_nan()
    return isinstance(value, _ORDERED)


def _listed(field: str, values: object) -> RangeSet:
    if isinstance(values, range):
        if not values:
            return Nothing()
        ends = values[0], values[-1]
        return Range(field, min(ends), max(ends), equal=True)
    if not isinstance(values, list | tuple | set | frozenset | dict) or len(values) > LISTED:
        return Everything()
    if not all(value is None or is_ordered(value) for value in values):
        return Everything()
    return either([Range(field, value, value, equal=True) for value in values])


def _prefixed(field: str, prefix: str) -> RangeSet:
    """Return the range from the prefix to the first text after all that begin with it."""
    for count in range(len(prefix), 0, -1):
        last = ord(prefix[count - 1])
        if last < _HIGHEST:
            after = 0xE000 if 0xD7FF <= last < 0xE000 else last + 1
            return Range(field, prefix, prefix[: count - 1] + chr(after))
    return Range(field, prefix, ABSENT)
