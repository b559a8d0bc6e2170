"""Requests of the page's tables: rows by field, and the cursors of their pages.

A table shows the entries of a directory, or what a search finds in it or below it. No shipped code is loaded for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from time import perf_counter
from typing import NamedTuple
from uuid import UUID

from ...bundles import ClassForms
from ...bundles.description import FieldDescription
from ...clients.searches import wire_predicate
from ...codec import Record, decode, show
from ...errors import EmergeError
from ...objects import DIRECTORY, METADATA
from ...operations import Wire
from ...results import (
    EntryPage,
    IndexRows,
    ObjectPage,
    PageTable,
    PointerRow,
    PrincipalInfo,
    SearchErrors,
    SearchPage,
    SearchPages,
)
from ..places.place import TabPlace
from ..protocol.argument import IndexArgs, PagesArgs, RowsArgs, TableArgs
from ..protocol.view import IndexView, TableClass, TablePage, TablePages, TableRow
from ..tab import Tab
from .class_view import describe_class
from .right import may_write
from .sparkline import sparkline

LONGEST = 120  # characters of a value in a cell
PLAIN = (date, time, timedelta, Decimal, UUID, PurePath)
"""Values that are shown as their text, not as Python writes them."""
WIDEST = 24  # fields of a row, beside those that are asked for
LARGE = 200  # items of a container that is only counted
CLASSES = 1000  # classes whose fields are kept


class Declared(NamedTuple):
    """What a class declares: its fields, and which of them are members of enumerations, or None."""

    fields: Sequence[FieldDescription] = ()
    enums: frozenset[str] = frozenset()


_DECLARED: dict[str, Declared] = {}
"""Of classes by bundle, which never change."""

ENUMS: set[tuple[str, str]] = set()
"""The names and bundles of the enumerations that these classes name."""

Listed = tuple[PointerRow, bytes]
"""A pointer and its encoded state, b"" for none."""


async def rows(tab: Tab, args: RowsArgs) -> TablePage:
    """Read a page of a table."""
    place, started = tab.find(args), perf_counter()
    page: SearchPage | EntryPage
    errors: SearchErrors = {"count": 0, "first": []}
    scanned = 0
    if is_listing(args):
        page, found = await _listed(place, args)
    else:
        page = searched = await _search(place, args)
        found = [(row["pointer"], row["state"]) for row in searched["objects"]]
        errors, scanned = searched["errors"], searched["scanned"]
    states = [_read(state) for _, state in found]
    classes = await _classes(place, [pointer for pointer, _ in found], states)  # first: cells name their enumerations
    return {
        "rows": [_row(pointer, state, args["fields"]) for (pointer, _), state in zip(found, states, strict=True)],
        "classes": classes,
        "cursor": page["cursor"],
        "scanned": scanned,
        "errors": errors,
        "missing": page.get("missing", []),
        "stale": page.get("stale", ""),
        "milliseconds": (perf_counter() - started) * 1000,
    }


async def pages(tab: Tab, args: PagesArgs) -> TablePages:
    """Count the rows of a table, and tell the cursor of each page; none where only the one before tells it."""
    place, limit = tab.find(args), args["limit"]
    if is_listing(args):
        table: PageTable = await place.call("pages", [args["path"], limit])
        return {**table, "scanned": 0, "errors": {"count": 0, "first": []}}
    asked = [args["path"], predicate_of(args), args["order"], args["descending"], limit]
    found: SearchPages = await place.call("searchpages", asked)
    return {
        "count": found["count"],
        "cursors": found["cursors"],
        "scanned": found["scanned"],
        "errors": found["errors"],
    }


async def index(tab: Tab, args: IndexArgs) -> IndexView:
    """Tell of the index that an order by a field walks, and whether the user may have one made; make it, if asked."""
    place, path, field = tab.find(args), args["path"], args["field"]
    defined: IndexRows = await place.call("index", [path, [field] if args["make"] else None])
    who: PrincipalInfo = await place.call("whoami", [])
    may = may_write(who, await place.call("get", [path]))
    for row in defined:
        if (
            row["fields"] == [field]
            and not row["text"]
            and row["state"] != "suggested"
            and f"{path.rstrip('/')}/".startswith(f"{row['path'].rstrip('/')}/")
        ):
            return {
                "state": row["state"],
                "done": row["done"],
                "total": row["total"],
                "error": row["error"],
                "may": may,
            }
    return {"state": "", "done": 0, "total": 0, "error": "", "may": may}


def is_listing(args: TableArgs) -> bool:
    """Whether the entries themselves are asked for, by name, directories among them."""
    return args["inside"] and not args["text"].strip() and not args["order"]


def predicate_of(args: TableArgs) -> Wire | None:
    """Return what the objects of a table fulfil: the expression, and, for one of a directory, to be in it."""
    text = args["text"].strip()
    if "\n" in text or (text and args["inside"]):
        text = f"(\n{text}\n)"
    if args["inside"]:
        text = f"o.path == {args['path']!r}" + (f" and {text}" if text else "")
    return wire_predicate(text or None)[0]


async def _search(place: TabPlace, args: RowsArgs) -> SearchPage:
    asked = [args["path"], predicate_of(args), args["order"], args["descending"], args["limit"], args["cursor"]]
    page: SearchPage = await place.call("search", asked)
    return page


async def _listed(place: TabPlace, args: RowsArgs) -> tuple[EntryPage, list[Listed]]:
    """Return a page of a directory, with the states of its objects."""
    path, cursor, limit = args["path"], args["cursor"], args["limit"]
    page: EntryPage = await place.call("list", [path, cursor, limit])
    states: dict[str, bytes] = {}
    last = page["entries"][-1]["name"] if page["entries"] else ""
    while any(entry["type"] != DIRECTORY and entry["uuid"] not in states for entry in page["entries"]):
        objects: ObjectPage = await place.call("objects", [path, cursor, limit])
        states |= {row["pointer"]["uuid"]: row["state"] for row in objects["objects"]}
        cursor = objects["cursor"]
        if not cursor or cursor >= last:
            break
    return page, [(entry, states.get(entry["uuid"], b"")) for entry in page["entries"]]


def _read(state: bytes) -> dict[str, object]:
    """Decode a state; one that cannot be read shows no fields."""
    try:
        fields = decode(state) if state else {}
    except EmergeError:
        return {}
    return {name: value for name, value in fields.items() if name not in METADATA} if isinstance(fields, dict) else {}


def _row(pointer: PointerRow, state: dict[str, object], wanted: Sequence[str]) -> TableRow:
    shown = {name: state[name] for name in list(state)[:WIDEST]}
    shown |= {name: found[0] for name in wanted if (found := _reach(state, name))}
    return {
        "pointer": pointer,
        "cells": {name: _cell(value) for name, value in shown.items()},
        "series": {name: points for name, value in shown.items() if (points := sparkline(value))},
        "away": pointer.get("missing", ""),
    }


def _reach(state: dict[str, object], name: str) -> list[object]:
    """Return the value of a field, or of several joined by dots, as an order may name it; nothing if there is none."""
    if name in state:
        return [state[name]]
    value: object = state
    for part in name.split("."):
        fields = value.fields if isinstance(value, Record) else value
        if not isinstance(fields, dict) or part not in fields:
            return []
        value = fields[part]
    return [value]


def _cell(value: object) -> str:
    """Return a value as a cell shows it: texts and days as such, all else as Python has it, none at length."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, PLAIN):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value):,} bytes"
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > LARGE:
        return f"{type(value).__name__} of {len(value):,}"
    text = value if isinstance(value, str) else show(value, ENUMS)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


