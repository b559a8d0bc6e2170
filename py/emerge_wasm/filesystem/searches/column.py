"""Read fields of many objects as code would see them: from their states or, for fields that a class computes (such as a
property), by the runner."""

from __future__ import annotations

from collections.abc import Sequence

from ...codec import decode
from ...errors import Invalid
from ...query.nested import NeedsCode, Nested
from ...query.row import Row
from ...query.shape import Shape
from ..core import Core
from ..indexes.index_row import ABSENT, value_of
from ..time_slice import TimeSlice
from .candidate import Candidate
from .evaluation import Evaluation, field_expression
from .judge import Errors


def check_field(field: str) -> str:
    """Return the name of a field, or several joined by dots. Raises Invalid for anything else."""
    if len(field) > 1000 or not all(part.isidentifier() for part in field.split(".")):
        raise Invalid(f"{field[:80]!r} is not the name of a field", remedy="such as unit_price, or address.city")
    return field


class Columns:
    """Reads some fields of many objects."""

    def __init__(self, core: Core, evaluation: Evaluation, errors: Errors, fields: Sequence[str]) -> None:
        self._core = core
        self._evaluation = evaluation
        self._errors = errors
        self._fields = [check_field(field) for field in fields]

    async def of(self, page: Sequence[Candidate]) -> list[list[object]]:
        """Return for each field the values of these objects; ABSENT where an object has none."""
        shapes = await self._evaluation.shapes({each.kind for each in page})
        rows = []
        time_slice = TimeSlice()
        for each in page:
            await time_slice.share()
            rows.append(self._row(each, shapes[each.kind]))
        return [await self._column(field, page, rows) for field in self._fields]

    def _row(self, candidate: Candidate, shape: Shape) -> Row:
        pointer = candidate.entry.wire(candidate.directory, self._core.node)
        return Row(pointer, candidate.state or b"\x80", shape)

    async def _column(self, field: str, page: Sequence[Candidate], rows: Sequence[Row]) -> list[object]:
        values: list[object] = []
        asked: list[int] = []
        why = ""
        for number, row in enumerate(rows):
            try:
                values.append(_data(_reach(row, field), page[number], field))
            except NeedsCode as error:
                values.append(ABSENT)
                asked.append(number)
                why = why or str(error)
        if asked:
            outcome = await self._evaluation.values(field_expression(field), [page[number] for number in asked], why)
            for row_number, number in enumerate(asked):
                raised = outcome.errors.get(row_number)
                if raised is None:
                    values[number] = outcome.values[row_number]
                elif not raised.startswith("AttributeError"):
                    self._errors.add(page[number], raised)
        return values


def _reach(row: Row, field: str) -> object:
    """Return the value of a field; ABSENT if there is none. Raises NeedsCode if its class computes it."""
    first, *rest = field.split(".")
    try:
        value = row.get(first)
        for part in rest:
            if isinstance(value, Nested):
                value = value.read(part)
            elif isinstance(value, dict) and part in value:
                value = value[part]
            else:
                return ABSENT
    except AttributeError:
        return ABSENT
    return value


_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


def _data(value: object, candidate: Candidate, field: str) -> object:
    """Return a value as the codec writes it: read anew from the state, where its instances are records."""
    if type(value) in _SCALARS or candidate.state is None:
        return value
    found = value_of(candidate.entry, decode(candidate.state), field)
    return value if found is ABSENT else found
