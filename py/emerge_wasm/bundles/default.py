"""The defaults of a class's fields, read off its source where they are plain values. No code is run."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from ..codec import read_literal
from ..errors import EmergeError
from .description import FieldDescription

_FACTORIES: dict[str, object] = {
    "list": [], "dict": {}, "set": set(), "tuple": (), "frozenset": frozenset(), "str": "", "int": 0, "float": 0.0,
    "bool": False, "bytes": b"",
}  # fmt: skip


class FieldDefault(NamedTuple):
    """What a field has where nobody says: a plain `value`; the class's own code makes it, or there is none."""

    kind: str  # "plain", "made" or "none"
    value: object = None


def default_of(field: FieldDescription) -> FieldDefault:
    """Return the default of a field, given its description."""
    text = field["default"]
    if not text:
        return FieldDefault("none")
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "field":
        return _of_call({each.arg: each.value for each in node.keywords if each.arg})
    return _plain(node)


def plain_defaults(fields: Sequence[FieldDescription]) -> dict[str, object]:
    """Return the fields whose defaults are plain values, with these."""
    found = {field["name"]: default_of(field) for field in fields}
    return {name: default.value for name, default in found.items() if default.kind == "plain"}


def required_fields(fields: Sequence[FieldDescription]) -> list[str]:
    """Return the fields that have no default."""
    return [each["name"] for each in fields if default_of(each).kind == "none" and "InitVar" not in each["annotation"]]


def _of_call(given: dict[str, ast.expr]) -> FieldDefault:
    if "default" in given:
        return _plain(given["default"])
    factory = given.get("default_factory")
    if factory is None:
        return FieldDefault("none" if not _is_false(given.get("init")) else "made")
    if isinstance(factory, ast.Name) and factory.id in _FACTORIES:
        return FieldDefault("plain", read_literal(repr(_FACTORIES[factory.id])))  # one of its own each time
    if isinstance(factory, ast.Lambda):
        return _plain(factory.body)
    return FieldDefault("made")


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _plain(node: ast.expr) -> FieldDefault:
    try:
        return FieldDefault("plain", read_literal(ast.unparse(node)))
    except EmergeError:
        return FieldDefault("made")
