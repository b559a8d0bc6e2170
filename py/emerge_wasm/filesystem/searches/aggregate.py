"""Aggregate the objects of a search by group, where they are stored; the results are exact in any order.

A field that is absent or None is ignored, as in SQL; as a group key it is None.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import count, islice

from ...codec import encode
from ...context import Context
from ...errors import Invalid, LimitExceeded
from ...operations import Names, Wire
from ...query.order import order_key
from ...results import GroupTable
from ..core import Core
from ..indexes.index_row import ABSENT
from ..time_slice import TimeSlice
from .candidate import Candidate
from .column import Columns, check_field
from .figure import FUNCTIONS, Figure, identity, make_figure
from .judge import Errors
from .query import open_search
from .suggestion import note_search

GROUPS_LIMIT = 100_000
FIGURES_LIMIT = 100
"""Most figures, and most fields to group by, of one call."""
VALUES_LIMIT = 5_000_000
"""Most values held at a time, for figures that need all of them: medians, percentiles, deviations, distinct."""

SORTED = 500
"""Groups that are sorted at once."""

Order = list[tuple[bool, bytes, bytes]]
Note = Callable[[int, str], None]
"""Called with the number of each object whose value a figure cannot take, and the reason."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requested figure: its name, its field ("": none) and its factory."""

    name: str
    field: str
    make: Callable[[], Figure]


@dataclass(slots=True)
class Group:
    keys: list[object]
    figures: list[Figure]


async def aggregate(
    core: Core,
    context: Context,
    path: str,
    values: Wire,
    by: Names | None,
    predicate: Wire | None,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> GroupTable:
    table = make_table(values, by)
    began = time.perf_counter()
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    errors = asked.judge.errors
    columns = Columns(core, asked.evaluation, errors, table.fields)
    async with aclosing(asked.fitting(await asked.plan())) as pages:
        async for page in pages:
            await table.add(len(page), await columns.of(page), partial(_note, errors, page))
    note_search(asked, "", time.perf_counter() - began)
    return {"groups": await table.rows(), "scanned": asked.judge.scanned, "errors": errors.wire()}


def _note(errors: Errors, page: Sequence[Candidate], number: int, error: str) -> None:
    errors.add(page[number], error)


def make_table(values: Wire, by: Names | None) -> Table:
    """Make an empty table of the requested figures.

    Raises:
        Invalid: a figure or a field cannot be read, or a name stands twice.
        LimitExceeded: there are too many figures or fields.
    """
    asked = max(len(values), len(by or []))
    if asked > FIGURES_LIMIT:
        raise LimitExceeded(
            f"{asked} figures or groups are asked for", remedy=f"at most {FIGURES_LIMIT} at a time", limit="figures"
        )
    names = [check_field(_text(name)) for name in by or []]
    wanted = [_read(name, asked) for name, asked in values.items()]
    if twice := {each.name for each in wanted} & set(names):
        raise Invalid(f"{min(twice)!r} is both a group and a figure", remedy="give the figure another name")
    return Table(names, wanted)


def _read(name: object, asked: object) -> Wanted:
    """Parse a requested figure: [function, field, …]. Raises Invalid."""
    if not isinstance(name, str) or not isinstance(asked, (list, tuple)) or not asked or asked[0] not in FUNCTIONS:
        raise Invalid(
            f"{name!r:.80} asks for no figure: {asked!r:.80}",
            remedy=f'write ["sum", "price"], ["count"] …: {", ".join(FUNCTIONS)}',
        )
    function, *arguments = asked
    if not arguments and function != "count":
        raise Invalid(f"{function} wants a field", remedy=f'write ["{function}", "price"]')
    field = check_field(_text(arguments[0])) if arguments else ""
    return Wanted(name, field, make_figure(function, list(arguments[1:])))


def _text(field: object) -> str:
    if not isinstance(field, str):
        raise Invalid(f"{field!r:.80} is not the name of a field")
    return field


class Table:
    """The groups so far. `fields`: the fields to read of each object."""

    def __init__(self, by: Sequence[str], wanted: Sequence[Wanted]) -> None:
        self._by = list(by)
        self._wanted = list(wanted)
        self.fields = list(dict.fromkeys([*by, *(each.field for each in wanted if each.field)]))
        self._place = {field: number for number, field in enumerate(self.fields)}
        self._held = 0
        self._groups: dict[tuple[Hashable, ...], Group] = {}
        if not by:
            self._group([])

    async def add(self, size: int, columns: Sequence[Sequence[object]], note: Note) -> None:
        """Add `size` objects by their values in each of the fields."""
        none = [ABSENT] * size
        keys = [columns[self._place[name]] for name in self._by]
        fields = [columns[self._place[each.field]] if each.field else none for each in self._wanted]
        time_slice = TimeSlice()
        for number in range(size):
            await time_slice.share()
            group = self._group([None if column[number] is ABSENT else column[number] for column in keys])
            for wanted, figure, column in zip(self._wanted, group.figures, fields, strict=True):
                if not wanted.field or (column[number] is not ABSENT and column[number] is not None):
                    self._count(wanted, figure, column[number], number, note)
        if self._held > VALUES_LIMIT:
            raise LimitExceeded(
                f"these figures need more than {VALUES_LIMIT} values at a time",
                remedy="narrow it down with a predicate or a path",
                limit="values",
            )

    def _count(self, wanted: Wanted, figure: Figure, value: object, number: int, note: Note) -> None:
        before = figure.held
        try:
            figure.add(value)
            self._held += figure.held - before
        except TypeError as error:
            note(number, f"TypeError: {wanted.name}: {error}")

    def _group(self, keys: list[object]) -> Group:
        mark = tuple(map(identity, keys))
        group = self._groups.get(mark)
        if group is None:
            if len(self._groups) >= GROUPS_LIMIT:
                raise LimitExceeded(
                    f"there are more than {GROUPS_LIMIT} groups", remedy="group by less", limit="groups"
                )
            group = self._groups[mark] = Group(keys, [each.make() for each in self._wanted])
        return group

    async def rows(self) -> list[Wire]:
        """Return the groups in the order of their keys."""
        time_slice, rows = TimeSlice(), list[Wire]()
        for group in await self._sorted(time_slice):
            await time_slice.share()
            rows.append(
                dict(zip(self._by, group.keys, strict=True))
                | {each.name: figure.result() for each, figure in zip(self._wanted, group.figures, strict=True)}
            )
        return rows

    async def _sorted(self, time_slice: TimeSlice) -> list[Group]:
        """Sort the groups a few at a time, and merge them: sorting all of them at once would hold the loop."""
        left, parts = iter(self._groups.values()), list[list[tuple[Order, int, Group]]]()
        number = count()
        while some := [(_order(group), next(number), group) for group in islice(left, SORTED)]:
            parts.append(sorted(some))
            await time_slice.share()
        merged = list[Group]()
        for *_, group in merge(*parts):
            merged.append(group)
            await time_slice.share()
        return merged


def _order(group: Group) -> Order:
    places = [(order_key(key), key) for key in group.keys]
    return [(place is None, place or b"", encode(key)) for place, key in places]