async def _classes(
    place: TabPlace, pointers: Sequence[PointerRow], states: Sequence[dict[str, object]]
) -> list[TableClass]:
    """Tell the classes of a page's objects, the most frequent first, with their fields: as declared, then what else the
    objects have."""
    known: dict[str, TableClass] = {}
    count = Counter(pointer["class_name"] for pointer in pointers)
    types: dict[tuple[str, str], list[str]] = {}
    for pointer, state in zip(pointers, states, strict=True):
        if pointer["type"] == DIRECTORY:
            continue
        name = pointer["class_name"]
        told = known.get(name)
        if told is None or pointer["bundle"] not in _DECLARED:
            declared = await _declared(place, pointer["bundle"])
            fields = {field["name"]: field["annotation"] for field in declared.fields if field["name"] not in METADATA}
            told = known[name] = {
                "name": name,
                "fields": {**(told["fields"] if told else {}), **fields},
                "enums": sorted(declared.enums.union(told["enums"] if told else ())),
            }
        for field, value in list(state.items())[:WIDEST]:
            if field not in told["fields"]:
                types[name, field] = []
            if (found := types.get((name, field))) is not None and type(value).__name__ not in found:
                found.append(type(value).__name__)  # nobody has declared it
                told["fields"][field] = " | ".join(sorted(found))
    return sorted(known.values(), key=lambda told: -count[told["name"]])


async def _declared(place: TabPlace, bundle: str) -> Declared:
    """Return what a class declares; nothing of one that is nowhere to be had."""
    if bundle not in _DECLARED:
        try:
            described = await describe_class(place, bundle)
        except EmergeError:
            return Declared()
        if described.lacking:  # it may be there later
            return Declared(described.fields)
        if len(_DECLARED) >= CLASSES:
            _DECLARED.clear()
            ENUMS.clear()
        forms = described.forms
        named = {key for key, form in forms.forms.items() if form.kind == "choice" and form.bundle}
        ENUMS.update((forms.forms[key].name, forms.forms[key].bundle) for key in named)
        _DECLARED[bundle] = Declared(
            described.fields, frozenset(name for name in forms.fields if _is_enum(forms, name))
        )
    return _DECLARED[bundle]


def _is_enum(forms: ClassForms, field: str) -> bool:
    form = forms.forms[forms.fields[field]]
    parts = [forms.forms[key] for key in form.of] if form.kind == "union" else [form]
    held = [part for part in parts if part.name != "None"]
    return bool(held) and all(part.kind == "choice" and part.bundle for part in held)
