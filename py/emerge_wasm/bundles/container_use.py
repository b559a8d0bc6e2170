"""Tell whether the parts of a bundle change a container while they are defined, as a decorator that registers does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from enum import Enum

from .bundle import SourcePart
from .name import FreeNames
from .syntax_tree import children, walk

_READING = frozenset(
    "get keys values items index count copy union intersection difference symmetric_difference issubset issuperset "
    "isdisjoint most_common elements total".split()
)
_READERS = frozenset(
    "len sorted list tuple set frozenset dict sum min max any all enumerate zip map filter iter reversed range bool "
    "str repr print isinstance id type".split()
)


class ContainerUse(Enum):
    """Whether the parts of a bundle change a container."""

    NONE = "they only read it"
    MAYBE = "they hand it to something else"
    SURE = "they do"


def use_of(
    parts: Mapping[str, SourcePart],
    nodes: Mapping[str, list[ast.stmt]],
    names: Mapping[str, FreeNames],
    name: str,
) -> ContainerUse:
    """Tell what the parts of a bundle do to the value of a name while they are defined."""
    found = ContainerUse.NONE
    for key in _run_with(parts, names, name):
        for change in _uses(nodes[key], name):
            if change is ContainerUse.SURE:
                return change
            found = ContainerUse.MAYBE if change is ContainerUse.MAYBE else found
    return found


def _run_with(parts: Mapping[str, SourcePart], names: Mapping[str, FreeNames], name: str) -> set[str]:
    """Return the parts that name it, of those that run, or may be called, while some part is defined."""
    todo = [other for one in names.values() for other in one.eager]
    seen: set[str] = set(todo)
    while todo:
        part = names.get(todo.pop())
        new = (part.hard | part.soft) - seen if part else set()
        seen |= new
        todo += new
    found = set()
    for key, free in names.items():
        if name in free.eager or (key in seen and name in free.hard | free.soft):
            found.add(key)
    return {key for key in found if parts[key].kind != "statement" and key != name}


def _uses(body: list[ast.stmt], name: str) -> Iterator[ContainerUse]:
    for node in walk(*body):
        for child in children(node):
            if isinstance(child, ast.Name) and child.id == name:
                yield _use(child, node)


def _use(node: ast.Name, around: ast.AST) -> ContainerUse:
    if not isinstance(node.ctx, ast.Load):
        return ContainerUse.SURE
    if isinstance(around, ast.Subscript) and around.value is node:
        return ContainerUse.NONE if isinstance(around.ctx, ast.Load) else ContainerUse.SURE
    if isinstance(around, ast.Attribute):
        return ContainerUse.NONE if around.attr in _READING else ContainerUse.SURE
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id in _READERS:
        return ContainerUse.NONE
    reads = ast.Compare | ast.comprehension | ast.For | ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.FormattedValue
    return ContainerUse.NONE if isinstance(around, reads | ast.Starred | ast.If | ast.IfExp) else ContainerUse.MAYBE
