"""What is exported comes in again as it was, or the export says of the field that it will not; and nothing in a file of
others is read as what it is not."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.clients.exchange.cell import write_cell
from emerge_wasm.clients.exchange.exporter import ExportReport, export_rows, make_row
from emerge_wasm.clients.exchange.kind import KINDS, kind_of
from emerge_wasm.clients.exchange.loader import ColumnPlan, ImportPlan, make_objects, plan_import
from emerge_wasm.clients.exchange.sheet import DELIMITERS, FORMATS, Format, read_sheet
from emerge_wasm.codec import Reference, decode, encode
from emerge_wasm.codec.value import Record
from emerge_wasm.errors import Invalid

NASTY = [
    "",
    " x ",
    "=1+1",
    "+7",
    "-7",
    "@a",
    "nan",
    "NaN",
    "inf",
    "null",
    "None",
    "True",
    "007",
    "1e5",
    "12",
    "2026-05-01",
]
NASTY += ["2026-05-01", "2026-05-01 12:30", '"', '"a"', "[1", "a,b;c\td", "a\nb\r\nc", "é🙂", "\x00", "{}", "\u2028"]
TEXT = st.sampled_from(NASTY) | st.text(max_size=8)
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers() | st.integers(2**53, 2**70),
    st.floats(),
    TEXT,
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.builds(Reference, st.uuids().map(str)),
    st.builds(lambda n: Record("Colour", "b" * 64, {"name": n, "value": 1}), st.sampled_from(["RED", "BLUE"])),
    st.builds(lambda x: Record("Line", "c" * 64, {"amount": x}), st.integers()),
)
VALUE = st.recursive(
    LEAF, lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT, each, max_size=3), max_leaves=5
)
MIXED = st.dictionaries(st.sampled_from("abcd"), VALUE, max_size=4)
EVEN = st.sampled_from([st.dates(), st.datetimes(timezones=ZONES), st.floats(), TEXT, st.booleans(), st.integers()])
"""A column whose cells are all of one kind."""


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The states of some objects: one field is of one kind, the others are anything."""
    column = draw(EVEN)
    return [{**row, "even": draw(column)} for row in draw(st.lists(MIXED, min_size=1, max_size=5))]


