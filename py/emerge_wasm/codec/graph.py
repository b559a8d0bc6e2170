"""Encode a value of which parts are met more than once, or lead back to themselves.

Each of those is written twice: as a shell (an empty list, an instance without fields) and as what fills it; wherever
it is met, its number stands for it. A reader makes all shells first, so that every number leads somewhere. The depth
is counted from each shell anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from graphlib import CycleError, TopologicalSorter

from msgpack import ExtType

from ..errors import CannotShip
from .encoder import LOWER, PLAIN, Encoder, Refusal, extension, fields_of, is_shared, settings_of
from .foreign import is_foreign, is_foreign_name
from .msgpack_engine import engine
from .standard import CONTAINERS, pairs_of
from .value import DEPTH_LIMIT, Ext, Record, Value

StepAndPart = tuple[object, object]
"""A step as `Refusal` shows it (a field's name, an index, None for a key or an item of a set), and where it leads."""

_MAPS = frozenset({dict, *(kind for kind, row in CONTAINERS.values() if row.paired)})
_SEQUENCES = frozenset({list, tuple, deque})
_SETS = frozenset({set, frozenset})
_FILLED = _MAPS | _SEQUENCES | _SETS | {Record}


def parts_of(value: Value) -> Iterable[StepAndPart]:
    """Return what a value holds; nothing if its type cannot be written."""
    kind = type(value)
    if kind in _SEQUENCES:
        return enumerate(value)
    if kind in _MAPS:
        pairs = pairs_of(value).items()
        return [part for key, item in pairs for part in ((None, key), (key, item)) if type(part[1]) not in PLAIN]
    if kind in _SETS:
        return [(None, item) for item in in_order(value)]
    if kind is Record:
        return () if _is_apart(value) else value.fields.items()
    if kind in PLAIN or kind in LOWER or is_foreign(kind):
        return ()
    try:
        return fields_of(value).items()
    except Refusal:
        return ()


def shared_parts(value: object) -> dict[int, object]:
    """Return what a value holds, at any depth, whose identity is kept, by id."""
    met: dict[int, object] = {}
    pending = [value]
    while pending:
        held = pending.pop()
        if is_shared(held):
            if id(held) in met:
                continue
            met[id(held)] = held
        pending += [part for _, part in parts_of(held) if type(part) not in PLAIN]
    return met


def _is_apart(value: Record) -> bool:
    """Tell whether a record is a value of a package: it is written whole, and shares no part of it."""
    return is_foreign_name(value.class_name, value.bundle)


def in_order(items: Collection[object]) -> Iterable[object]:
    """Return the items of a set that may lead on, in an order that depends on their plain fields only."""
    if LEAVES.issuperset(map(type, items)):
        return ()
    return sorted(items, key=_mark)


LEAVES = PLAIN | (frozenset(LOWER) - _FILLED)
"""Kinds of values that lead nowhere."""


def _mark(value: object) -> bytes:
    """Return bytes that are the same for values with the same plain parts."""
    kind = type(value)
    if kind in LEAVES:
        return engine.packb(Encoder(careful=True).lower(value))
    if isinstance(value, (tuple, frozenset)):
        marks = [_mark(item) for item in value]
        return b"".join([kind.__name__.encode(), *(sorted(marks) if isinstance(value, frozenset) else marks)])
    parts = [(name, item) for name, item in parts_of(value) if type(item) in PLAIN]
    name = value.class_name if isinstance(value, Record) else kind.__qualname__
    return engine.packb(Encoder(careful=True).lower([name, *map(list, parts)]))


def lower_graph(root: object, encoder: Encoder) -> object:
    """Lower a value as a graph.

    Raises:
        Refusal: a part of it cannot be written.
    """
    return _GraphEncoder(root, encoder).graph()


class _Apart(Encoder):
    """Lowers what a value of a package is made of, which shares nothing with others."""

    def meet(self, value: object) -> object:
        return None


class _GraphEncoder(Encoder):
    """Lowers a value whose shared parts are known."""

    def __init__(self, whole: object, plain: Encoder) -> None:
        super().__init__(plain.bundle_of, plain.careful, plain.root)
        self.whole = whole
        found = _with_cuts(whole, _shared_in(whole, plain.root), plain.root)
        self.numbers = {id(value): number for number, value in enumerate(found)}
        self.shared = [found[number] for number in self._fill_order(found)]
        self.numbers = {id(value): number for number, value in enumerate(self.shared)}

    def graph(self) -> object:
        """Lower the value.

        Raises:
            Refusal: a part cannot be written.
        """
        if not self.shared:  # only its depth brought it here
            return self.lower(self.whole)
        shells = [self._at(value, self._shell) for value in self.shared]
        fillings = [self._at(value, self._filling) for value in self.shared]
        parts = [shells, *fillings, self.lower(self.whole)]
        return extension(Ext.GRAPH, [engine.packb(part) for part in parts])

    def meet(self, value: object) -> object:
        number = self.numbers.get(id(value))
        return None if number is None else ExtType(Ext.BACK, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    def foreign(self, value: object, depth: int) -> object:
        return _Apart(self.bundle_of, self.careful).foreign(value, depth)

    def record(self, value: Record, depth: int) -> object:
        return Encoder.record(_Apart(self.bundle_of, self.careful) if _is_apart(value) else self, value, depth)

    def unordered(self, value: Collection[object], depth: int) -> list[object]:
        if LEAVES.issuperset(map(type, value)):
            return super().unordered(value, depth)
        return [self.inside(item, depth, None) for item in in_order(value)]

    def _at(self, value: object, lower: Callable[[Value], object]) -> object:
        try:
            return lower(value)
        except Refusal as refusal:
            refusal.place += reversed(_steps_to(value, self.whole))
            raise

    def _shell(self, value: Value) -> object:
        kind = type(value)
        if kind is Record:
            return self.record(value, 1) if _is_apart(value) else extension(Ext.RECORD, [*self.head_of(value), {}])
        if (kind in _MAPS and kind is not dict) or kind is deque:
            return extension(Ext.STANDARD, [*settings_of(value), []])
        if kind in LOWER:
            return kind() if kind in (list, dict) else LOWER[kind](self, kind() if kind is set else value, 1)
        if is_foreign(kind):
            return self.foreign(value, 1)
        return extension(Ext.RECORD, [*self.head(kind), {}])

    def _filling(self, value: Value) -> object:
        """Lower what a shell is filled with: fields, items, keys and values by turns, or None."""
        kind = type(value)
        if kind is Record:
            return None if _is_apart(value) else self.fields(value.fields, 1)
        if kind in _MAPS:
            return self.pairs(pairs_of(value).items(), 1)
        if kind is set:
            return self.unordered(value, 1)
        if kind in _SEQUENCES:
            return self.items(value, 1)
        return None if kind in LOWER or is_foreign(kind) else self.fields(fields_of(value), 1)

    # --- what a frozenset holds must have been filled before, to have its hash
    def _fill_order(self, found: list[object]) -> list[int]:
        """Return the numbers in the order of filling: what is within a frozenset before the frozenset.

        Raises:
            Refusal: a frozenset leads back to what holds it.
        """
        links = [self._links(value) for value in found]
        within = set().union(*(frozen for _, frozen in links))
        if not within:
            return list(range(len(found)))
        hashed: set[int] = set()
        while within:
            hashed |= within
            within = {link for number in within for link in links[number][0]} - hashed
        first = [every if number in hashed else frozen for number, (every, frozen) in enumerate(links)]
        try:
            rows = {number: sorted(before) for number, before in enumerate(first)}
            return list(TopologicalSorter(rows).static_order())
        except CycleError:
            raise Refusal(
                CannotShip, "holds a frozenset that leads back to what holds it", "make it a set or a tuple"
            ) from None

    def _links(self, value: object) -> tuple[set[int], set[int]]:
        """Return the numbers of what a value leads to straight, and of those the ones within a frozenset."""
        every: set[int] = set()
        frozen: set[int] = set()
        pending = [(part, False) for _, part in parts_of(value)]
        while pending:
            part, within = pending.pop()
            number = self.numbers.get(id(part))
            if number is None:
                inside = within or type(part) is frozenset
                pending += [(each, inside) for _, each in parts_of(part)]
            else:
                every.add(number)
                frozen |= {number} if within else set()
        return every, frozen


def _shared_in(whole: object, root: object) -> list[object]:
    """Return what is met more than once, in the order of meeting; all but the object whose state this is."""
    met: dict[int, object] = {}
    again: set[int] = set()
    pending = [whole]
    while pending:
        value = pending.pop()
        if value is root and root is not None:
            continue
        if is_shared(value):
            if id(value) in met:
                again.add(id(value))
                continue
            met[id(value)] = value
        pending += [part for _, part in reversed(list(parts_of(value))) if type(part) not in PLAIN]
    return [value for key, value in met.items() if key in again]


def _with_cuts(whole: object, shared: list[object], root: object) -> list[object]:
    """Return what is shared, and what is as deep in it as half the limit: a ring may be longer than that."""
    if not shared:
        return shared
    found = list(shared)
    known = {id(value) for value in shared}
    pending = [(part, 1) for value in [whole, *shared] for _, part in parts_of(value)]
    while pending:
        value, depth = pending.pop()
        if type(value) in PLAIN or id(value) in known or (value is root and root is not None):
            continue
        if depth > DEPTH_LIMIT // 2 and is_shared(value):
            known.add(id(value))
            found.append(value)
            depth = 0
        pending += [(part, depth + 1) for _, part in parts_of(value)]
    return found


def _steps_to(target: object, whole: object) -> list[object]:
    """Return the steps from the whole to a shared value in it."""
    met: set[int] = set()
    pending: deque[tuple[object, tuple[object, ...]]] = deque([(whole, ())])
    while pending:
        value, steps = pending.popleft()
        if value is target:
            return list(steps)
        if id(value) not in met:
            met |= {id(value)} if is_shared(value) else set()
            pending += [(part, (*steps, step)) for step, part in parts_of(value) if type(part) not in PLAIN]
    return []
