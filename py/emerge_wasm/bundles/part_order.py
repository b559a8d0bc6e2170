"""The order in which the parts of a bundle must run: what a part reads while it is defined comes before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .bundle import Part
from .collector import Draft

Graph = dict[str, set[str]]


def in_order(parts: dict[str, Part], group: list[Draft]) -> Iterator[Part]:
    """The parts, each after those it needs at once; else functions first, then as they were written."""
    must, may, place = _graphs(parts, group)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[Part]:
        if name in done or name in path:
            return
        for need in sorted(may[name], key=place.__getitem__):
            if name not in must[need]:
                yield from visit(need, (*path, name))
        if name not in done:
            done.add(name)
            yield parts[name]

    for name in sorted(parts, key=place.__getitem__):
        yield from visit(name, ())


def _graphs(parts: dict[str, Part], group: list[Draft]) -> tuple[Graph, Graph, dict[str, tuple[bool, int, str]]]:
    """What each part must have before it (bases, decorators, defaults), what it may also use at once (annotations,
    and all that the functions use which it may call then), and where it stood."""
    eager: Graph = {}
    every: Graph = {}
    annotated: Graph = {}
    place = {}
    for draft in group:
        for name, names in draft.names.items():
            eager[name] = _targets(names.eager, draft, parts) - {name}
            every[name] = _targets(names.hard | names.soft, draft, parts) - {name}
            annotated[name] = set() if parts[name].future else _targets(names.annotations, draft, parts) - {name}
            place[name] = (parts[name].kind == "class", draft.lines[name], name)
    must = {name: _closure(eager[name], eager) for name in parts}
    may = {name: _closure(eager[name], every) | annotated[name] for name in parts}
    return must, may, place


def _targets(names: Iterable[str], draft: Draft, parts: dict[str, Part]) -> set[str]:
    """The parts that these names stand for."""
    found = set()
    for name in names:
        target = draft.classes[name].__name__ if name in draft.classes else draft.aliases.get(name, name)
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
