"""Imports that may fail: in `try … except ImportError`, or in `with suppress(ImportError)`.

Such a statement travels whole, so that each machine takes its own branch, and what it imports is not needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from .source import UNITS_KEPT, Unit
from .syntax_tree import walk

_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def find_guards(name: str, unit: Unit) -> list[ast.stmt]:
    """Return the statements at the top of a text that bind `name`, when one of them guards an import.

    None of them when it is bound by anything else than these and plain assignments before them.
    """
    found = _binders(unit).get(name, [])
    guarded = found and _is_guard(found[-1]) and all(_is_guard(node) or _is_plain(node) for node in found)
    return found if guarded else []


@lru_cache(maxsize=UNITS_KEPT)
def _binders(unit: Unit) -> dict[str, list[ast.stmt]]:
    """Return the statements at the top of a text, by the names that they bind."""
    found: dict[str, list[ast.stmt]] = {}
    for node in unit.tree.body:
        for name in _bound(node):
            found.setdefault(name, []).append(node)
    return found


def _is_plain(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign)


def guarded_modules(*nodes: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield (module, level) of every import below a guard, in the branches of failure too."""
    for node in walk(*nodes):
        if _is_guard(node):
            for inner in walk(node):
                if isinstance(inner, ast.Import):
                    yield from ((alias.name, 0) for alias in inner.names)
                elif isinstance(inner, ast.ImportFrom):
                    yield inner.module or "", inner.level


def _is_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Try):
        catches = any(handler.type is None or _CAUGHT & _words(handler.type) for handler in node.handlers)
    elif isinstance(node, ast.With):
        catches = any("suppress" in words and _CAUGHT & words for words in map(_words, _contexts(node)))
    else:
        return False
    return catches and any(isinstance(each, ast.Import | ast.ImportFrom) for each in node.body)


def _contexts(node: ast.With) -> list[ast.expr]:
    return [item.context_expr for item in node.items]


def _words(node: ast.expr) -> set[str]:
    """Return the last parts of all names in an expression."""
    names = {child.id for child in walk(node) if isinstance(child, ast.Name)}
    return names | {child.attr for child in walk(node) if isinstance(child, ast.Attribute)}


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a statement binds in its own scope."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    names: set[str] = set()
    if isinstance(node, ast.Import | ast.ImportFrom):
        names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        names.add(node.id)
    return names.union(*map(_bound, ast.iter_child_nodes(node)))
