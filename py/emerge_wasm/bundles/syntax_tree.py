"""Walk syntax trees: as `ast.walk` does, in a third of its time, without contexts and operators, which hold nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
_LEAVES = frozenset("ctx op ops id attr arg kind type_comment module level asname conversion simple is_async".split())
"""The fields that hold no node, or one that is a mere mark."""
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {ast.Constant: ()}
"""The other fields of each kind of node."""


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below a node, in order."""
    found: list[ast.AST] = []
    fields = _FIELDS.get(type(node))
    if fields is None:
        fields = _FIELDS[type(node)] = tuple(name for name in node._fields if name not in _LEAVES)
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            found.append(value)
        elif value and type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
    return found


def walk(*nodes: ast.AST) -> list[ast.AST]:
    """Return these nodes and all below them, the shallow ones first."""
    found = list(nodes)
    for node in found:
        found += children(node)
    return found


def statements_in(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements right below a module or statement, those of its handlers and cases too."""
    for name in _BLOCKS:
        for item in getattr(node, name, ()):
            if isinstance(item, ast.stmt):
                yield item
            else:
                yield from item.body
