"""The names that a text defines which has not run: its imports, its classes, its parameters by their annotations.

Nothing is imported and nobody's code runs for it. Runs on CPython too.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping

from .inspection import UNKNOWN, InstanceOf, class_names, find_attribute, find_node, is_a, is_one


def written_names(before: str, namespace: Mapping[str, object]) -> dict[str, object]:
    """The names that the lines before the cursor's define, by what is known of them; none where they are no Python."""
    lines, newline, last = before.rpartition("\n")
    indent = re.match(r"[ \t]*", last)
    try:
        tree = ast.parse(f"{lines}{newline}{indent[0] if indent else ''}pass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    reader = _Reader(namespace)
    reader.visit(tree)
    return reader.found


class _Reader(ast.NodeVisitor):
    """Reads statements in their order; a later one may use the names of those before it."""

    def __init__(self, namespace: Mapping[str, object]) -> None:
        self.found: dict[str, object] = {}
        self._known = ChainMap(dict(namespace), self.found)

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            top = each.name if each.asname else each.name.partition(".")[0]
            self.found[each.asname or top] = sys.modules.get(top, UNKNOWN)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = sys.modules.get(node.module or "", UNKNOWN)
        for each in node.names if module is not UNKNOWN and not node.level else ():
            inside = sys.modules.get(f"{node.module}.{each.name}", UNKNOWN)
            found = find_attribute(module, each.name)
            self.found[each.asname or each.name] = inside if found is UNKNOWN else found

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        names = set[str]()
        for base in map(self._value, node.bases):
            if is_a(base, type):
                names |= class_names(base).keys()  # type: ignore[arg-type]  # it is a class
        names |= {name for each in node.body for name in _defined(each)}
        own = [each.targets[0] for each in ast.walk(node) if isinstance(each, ast.Assign)]
        own += [each.target for each in ast.walk(node) if isinstance(each, ast.AnnAssign)]
        names |= {each.attr for each in own if isinstance(each, ast.Attribute) and _is_self(each.value)}
        # a class of names alone: none of the text's code, and none of its bases'
        made = type(node.name, (), dict.fromkeys((name for name in names if not name.startswith("__")), UNKNOWN))
        self.found[node.name] = made
        for each in node.body:
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and not each.decorator_list:
                self.found.update((first.arg, InstanceOf(made)) for first in each.args.args[:1])
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        kind = self._value(node.annotation)
        if is_a(kind, type):
            self.found[node.arg] = InstanceOf(kind)  # type: ignore[arg-type]

    def visit_For(self, node: ast.For) -> None:
        many = self._value(node.iter)
        if isinstance(node.target, ast.Name) and is_one(many, list, tuple) and many:
            self.found[node.target.id] = many[0]  # type: ignore[index]
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        kind = self._value(node.type)
        if node.name and is_a(kind, type):
            self.found[node.name] = InstanceOf(kind)  # type: ignore[arg-type]
        self.generic_visit(node)

    def _value(self, node: ast.expr | None) -> object:
        return UNKNOWN if node is None else find_node(node, self._known)


def _defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a class's body gives the class."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Assign):
        yield from (each.id for each in node.targets if isinstance(each, ast.Name))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