def same(one: object, other: object) -> bool:
    """Whether two values are the same, in their types, too."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one == other and one.tzinfo == other.tzinfo and one.utcoffset() == other.utcoffset()
    return one == other


def written(states: list[dict[str, Any]], format: Format) -> tuple[str, ExportReport]:
    async def rows() -> AsyncIterator[dict[str, object]]:
        for number, state in enumerate(states):
            yield make_row("in/side", f"n{number}", state)

    out = io.StringIO(newline="")
    report = asyncio.run(export_rows(rows(), out, format))
    return out.getvalue(), report


def read(text: str, format: Format | str = "") -> list[dict[str, Any]]:
    sheet = read_sheet(text, format)  # type: ignore[arg-type]
    made = list(make_objects(sheet, plan_import(sheet), "/d"))
    assert not [each for each in made if isinstance(each, Invalid)], made
    assert [(each.directory, each.name) for each in made] == [("/d/in/side", f"n{n}") for n in range(len(made))]
    return [{name: value for name, value in each.state.items() if name not in ("id", "data")} for each in made]


@given(states=tables())
def test_what_is_exported_is_read_as_it_was_or_said_to_be_lost(states: list[dict[str, Any]]) -> None:
    states = [decode(encode(state)) for state in states]
    for format in FORMATS:
        text, report = written(states, format)
        text.encode()
        assert report.count == len(states)
        for before, after in zip(states, read(text, format), strict=True):
            assert after.keys() == before.keys()
            for name in before:
                assert same(before[name], after[name]) or name in report.told(), (name, before[name], after[name])


@pytest.mark.parametrize("format", ["json", "jsonl", "csv"])
def test_long_values_come_in_again(format: Format) -> None:
    text, report = written([{"long": "x" * 200_000, "digits": 10**4000, "more": 1 << 20_000}], format)
    assert read(text, format) == [{"long": "x" * 200_000, "digits": 10**4000, "more": hex(1 << 20_000)}]
    assert report.told() == {"more": "a number of many digits as text"}


@given(TEXT)
def test_no_cell_is_a_formula(text: str) -> None:
    assert not write_cell(text).startswith(("=", "+", "-", "@", "\t", "\r")) or text == ""


@given(st.lists(st.lists(TEXT.filter(lambda text: "\x00" not in text), min_size=3, max_size=3), min_size=2, max_size=5))
def test_cells_of_others_are_read_as_they_stand(rows: list[list[str]]) -> None:
    for delimiter in (",", ";", "\t", "|"):
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=delimiter).writerows([["a", "b", "c"], *rows])
        sheet = read_sheet(out.getvalue(), "csv", delimiter=delimiter)
        assert [[row.get(name, "") for name in "abc"] for row in sheet.rows] == rows
        for row in sheet.rows:
            for name, cell in row.items():
                assert sheet.read("text", cell) in (cell, cell and _json(str(cell)))
                sheet.read(sheet.kinds[name], cell)  # what was guessed can be read


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "", "nan"], "number"),
        (["007", "8"], "value"),
        (["2026-05-01", "2026-06-30", ""], "date"),
        (["2026-05-01 10:00", "2026-05-01T10:00:00Z"], "datetime"),
        (["2026-05-01", "soon"], "value"),
        (["2026-13-45"], "value"),
        (["True", "FALSE"], "bool"),
        (["null", ""], "value"),
        (["Null", "Smith"], "value"),
    ],
)
def test_the_kind_of_a_column_is_guessed(cells: list[str], kind: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["name", "x"], *([str(n), cell] for n, cell in enumerate(cells))])
    assert read_sheet(out.getvalue()).kinds["x"] == kind


@pytest.mark.parametrize(
    ("annotation", "cell", "value"),
    [
        ("int", "0x1f", 31),
        ("float", "3", 3.0),
        ("float | None", "null", None),
        ("str", "null", "null"),
        ("Optional[str]", "null", None),
        ("str", "12", "12"),
        ("datetime.date", "2026-05-01", date(2026, 5, 1)),
        ("time", "12:30", time(12, 30)),
        ("Decimal", "1.10", Decimal("1.10")),
        ("UUID", "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        ("bytes", "AQI=", b"\x01\x02"),
        ("list[int]", "[1, 2]", [1, 2]),
        ("tuple[int, ...]", "[1, 2]", (1, 2)),
        ("set[str]", '["a"]', {"a"}),
        ("dict[str, int]", '{"a": 1}', {"a": 1}),
        ("int | str", "x", "x"),
    ],
)
def test_a_field_is_read_by_its_annotation(annotation: str, cell: str, value: object) -> None:
    sheet = (
        read_sheet(f"name\tx\na\t{cell}\n", "csv", delimiter="\t") if '"' not in cell else read_sheet("name\na", "csv")
    )
    assert same(sheet.read(kind_of(annotation), cell), value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("value", "text", "text or null")])
def test_what_is_not_of_a_kind_is_refused_with_its_place(kind: str) -> None:
    sheet = read_sheet("name,x\na,}{\nb,\n", "csv")
    plan = ImportPlan([ColumnPlan("name", "name", "text"), ColumnPlan("x", "x", kind)])
    first, second = make_objects(sheet, plan, "/")
    assert isinstance(first, Invalid) and first.message.startswith("line 2: x: ") and first.remedy
    assert not isinstance(second, Invalid) and second.name == "b"


def test_one_map_is_one_row_and_lines_are_told_from_a_list() -> None:
    assert read_sheet('{"name": "n0", "path": "in/side", "x": 1}').format == "json"
    assert read('{"name": "n0", "path": "in/side",\n "x": 1}') == [{"x": 1}]
    assert read_sheet('{"name": "a"}\n\n{"name": "b"}\n').format == "jsonl"
    assert read_sheet("\ufeff a;b;c\n1;2;3\n").delimiter == ";"
    with pytest.raises(Invalid, match="line 2 of the file is not JSON"):
        read_sheet('{"name": "a"}\n{"name": \n', "jsonl")


CELLS = {
    "number": st.integers(-999, 999).map(str) | st.floats(0.5, 9.5).map(str),
    "bool": st.sampled_from(["true", "False"]),
    "date": st.dates().map(date.isoformat),
}


@given(st.sampled_from([*CELLS]), st.sampled_from(["n/a", "12.05.2026", "-"]), st.integers(1, 2), st.data())
def test_the_few_cells_that_are_not_as_all_others_are_told(
    kind: str, bad: str, count: int, data: st.DataObject
) -> None:
    """By row; nothing is left out for that, until the column is read as what the others are."""
    cells = data.draw(st.lists(CELLS[kind], min_size=10 * count, max_size=30))
    for _ in range(count):
        cells.insert(data.draw(st.integers(0, len(cells))), bad)
    sheet = read_sheet("name,x\n" + "".join(f"r{number},{cell}\n" for number, cell in enumerate(cells)))
    odd = sheet.odd["x"]
    assert (sheet.kinds["x"], odd.kind, odd.number, odd.text) == ("value", kind, count, bad)
    assert sheet.places[odd.row] == f"line {cells.index(bad) + 2}"
    plan = ImportPlan([ColumnPlan("name", "name", "text"), ColumnPlan("x", "x", kind)])
    refused = [each for each in make_objects(sheet, plan, "/") if isinstance(each, Invalid)]
    assert len(refused) == count and refused[0].message.startswith(sheet.places[odd.row])
    rest = [cell for cell in cells if cell != bad]
    assert not read_sheet("name,x\n" + "".join(f"r{number},{cell}\n" for number, cell in enumerate(rest))).odd


def test_a_column_of_several_kinds_has_no_odd_cells() -> None:
    assert not read_sheet("x\n1\n2\na\nb\n").odd
    assert not read_sheet("x\na\nb\n").odd


WORDS = st.text('ab;,\t|"\n .', max_size=4).map(str.strip)


@given(
    st.lists(WORDS, min_size=2, max_size=6),
    st.lists(st.lists(WORDS, min_size=1, max_size=8), max_size=8),
    st.sampled_from([*DELIMITERS]),
)
def test_tables_that_people_make_are_read_row_by_row(names: list[str], lines: list[list[str]], delimiter: str) -> None:
    """Cells that are lacking at the end are empty; only a line with too many is refused, and told."""
    if not any(names):
        return
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([names, *lines])
    sheet = read_sheet(out.getvalue(), "csv", delimiter=delimiter, lenient=True)
    assert len(set(sheet.columns)) == len(names) and all(sheet.columns)
    wanted = [name for name in names if name and names.count(name) == 1]
    assert [name for name in sheet.columns if name in wanted] == wanted
    rows = [cells for cells in lines if any(cells)]
    assert len(sheet.rows) == len(rows)
    plan = ImportPlan([ColumnPlan(name, f"f{at}", "text") for at, name in enumerate(sheet.columns)], numbered=True)
    objects = make_objects(sheet, plan, "/")
    for cells, row, place, made in zip(rows, sheet.rows, sheet.places, objects, strict=True):
        if any(cells[len(names) :]):
            assert isinstance(made, Invalid) and made.message.startswith(place), made
            assert f"{len(cells)} cells" in made.message and f"{len(names)} columns" in made.message
        else:
            assert not isinstance(made, Invalid), made
            assert row == {name: cell for name, cell in zip(sheet.columns, cells, strict=False) if cell}
            assert {name for name in made.state if name.startswith("f")} == {
                f"f{at}" for at, cell in enumerate(cells[: len(names)]) if cell
            }
    if any(len(cells) != len(names) for cells in rows):
        with pytest.raises(Invalid):
            read_sheet(out.getvalue(), "csv", delimiter=delimiter)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=8), st.booleans(), st.sampled_from(";\t|"))
def test_numbers_may_have_a_comma_where_cells_are_separated_by_something_else(
    cents: list[int], grouped: bool, delimiter: str
) -> None:
    def write(value: int) -> str:
        text = f"{abs(value) // 100:,}" if grouped else str(abs(value) // 100)
        return f"{'-' if value < 0 else ''}{text.replace(',', '.')},{abs(value) % 100:02}"

    lines = "".join(f"r{number}{delimiter}{write(value)}\n" for number, value in enumerate(cents))
    sheet = read_sheet(f"name{delimiter}x\n{lines}", lenient=True)
    assert (sheet.delimiter, sheet.kinds["x"]) == (delimiter, "comma number")
    assert [sheet.read(sheet.kinds["x"], row["x"]) for row in sheet.rows] == [value / 100 for value in cents]
    assert read_sheet('name,x\na,"1,5"\n').kinds["x"] == "value"  # it may be a thousand and five


def test_what_is_no_number_among_those_with_a_comma_is_told() -> None:
    cells = [*(f"{number},5" for number in range(20)), "7", "1.5"]
    sheet = read_sheet("x;y\n" + "".join(f"{cell};a\n" for cell in cells), lenient=True)
    assert sheet.kinds["x"] == "comma number" and sheet.read("comma number", "7") == 7
    with pytest.raises(Invalid, match=r"1\.5.*comma"):
        sheet.read("comma number", "1.5")
