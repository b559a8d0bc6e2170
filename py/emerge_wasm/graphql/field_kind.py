"""Read from a field's annotation what it holds. Pure: no graphql-core, and no code of a class is run."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

SCALARS = {
    "str": "String",
    "float": "Float",
    "bool": "Boolean",
    "int": "BigInt",
    "bytes": "Bytes",
    "bytearray": "Bytes",
    "datetime": "DateTime",
    "date": "Date",
    "time": "Time",
    "timedelta": "Duration",
    "Decimal": "Decimal",
    "UUID": "UUID",
    "Reference": "Reference",
}
LISTS = {
    "list": "list",
    "List": "list",
    "Sequence": "list",
    "Iterable": "list",
    "Collection": "list",
    "MutableSequence": "list",
    "tuple": "tuple",
    "Tuple": "tuple",
    "set": "set",
    "Set": "set",
    "frozenset": "frozenset",
    "FrozenSet": "frozenset",
}
DEPTH_LIMIT = 20


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What a field holds. `name` is that of a scalar, or one of List, Nested, Enum, Flag, Reference, JSON (anything).

    A List has items `of` a kind in a `container`; a Nested, Enum or Flag is of the class named `target`.
    """

    name: str
    of: FieldKind | None = None
    container: str = ""
    target: str = ""


JSON = FieldKind("JSON")
NONE = FieldKind("None")

ClassFieldKind = Callable[[str], FieldKind | None]
"""Gives the kind of a class by its name in an annotation: Nested, Enum, or None for an unknown name."""


def read_kind(annotation: str, class_kind: ClassFieldKind) -> FieldKind:
    """Read the kind of a field from its annotation. `X | None` is the same as X: everything may be null."""
    try:
        kind = _kind(ast.parse(annotation, mode="eval").body, class_kind, 0)
    except (SyntaxError, ValueError, RecursionError):
        return JSON
    return JSON if kind == NONE else kind


def unite(first: FieldKind, second: FieldKind) -> FieldKind:
    """Return the kind of a value of either kind; JSON where they have nothing in common."""
    if first == second or second == NONE:
        return first
    if first == NONE:
        return second
    if {first.name, second.name} == {"BigInt", "Float"}:
        return FieldKind("Float")
    if first.of and second.of:
        container = first.container if first.container == second.container else "list"
        return FieldKind("List", unite(first.of, second.of), container)
    return JSON


def _kind(node: ast.expr, class_kind: ClassFieldKind, depth: int) -> FieldKind:
    if depth > DEPTH_LIMIT:
        return JSON
    match node:
        case ast.Constant(value=None):
            return NONE
        case ast.Constant(value=str() as text):
            return _kind(ast.parse(text, mode="eval").body, class_kind, depth + 1)
        case ast.BinOp(op=ast.BitOr()):
            sides = (_kind(side, class_kind, depth + 1) for side in (node.left, node.right))
            return unite(*sides)
        case ast.Subscript():
            return _generic(node, class_kind, depth)
        case ast.Name() | ast.Attribute():
            return _named(ast.unparse(node), class_kind)
    return JSON


def _named(name: str, class_kind: ClassFieldKind) -> FieldKind:
    found = class_kind(name)
    if found is not None:
        return found
    last = name.rpartition(".")[2]
    if last in LISTS:
        return FieldKind("List", JSON, LISTS[last])
    return FieldKind(SCALARS[last]) if last in SCALARS else JSON


def _generic(node: ast.Subscript, class_kind: ClassFieldKind, depth: int) -> FieldKind:
    name = ast.unparse(node.value).rpartition(".")[2]
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        return (
            FieldKind("String")
            if all(isinstance(each, ast.Constant) and type(each.value) is str for each in inner)
            else JSON
        )
    if name in ("Annotated", "Final", "Required", "Reference"):
        return FieldKind("Reference") if name == "Reference" else _kind(inner[0], class_kind, depth + 1)
    kinds = [
        _kind(each, class_kind, depth + 1)
        for each in inner
        if not (isinstance(each, ast.Constant) and each.value is Ellipsis)
    ]
    if not kinds or not (name in LISTS or name in ("Optional", "Union")):
        return JSON
    joined = kinds[0]
    for kind in kinds[1:]:
        joined = unite(joined, kind)
    if name in LISTS:
        return FieldKind("List", JSON if joined == NONE else joined, LISTS[name])
    return joined
