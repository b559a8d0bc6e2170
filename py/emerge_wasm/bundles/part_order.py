"""Order the parts of a bundle: what a part reads while it is defined runs before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from .bundle import SourcePart
from .collector import Collector

Graph = dict[str, set[str]]
_RANK = {"class": 1, "statement": 2}


def in_order(parts: dict[str, SourcePart], group: list[Collector]) -> Iterator[SourcePart]:
    """Yield the parts in order, and at the end those again that others may have undone."""
    keys = list(_in_order(parts, group))
    last = max((number for number, key in enumerate(keys) if parts[key].kind != "statement"), default=0)
    again = {key for collector in group for key in collector.again}
    yield from (parts[key] for key in [*keys, *(key for key in keys[:last] if key in again)])


def _in_order(parts: dict[str, SourcePart], group: list[Collector]) -> Iterator[str]:
    """Yield the parts' keys, each after those it needs while it is defined; else functions first, then as written."""
    must, may, place = _graphs(parts, group)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in done or name in path or not must[name].isdisjoint(path):  # then its turn comes later
            return
        for need in sorted(may[name], key=place.__getitem__):
            if name not in must[need]:
                yield from visit(need, (*path, name))
        if name not in done:
            done.add(name)
            yield name

    for name in sorted(parts, key=place.__getitem__):
        yield from visit(name, ())


def _graphs(
    parts: dict[str, SourcePart], group: list[Collector]
) -> tuple[Graph, Graph, dict[str, tuple[int, int, str]]]:
    """Return which parts each part must have before it, which it may also use while it is defined, and its place.

    It must have its bases, decorators and defaults; it may use annotations, and whatever the functions use that it
    may call.
    """
    eager: Graph = {}
    every: Graph = {}
    annotated: Graph = {}
    place = {}
    own = {collector.cls: collector.class_name for collector in group}
    for collector in group:
        for name, names in collector.names.items():
            itself = {name, collector.shadows.get(name, name)}
            eager[name] = _targets(names.eager, collector, own, parts) - itself
            every[name] = _targets(names.hard | names.soft, collector, own, parts) - itself
            every[name] |= set(collector.effects.get(name, ())) - {name}
            annotated[name] = (
                set() if parts[name].future else _targets(names.annotations, collector, own, parts) - {name}
            )
            shadowing = {made for made, other in collector.shadows.items() if other == name}
            eager[name] |= shadowing
            place[name] = (_RANK.get(parts[name].kind, 0), collector.lines[name], name)
    for collector in group:
        for before, after in (pair for names in collector.sequences for pair in pairwise(names)):
            for target in _targets([after], collector, own, parts):
                annotated[target] |= _targets([before], collector, own, parts)
    must = {name: _closure(eager[name], eager) for name in parts}
    may = {name: _closure(eager[name], every) | annotated[name] for name in parts}
    return must, may, place


def _targets(
    names: Iterable[str], collector: Collector, own: dict[type, str], parts: dict[str, SourcePart]
) -> set[str]:
    """Return the parts that these names stand for."""
    found = set()
    for name in names:
        cls = collector.classes.get(name)
        target = own.get(cls, cls.__name__) if cls else collector.aliases.get(name, name)
        if target in parts:
            found.add(target)
    return found


def _closure(start: set[str], graph: Graph) -> set[str]:
    found: set[str] = set()
    todo = list(start)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += graph[one]
    return found
