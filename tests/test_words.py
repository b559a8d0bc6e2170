"""The words of the package: a name for one thing, modules named by nouns and verbs, arguments by name, few `Any`."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from tests.imports import modules, tree_of

MIRRORS = {
    *(f"browser.protocol.{part}" for part in ("argument", "event", "option", "step", "view")),
    "classic.core.client",
    "classic.core.objects",
}
"""Modules whose names are those of another language's, web/protocol.ts, or of the older project."""

SYNTAX = {
    "browser.console.written",
    "bundles.body",
    "bundles.description",
    "bundles.provenance",
    "query.call",
    "query.predicate",
}
"""Modules whose `args` are those of a function's syntax tree."""

ANY_AT_MOST = 450
"""Occurrences of `Any`, imports among them."""


def defined(tree: ast.Module) -> Iterator[str]:
    """The public classes and type aliases of a module."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        yield from (name for name in names if re.fullmatch(r"[A-Z]+[a-z]\w*", name))


def takes_by_place(node: ast.AST) -> bool:
    """Whether this is `args[3]`, `call.args[:2]` or the like."""
    if not isinstance(node, ast.Subscript):
        return False
    name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    where = node.slice.operand if isinstance(node.slice, ast.UnaryOp) else node.slice
    number = isinstance(where, ast.Constant) and isinstance(where.value, int)
    return name == "args" and (number or isinstance(where, ast.Slice))


def test_a_name_stands_for_one_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for module, path in modules().items():
        for name in defined(tree_of(path)) if module not in MIRRORS else ():
            places[name].add(module)
    assert {name: sorted(where) for name, where in places.items() if len(where) > 1} == {}


def test_no_module_is_named_by_a_gerund() -> None:
    assert {name for name in modules() if name.endswith("ing")} == set()


def test_arguments_have_names() -> None:
    by_place = {name for name, path in modules().items() if any(map(takes_by_place, ast.walk(tree_of(path))))}
    assert by_place - SYNTAX == set()


def test_any_is_rare() -> None:
    assert sum(len(re.findall(r"\bAny\b", path.read_text())) for path in modules().values()) <= ANY_AT_MOST


def test_no_wait_loses_a_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11 goes on when it is cancelled as the answer comes: who stops it waits for it."""
    assert [name for name, path in modules().items() if "wait_for(" in path.read_text()] == []
