"""What the page shows of one object, made from its state and its bundle's description; its code is never run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ...bundles import describe, parse, source_of
from ...codec import decode, read_literal, show
from ...errors import Invalid
from ...objects import METADATA

if TYPE_CHECKING:
    from ..places.place import Place

Message = dict[str, Any]

METHOD = ("name", "signature", "doc", "kind")
TEXT_LONG = 60  # characters, from which on a text gets a field of several lines
SHOWN = 100_000  # characters of a value; longer ones are shown cut, and not edited
KINDS = {"bool": "bool", "int": "int", "float": "float", "str": "str", "date": "date", "datetime": "datetime"}


async def make_view(place: Place, path: str, version: int) -> Message:
    """The ObjectView of web/protocol.ts."""
    wire = await place.call("getobject", [path, version])
    described = await describe_class(place, wire["pointer"]["bundle"])
    return {
        "where": place.name,
        "pointer": wire["pointer"],
        "doc": described["doc"],
        "fields": make_fields(described, decode(wire["state"]) if wire["state"] else {}),
        "methods": [{key: row[key] for key in METHOD} for row in described["methods"]],
        "source": described["source"],
        "runs": described["runs"],
    }


async def describe_class(place: Place, bundle: str) -> Message:
    """doc, fields, methods, source and where it runs, of the class with this bundle ("": plain state)."""
    if not bundle:
        return {"doc": "", "fields": [], "methods": [], "source": "", "runs": "nowhere"}
    found = await place.reader.fetch_bundles(bundle)
    parsed = parse(found[bundle], bundle)
    described = describe(parsed, found.get)
    return {**described, "source": source_of(parsed, found.get), "runs": parsed.content.where}


async def read_changes(place: Place, path: str, version: int, texts: dict[str, str]) -> tuple[Message, dict[str, Any]]:
    """The class's description, and the values that these texts stand for. Invalid names the field at fault."""
    wire = await place.call("getobject", [path, version])
    described = await describe_class(place, wire["pointer"]["bundle"])
    fields = {field["name"]: field for field in make_fields(described, decode(wire["state"]))}
    return described, {name: _read(fields.get(name), name, text) for name, text in texts.items()}


def _read(field: Message | None, name: str, text: str) -> Any:
    kind = field["kind"] if field else "literal"
    if kind in ("str", "text"):
        return text
    if kind == "fixed":
        raise Invalid(f"{name} cannot be edited as text", remedy="change it from a cell")
    try:
        value = read_literal(text)
    except Invalid as error:
        raise Invalid(f"{name}: {error.message}", remedy=error.remedy) from None
    return float(value) if kind == "float" and type(value) is int else _check(kind, name, value)


def _check(kind: str, name: str, value: Any) -> Any:
    wanted = {"bool": bool, "int": int, "float": float, "date": date, "datetime": datetime}.get(kind)
    if wanted is not None and value is not None and type(value) is not wanted:
        raise Invalid(f"{name} is {kind}, not {type(value).__name__}", remedy=f"write a {kind}")
    return value


def make_fields(described: Message, state: dict[str, Any]) -> list[Message]:
    """The fields in the class's order, then the state's other attributes."""
    known = {field["name"]: field for field in described["fields"] if field["name"] not in METADATA}
    names = [*known, *(name for name in state if name not in known and name not in METADATA)]
    return [_field(name, known.get(name, {}), state) for name in _ordered(names)]


BASE = ("id", "data")
"""Fields that every object has come last: they are rarely what one looks for."""


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: BASE.index(name) + 1 if name in BASE else 0)


def _field(name: str, known: Message, state: dict[str, Any]) -> Message:
    annotation = str(known.get("annotation", ""))
    value = state.get(name)
    kind = _kind(annotation, value)
    text = str(value) if kind in ("str", "text") else show(value)
    if len(text) > SHOWN:
        kind, text = "fixed", f"{text[:SHOWN]}… ({len(text):,} characters)"
    return {"name": name, "annotation": annotation, "kind": kind, "text": text, "doc": str(known.get("doc", ""))}


def _kind(annotation: str, value: Any) -> str:
    """How to edit a value: by what it is, and by its annotation where the two agree."""
    actual = KINDS.get(type(value).__name__, "literal")
    if type(value) is int and annotation == "float":
        return "float"
    if actual == "str":
        return "text" if len(value) > TEXT_LONG or "\n" in value else "str"
    return actual if actual != "literal" or _is_readable(value) else "fixed"


def _is_readable(value: Any) -> bool:
    """Whether the literal text of a value stands for that value again."""
    text = show(value)
    if len(text) > SHOWN:
        return False
    try:
        return bool(read_literal(text) == value)
    except Invalid:
        return False
