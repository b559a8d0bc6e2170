"""Makes the view of an object from its state and its bundle's description; never runs its code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal, TypedDict

from ...bundles import describe, parse, source_of
from ...bundles.bundle import Bundle
from ...bundles.description import FieldDescription
from ...bundles.needed_python import PYTHON, version_of, version_text, why_newer
from ...codec import decode, read_literal, show
from ...errors import Invalid
from ...objects import METADATA
from ...results import ObjectRow
from ..places.place import TabPlace
from ..protocol import EditKind, FieldView, MethodView, ObjectView

TEXT_LONG = 60  # characters above which a text is edited on several lines
SHOWN = 100_000  # characters above which a value is cut and cannot be edited
KINDS: dict[str, EditKind] = {
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
    "date": "date",
    "datetime": "datetime",
}
TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "date": date, "datetime": datetime}


class ClassView(TypedDict):
    """The part of a view that describes the class."""

    doc: str
    fields: Sequence[FieldDescription]
    methods: list[MethodView]
    source: str
    runs: Literal["anywhere", "node", "nowhere"]
    newer: str


NO_CLASS: ClassView = {"doc": "", "fields": [], "methods": [], "source": "", "runs": "nowhere", "newer": ""}


async def make_view(place: TabPlace, path: str, version: int) -> ObjectView:
    """Make the view of the object at a path; `version` 0 is the newest."""
    found: ObjectRow = await place.call("getobject", [path, version])
    described = await describe_class(place, found["pointer"]["bundle"])
    return {
        "where": place.name,
        "pointer": found["pointer"],
        "doc": described["doc"],
        "fields": make_fields(described["fields"], decode(found["state"]) if found["state"] else {}),
        "methods": described["methods"],
        "source": described["source"],
        "runs": described["runs"],
        "newer": described["newer"],
        "stale": found.get("stale", ""),
    }


async def describe_class(place: TabPlace, bundle: str) -> ClassView:
    """Describe the class with this bundle; "" stands for plain state without a class."""
    if not bundle:
        return NO_CLASS
    found = await place.reader.fetch_bundles(bundle)
    parsed = parse(found[bundle], bundle)
    described = describe(parsed, found.get)
    return {
        "doc": described["doc"],
        "fields": described["fields"],
        "methods": [
            {"name": row["name"], "signature": row["signature"], "doc": row["doc"], "kind": row["kind"]}
            for row in described["methods"]
        ],
        "source": source_of(parsed, found.get),
        "runs": parsed.where,
        "newer": _tell_newer(place, map(parse, found.values())),
    }


def _tell_newer(place: TabPlace, bundles: Iterable[Bundle]) -> str:
    """Say why a class needs a newer Python than its place has; "" if it does not."""
    have = max(map(version_of, place.pythons), default=PYTHON)
    newest = max(bundles, key=lambda bundle: bundle.content.grammar)
    if newest.content.grammar <= have:
        return ""
    return f"Python {version_text(have)} is there, and {why_newer(newest, have)[1]}"


async def read_changes(
    place: TabPlace, path: str, version: int, texts: dict[str, str]
) -> tuple[Sequence[FieldDescription], dict[str, object]]:
    """Parse the texts of fields into values; return them with the fields of the class.

    Raises:
        Invalid: a text does not fit its field, which is named.
    """
    found: ObjectRow = await place.call("getobject", [path, version])
    declared = (await describe_class(place, found["pointer"]["bundle"]))["fields"]
    kinds = {field["name"]: field["kind"] for field in make_fields(declared, decode(found["state"]))}
    return declared, {name: _read(kinds.get(name, "literal"), name, text) for name, text in texts.items()}


def _read(kind: EditKind, name: str, text: str) -> object:
    if kind in ("str", "text"):
        return text
    if kind == "fixed":
        raise Invalid(f"{name} cannot be edited as text", remedy="change it from a cell")
    try:
        value = read_literal(text)
    except Invalid as error:
        raise Invalid(f"{name}: {error.message}", remedy=error.remedy) from None
    return float(value) if kind == "float" and type(value) is int else _check(kind, name, value)


def _check(kind: EditKind, name: str, value: object) -> object:
    wanted = TYPES.get(kind)
    if wanted is not None and value is not None and type(value) is not wanted:
        raise Invalid(f"{name} is {kind}, not {type(value).__name__}", remedy=f"write a {kind}")
    return value


def make_fields(declared: Sequence[FieldDescription], state: dict[str, object]) -> list[FieldView]:
    """Make the views of fields in the class's order, then of the state's other attributes."""
    known = {field["name"]: field for field in declared if field["name"] not in METADATA}
    names = [*known, *(name for name in state if name not in known and name not in METADATA)]
    return [_field(name, known.get(name), state.get(name)) for name in _ordered(names)]


BASE = ("id", "data")
"""Fields that every object has; shown last, since they are rarely of interest."""


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: BASE.index(name) + 1 if name in BASE else 0)


def _field(name: str, declared: FieldDescription | None, value: object) -> FieldView:
    annotation = declared["annotation"] if declared else ""
    kind = _kind(annotation, value)
    text = str(value) if kind in ("str", "text") else show(value)
    if len(text) > SHOWN:
        kind, text = "fixed", f"{text[:SHOWN]}… ({len(text):,} characters)"
    return {"name": name, "annotation": annotation, "kind": kind, "text": text}


def _kind(annotation: str, value: object) -> EditKind:
    """Return how to edit a value: by its type, and by its annotation where the two agree."""
    if type(value) is int and annotation == "float":
        return "float"
    if isinstance(value, str):
        return "text" if len(value) > TEXT_LONG or "\n" in value else "str"
    return KINDS.get(type(value).__name__) or ("literal" if _is_readable(value) else "fixed")


def _is_readable(value: object) -> bool:
    """Return whether a value's literal text reads back as the same value."""
    text = show(value)
    if len(text) > SHOWN:
        return False
    try:
        return bool(read_literal(text) == value)
    except Invalid:
        return False
