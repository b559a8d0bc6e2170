"""Find annotations that name what is defined later, which Python 3.14 allows: older ones must keep them as text."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from .bundle import SourcePart

EVALUATED_LATE = sys.version_info >= (3, 14)
"""Whether this Python evaluates annotations only when they are asked for."""


def with_late_annotations(
    parts: Iterable[SourcePart], given: Collection[str], aliases: Mapping[str, str]
) -> Iterator[SourcePart]:
    """Yield the parts, as text annotations where one is of a name that is not `given` nor defined by a part before.

    `aliases` are further names of parts.
    """
    known = {*given, *vars(builtins)}
    for part in parts:
        late = not part.future and not known.issuperset(_annotated(ast.parse(part.text).body))
        yield replace(part, future=True) if late else part
        known |= {part.name, *(alias for alias, target in aliases.items() if target == part.name)}


def _annotated(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names in the annotations that an older Python evaluates while these statements run."""
    for item in body:
        found: Iterator[str] = iter(())
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [node for node in ast.walk(item.args) if isinstance(node, ast.arg)]
            found = _names(item.returns, *(argument.annotation for argument in arguments))
        elif isinstance(item, ast.AnnAssign):
            found = _names(item.annotation)
        elif isinstance(item, ast.ClassDef):
            found = _annotated(item.body)
        else:
            found = _annotated(node for node in ast.iter_child_nodes(item) if isinstance(node, ast.stmt))
        own = set(_bound(item))
        yield from (name for name in found if name not in own)


def _bound(item: ast.stmt) -> Iterator[str]:
    """Yield the names that a definition binds for its own annotations: type parameters, those of a class's body."""
    for parameter in getattr(item, "type_params", ()):
        yield parameter.name
    for node in item.body if isinstance(item, ast.ClassDef) else ():
        yield getattr(node, "name", "")
        yield from (child.id for child in ast.walk(node) if isinstance(child, ast.Name) and _is_set(child))


def _is_set(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _names(*annotations: ast.expr | None) -> Iterator[str]:
    for annotation in annotations:
        for node in ast.walk(annotation) if annotation else ():
            if isinstance(node, ast.Name):
                yield node.id
