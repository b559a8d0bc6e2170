"""Derive the keys of an index for which a predicate is true, so that the object itself need not be read.

Only for comparisons of fields with fixed values, joined by `and`. Keys sort as values do, so a key strictly between two
others has a value between theirs; equal keys have equal values, unless these are cut or rounded. Pure; `derive.py`
derives the wider ranges that are scanned.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ..store import prefix_end
from .compile import Compiler
from .derive import MIRRORED, asked_for, is_ordered
from .order import family_range, is_whole, sort_key

_END = b"\xfe"
"""After the keys of all values."""


@dataclass(frozen=True, slots=True)
class ExactRange:
    """The predicate is true of each object whose field has a key with low <= key < high.

    `whole`: and of no other that has a place in the order.
    """

    low: bytes
    high: bytes
    whole: bool

    def joined(self, other: ExactRange) -> ExactRange:
        """Return the range in which both hold."""
        return ExactRange(max(self.low, other.low), min(self.high, other.high), self.whole and other.whole)


def exact_ranges(node: ast.expr, compiler: Compiler) -> dict[str, ExactRange] | None:
    """Return where an expression is certainly true, by field; None when keys cannot tell."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        parts = [exact_ranges(part, compiler) for part in node.values]
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        parts = [_pair(left, type(op).__name__, right, compiler) for left, op, right in pairs]
    else:
        name = asked_for(node, compiler)  # an object with a key for the field has it
        return {name: ExactRange(b"", _END, True)} if name else None
    found: dict[str, ExactRange] = {}
    for part in parts:
        if part is None:
            return None
        for field, each in part.items():
            held = found.get(field)
            found[field] = each if held is None else held.joined(each)
    return found


def _pair(left: ast.expr, name: str, right: ast.expr, compiler: Compiler) -> dict[str, ExactRange] | None:
    one, other = compiler.step(left), compiler.step(right)
    if one.field and other.fixed:
        field, value = one.field, other.value
    elif other.field and one.fixed:
        field, name, value = other.field, MIRRORED.get(name, ""), one.value
    else:
        return None
    found = _between(name, value)
    return None if found is None else {field: found}


def _between(name: str, value: object) -> ExactRange | None:
    if value is None:
        first, last = family_range(sort_key(None) or b"")  # the lowest of all families
        if name in ("NotEq", "IsNot"):
            return ExactRange(last, _END, True)
        return ExactRange(first, last, True) if name in ("Eq", "Is") else None
    key = sort_key(value) if is_ordered(value) else None
    if key is None:
        return None
    whole, (first, last) = is_whole(key), family_range(key)
    after: bytes = prefix_end(key) or last
    below, above = (key, after) if whole else (after, key)  # what has the same key is equal, or may be
    match name:
        case "Lt":
            return ExactRange(first, key, whole)
        case "LtE":
            return ExactRange(first, above, whole)
        case "Gt":
            return ExactRange(after, last, whole)
        case "GtE":
            return ExactRange(below, last, whole)
        case "Eq" if whole:
            return ExactRange(key, after, True)
    return None
