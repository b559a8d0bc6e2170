"""Figures over objects, by group: made where the objects are, as a search gives them, exact whatever their order.

A field that an object lacks, or that is None, counts for nothing, as in SQL; as what to group by it is None.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from ...codec import encode
from ...context import Context
from ...errors import Invalid, LimitExceeded
from ...operations import Names, Wire
from ...query.order import sort_key
from ...results import GroupTable
from ..core import Core
from ..indexes.index_row import ABSENT
from .candidate import Candidate
from .column import Columns, check_field
from .figure import FUNCTIONS, Figure, identity, make_figure
from .judge import Errors
from .query import open_search
from .suggestion import note_search

GROUPS_LIMIT = 100_000
FIGURES_LIMIT = 100
"""Figures, and fields to group by, of one call."""
VALUES_LIMIT = 5_000_000
"""Values held at a time, for what cannot be told before all are there: medians, percentiles, deviations, distinct."""

Note = Callable[[int, str], None]
"""Told of each object (by number) whose value a figure cannot take, and why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One figure that is asked for: its name, its field ("": none), and what makes it."""

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
            table.add(len(page), await columns.of(page), partial(_note, errors, page))
    note_search(asked, "", time.perf_counter() - began)
    return {"groups": table.rows(), "scanned": asked.judge.scanned, "errors": errors.wire()}


def _note(errors: Errors, page: Sequence[Candidate], number: int, error: str) -> None:
    errors.add(page[number], error)


def make_table(values: Wire, by: Names | None) -> Table:
    """An empty table of the figures that are asked for. Raises Invalid."""
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
    """A figure as it is asked for: [function, field, …]. Raises Invalid."""
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
    """The groups so far. `fields`: what is to be known of each object."""

    def __init__(self, by: Sequence[str], wanted: Sequence[Wanted]) -> None:
        self._by = list(by)
        self._wanted = list(wanted)
        self.fields = list(dict.fromkeys([*by, *(each.field for each in wanted if each.field)]))
        self._place = {field: number for number, field in enumerate(self.fields)}
        self._held = 0
        self._groups: dict[tuple[Hashable, ...], Group] = {}
        if not by:
            self._group([])

    def add(self, size: int, columns: Sequence[Sequence[object]], note: Note) -> None:
        """So many objects, by the values that they have in each of the fields."""
        none = [ABSENT] * size
        keys = [columns[self._place[name]] for name in self._by]
        fields = [columns[self._place[each.field]] if each.field else none for each in self._wanted]
        for number in range(size):
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

    def rows(self) -> list[Wire]:
        """The groups in the order of their keys."""
        return [
            dict(zip(self._by, group.keys, strict=True))
            | {each.name: figure.result() for each, figure in zip(self._wanted, group.figures, strict=True)}
            for group in sorted(self._groups.values(), key=_order)
        ]


def _order(group: Group) -> list[tuple[bool, bytes, bytes]]:
    places = [(sort_key(key), key) for key in group.keys]
    return [(place is None, place or b"", encode(key)) for place, key in places]
