"""Tell whether the parts of a bundle change a container while they are defined, as a decorator that registers does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .collector import Collector

_READING = frozenset(
    "get keys values items index count copy union intersection difference symmetric_difference issubset issuperset "
    "isdisjoint most_common elements total".split()
)
_READERS = frozenset(
    "len sorted list tuple set frozenset dict sum min max any all enumerate zip map filter iter reversed range bool "
    "str repr print isinstance id type".split()
)


class Change(Enum):
    """Whether the parts of a bundle change a container."""

    NONE = "they only read it"
    MAYBE = "they hand it to something else"
    SURE = "they do"


def changes(collector: Collector, name: str) -> Change:
    """Tell what the parts of a bundle do to the value of a name while they are defined."""
    found = Change.NONE
    for key in _run_with(collector, name):
        for change in _uses(collector.parts[key].text, name):
            if change is Change.SURE:
                return change
            found = Change.MAYBE if change is Change.MAYBE else found
    return found


def _run_with(collector: Collector, name: str) -> set[str]:
    """Return the parts that name it, of those that run, or may be called, while some part is defined."""
    todo = [other for names in collector.names.values() for other in names.eager]
    seen: set[str] = set(todo)
    while todo:
        one = collector.names.get(todo.pop())
        new = (one.hard | one.soft) - seen if one else set()
        seen |= new
        todo += new
    found = set()
    for key, names in collector.names.items():
        if name in names.eager or (key in seen and name in names.hard | names.soft):
            found.add(key)
    return {key for key in found if collector.parts[key].kind != "statement" and key != name}


def _uses(text: str, name: str) -> Iterator[Change]:
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            yield _use(node, parents)


def _use(node: ast.Name, parents: dict[ast.AST, ast.AST]) -> Change:
    around = parents[node]
    if not isinstance(node.ctx, ast.Load):
        return Change.SURE
    if isinstance(around, ast.Subscript) and around.value is node:
        return Change.NONE if isinstance(around.ctx, ast.Load) else Change.SURE
    if isinstance(around, ast.Attribute):
        return Change.NONE if around.attr in _READING else Change.SURE
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id in _READERS:
        return Change.NONE
    reads = ast.Compare | ast.comprehension | ast.For | ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.FormattedValue
    return Change.NONE if isinstance(around, reads | ast.Starred | ast.If | ast.IfExp) else Change.MAYBE
