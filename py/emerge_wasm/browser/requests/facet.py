"""The values of a column of the page's tables, with counts, and the expression that finds what has such a value."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from keyword import iskeyword
from uuid import UUID

from ...codec import Record, Reference, show
from ...results import GroupTable
from ..protocol.argument import FacetArgs
from ..protocol.view import Facet, FacetList
from ..tab import Tab
from .table import ENUMS, LONGEST, PLAIN, predicate_of

FACETS = 100  # values of a column that are told, the most frequent first
WRITTEN = 1000  # characters of an expression


async def facets(tab: Tab, args: FacetArgs) -> FacetList:
    """Count the values of a field in all rows of a table, the most frequent first."""
    field = args["field"]
    asked = [args["path"], {"count": ["count"]}, [field], predicate_of(args)]
    table: GroupTable = await tab.find(args).call("aggregate", asked)
    among = [mark for mark in (None, True, False) if any(group[field] is mark for group in table["groups"])]
    found: dict[str, Facet] = {}
    for group in sorted(table["groups"], key=lambda group: -group["count"]):
        value = group[field]
        expression = expression_of(field, value, among)
        text = str(value) if isinstance(value, PLAIN) else show(value, ENUMS)
        each = found.setdefault(
            expression or text,
            {"text": f"{text[:LONGEST]}…" if len(text) > LONGEST else text, "count": 0, "expression": expression},
        )
        each["count"] += group["count"]
    told = sorted(found.values(), key=lambda facet: -facet["count"])
    return {"values": told[:FACETS], "distinct": len(told)}


def expression_of(field: str, value: object, among: Sequence[object] = ()) -> str:
    """Return an expression that is true of the objects whose field is equal to a value; "" where none can be written.

    `among` are those of None, True and False that other objects have there: what the expression must tell apart.
    No such expression runs code of a class.
    """
    first, *rest = field.split(".")
    if any(map(iskeyword, rest)):
        return ""
    read = ".".join([f"getattr(o, {first!r})" if iskeyword(first) else f"o.{first}", *rest])
    if value is None:
        return f"{read} is None" if rest else f"getattr(o, {first!r}, None) is None"
    expression = _compare(read, value, among)
    return expression if len(expression) <= WRITTEN else ""


def _compare(read: str, value: object, among: Sequence[object]) -> str:
    present = f"{read} is not None and " if None in among else ""
    if isinstance(value, bool):
        return f"{read} is {value}"
    if isinstance(value, Record):
        if (value.class_name, value.bundle) in ENUMS and [*value.fields] == ["name"]:
            return f"{present}{read}.name == {value.fields['name']!r}"
        return ""
    if isinstance(value, Reference):
        return f"{present}{read}.uuid == {value.uuid!r}"
    if isinstance(value, float) and math.isnan(value):
        return f"str({read}) == 'nan' and {read} != 'nan'"
    written = _write(value)
    if not written:
        return ""
    twin = bool(value) if isinstance(value, (int, float, Decimal)) and value in (0, 1) else None
    apart = "" if twin is None or not any(each is twin for each in among) else f" and {read} is not {twin}"
    return f"{read} == {written}{apart}"


def _write(value: object) -> str:
    """Write a value as expressions have it, where `datetime` and `decimal` are modules; "" if it cannot be."""
    kind = type(value)
    if kind in (int, str, bytes) or (kind is float and math.isfinite(value)):  # type: ignore[arg-type]
        return repr(value)
    if isinstance(value, float):
        return f"{'-' if value < 0 else ''}1e999"
    if isinstance(value, Decimal):
        return f"decimal.Decimal({str(value)!r})" if value.is_finite() else ""
    if isinstance(value, datetime):
        moment = value if value.utcoffset() is None else value.astimezone(UTC)
        return f"datetime.datetime.fromisoformat({moment.replace(fold=0).isoformat()!r})"
    if isinstance(value, date | time):
        return f"datetime.{kind.__name__}.fromisoformat({value.isoformat()!r})"
    if isinstance(value, timedelta):
        return f"datetime.timedelta({value.days}, {value.seconds}, {value.microseconds})"
    if isinstance(value, complex | UUID):
        return ""
    if isinstance(value, frozenset):
        inner = _write(set(value))
        return inner and f"frozenset({inner})"
    text = show(value)
    try:
        same = ast.literal_eval(text) == value
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    return text if same else ""
