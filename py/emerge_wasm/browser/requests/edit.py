"""Reads the texts of edited fields into values, and stores them; runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...codec import bundles_in, encode
from ...errors import Invalid
from ...operations import Wire
from ...results import ObjectRow, PointerRow
from ..places.place import TabPlace
from ..protocol.view import EditKind
from .class_view import ClassView, describe_class
from .value_text import ValueText, shorten
from .view import kind_of, kind_where_unset, state_of, with_defaults

TYPES: dict[EditKind, tuple[str, ...]] = {
    "bool": ("bool",),
    "int": ("int",),
    "float": ("float", "int"),
    "date": ("date",),
    "datetime": ("datetime",),
    "time": ("time",),
}


class ReadChanges(NamedTuple):
    """The values that fields are to have, and what they are to be set in."""

    found: ObjectRow
    described: ClassView
    state: dict[str, object]
    values: dict[str, object]


async def read_changes(place: TabPlace, path: str, version: int, texts: Mapping[str, str]) -> ReadChanges:
    """Parse the texts of fields into values.

    Raises:
        Invalid: a text does not fit its field, which is named.
    """
    found: ObjectRow = await place.call("getobject", [path, version])
    described = await describe_class(place, found["pointer"]["bundle"])
    state = state_of(found)
    reader = ValueText(described.forms, state)
    shown = with_defaults(described, state)
    values = {name: _read(reader, described, name, shown, text) for name, text in texts.items()}
    return ReadChanges(found, described, state, values)


def _read(reader: ValueText, described: ClassView, name: str, shown: Mapping[str, object], text: str) -> object:
    form = described.forms.forms.get(described.forms.fields.get(name, ""))
    before = shown.get(name)
    kind = kind_of(form, before) if name in shown else kind_where_unset(form)
    if kind in ("str", "text"):
        return text
    try:
        value = reader.read(text, before)
    except Invalid as error:
        raise shorten(error, name) from None
    wanted = TYPES.get(kind) if form is not None else None  # what is declared nowhere may become anything
    if wanted is not None and value is not None and type(value).__name__ not in wanted:
        raise Invalid(f"{name} is {kind}, not {type(value).__name__}", remedy=f"write a {kind}")
    return float(value) if kind == "float" and type(value) is int else value


def read_fields(described: ClassView, texts: Mapping[str, str], kinds: Mapping[str, EditKind]) -> dict[str, object]:
    """Parse the texts of a new object's fields into values, each of the kind that its input was of.

    Raises:
        Invalid: a text does not fit its field, which is named.
    """
    reader = ValueText(described.forms, {})
    values: dict[str, object] = {}
    for name, text in texts.items():
        kind = kinds.get(name, "literal")
        values[name] = text if kind in ("str", "text") else _read_kind(reader, kind, name, text)
    return values


def _read_kind(reader: ValueText, kind: EditKind, name: str, text: str) -> object:
    try:
        value = reader.read(text)
    except Invalid as error:
        raise shorten(error, name) from None
    wanted = TYPES.get(kind)
    if wanted is not None and value is not None and type(value).__name__ not in wanted:
        raise Invalid(f"{name} is {kind}, not {type(value).__name__}", remedy=f"write a {kind}")
    return float(value) if kind == "float" and type(value) is int else value


async def store_changes(
    place: TabPlace, path: str, version: int, changes: ReadChanges, context: Wire | None = None
) -> PointerRow:
    """Set the fields of the version that they were read for.

    Raises:
        Conflict: another version was stored meanwhile.
    """
    data = encode(changes.values)
    sent = {hash: row for hash, row in changes.described.forms.bundles.items() if hash in bundles_in(data)}
    if not sent:
        pointer: PointerRow = await place.call("update", [path, data, version], context)
    else:  # a class within a class, of which there may be no value yet: its bundle comes along
        row = changes.found["pointer"]
        whole = encode({**changes.state, **changes.values})
        known = (row["class_name"], row["bundle"], row["version"], row["type"], "", sent)
        pointer = await place.call("store", [path, whole, *known, row["uuid"], row["node"]], context)
    pointer.pop("merged", None)  # the page reads the object again
    return pointer
