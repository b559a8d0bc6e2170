"""Find the names that a piece of source takes from outside itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .name_scope import NameReader
from .syntax_tree import walk


@dataclass(frozen=True, slots=True)
class FreeNames:
    """The names that a piece of source reads and does not set itself.

    `hard` ones must resolve; `soft` ones need not (annotations, names that a class body sets as well).
    `eager` ones are read while the piece is defined, not when it is called; `annotations` holds those in annotations.
    """

    hard: frozenset[str]
    soft: frozenset[str]
    eager: frozenset[str]
    annotations: frozenset[str]


def free_names(text: str) -> FreeNames:
    """Find the free names in the (dedented) source of a class, function or assignment."""
    return names_of(ast.parse(text).body)


def names_of(body: list[ast.stmt]) -> FreeNames:
    """Find the free names in these statements, as if they were a text of their own."""
    reader = NameReader(body)
    hard, soft = reader.free()
    eager = {name for scope in reader.scopes if scope.is_eager for name in scope.read | scope.written}
    annotations = {name for annotation in reader.annotations for name in _names_in(annotation)}
    return FreeNames(frozenset(hard), frozenset((annotations | soft) - hard), frozenset(eager), frozenset(annotations))


def _names_in(annotation: ast.expr) -> Iterator[str]:
    if isinstance(annotation, ast.Subscript) and _last_name(annotation.value).endswith("Literal"):
        yield from _names_in(annotation.value)
        return
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return
    if isinstance(annotation, ast.Name):
        yield annotation.id
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            yield from _names_in(child)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@lru_cache(maxsize=512)
def modules_of_line(line: str) -> list[str]:
    """Return the modules that an import line names."""
    return [module for module, _ in imported_modules(ast.parse(line))]


def imported_modules(*nodes: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield (module, level) of every import statement, those in functions too."""
    for child in walk(*nodes):
        if isinstance(child, ast.Import):
            yield from ((alias.name, 0) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "", child.level
