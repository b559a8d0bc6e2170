"""The order in which the parts of a bundle must run: what a part reads while it is defined comes before it."""

from __future__ import annotations

from collections.abc import Iterator

from .bundle import Part
from .draft import Draft


def in_order(parts: dict[str, Part], group: list[Draft]) -> Iterator[Part]:
    """The parts, each after those it needs at once; else functions first, then as they were written."""
    eager: dict[str, set[str]] = {}
    every: dict[str, set[str]] = {}
    place: dict[str, tuple[bool, int, str]] = {}
    for draft in group:
        known = set(parts) | set(draft.aliases) | set(draft.classes)
        for name, names in draft.names.items():
            eager[name] = {_target(one, draft) for one in names.eager & known} - {name}
            every[name] = {_target(one, draft) for one in (names.hard | names.soft) & known} - {name}
            place[name] = (parts[name].kind == "class", draft.lines[name], name)
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[Part]:
        if name in done or name in path or name not in parts:
            return
        for need in sorted(_at_once(name, eager, every), key=place.__getitem__):
            yield from visit(need, (*path, name))
        if name not in done:
            done.add(name)
            yield parts[name]

    for name in sorted(parts, key=place.__getitem__):
        yield from visit(name, ())


def _target(name: str, draft: Draft) -> str:
    """The part that a name stands for."""
    if name in draft.aliases:
        return draft.aliases[name]
    return draft.classes[name].__name__ if name in draft.classes else name


def _at_once(name: str, eager: dict[str, set[str]], every: dict[str, set[str]]) -> set[str]:
    """What a part reads while it is defined, also by way of the functions that it may call then."""
    found: set[str] = set()
    todo = list(eager[name])
    while todo:
        one = todo.pop()
        if one not in found and one in every and one != name:
            found.add(one)
            todo += every[one]
    return found
