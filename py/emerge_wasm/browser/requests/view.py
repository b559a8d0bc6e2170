"""Makes the view of an object from its state and its bundle's description; never runs its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...bundles import ClassForms, FieldForm
from ...bundles.default import plain_defaults
from ...codec import Record, decode
from ...objects import METADATA
from ...results import ObjectRow
from ..places.place import TabPlace
from ..protocol.view import EditKind, FieldView, ObjectView
from .class_view import ClassView, describe_class
from .sparkline import sparkline
from .value_text import ValueText

TEXT_LONG = 60  # characters above which a text is edited on several lines
SHOWN = 100_000  # characters above which a value is cut, and read whole when it is edited
KINDS: dict[str, EditKind] = {
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
    "date": "date",
    "datetime": "datetime",
    "time": "time",
}
"""Types of values whose text is edited in an input of their own."""


async def make_view(place: TabPlace, path: str, version: int) -> ObjectView:
    """Make the view of the object at a path; `version` 0 is the newest."""
    found: ObjectRow = await place.call("getobject", [path, version])
    described = await describe_class(place, found["pointer"]["bundle"])
    fields = make_fields(described, state_of(found))
    return {
        "where": place.name,
        "pointer": found["pointer"],
        "doc": described.doc,
        "fields": fields,
        "forms": described.form_views({field["form"] for field in fields if field["form"]}),
        "methods": [*described.methods],
        "source": described.source,
        "runs": described.runs,
        "newer": described.newer,
        "display": described.display,
        "lacking": described.lacking,
        "stale": found.get("stale", ""),
    }


def state_of(found: ObjectRow) -> dict[str, object]:
    """Return the state of an object that was read."""
    state: dict[str, object] = decode(found["state"]) if found["state"] else {}
    return state


def make_fields(described: ClassView, state: Mapping[str, object]) -> list[FieldView]:
    """Make the views of fields in the class's order, then of the state's other attributes.

    A field that the state lacks has its default, or no text where only the class's own code knows it.
    """
    known = {field["name"]: field["annotation"] for field in described.fields if field["name"] not in METADATA}
    values = with_defaults(described, state)
    texts, forms = ValueText(described.forms, values), described.forms
    names = [*known, *(name for name in state if name not in known and name not in METADATA)]
    views = [make_field(name, known.get(name, ""), forms, texts, values.get(name)) for name in _ordered(names)]
    for view in views:
        if view["name"] not in values:
            view["kind"], view["text"], view["type"] = kind_where_unset(forms.forms.get(view["form"])), "", ""
            view["size"], view["reason"] = 0, ""
    return views


def with_defaults(described: ClassView, state: Mapping[str, object]) -> dict[str, object]:
    """Return a state with the plain defaults of what it lacks, as an object of the class has them."""
    return {**plain_defaults([field for field in described.fields if field["name"] not in state]), **state}


BASE = ("id", "data")
"""Fields that every object has; shown last, since they are rarely of interest."""


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: BASE.index(name) + 1 if name in BASE else 0)


def make_field(name: str, annotation: str, forms: ClassForms, texts: ValueText, value: object) -> FieldView:
    """Make the view of one field."""
    key = forms.fields.get(name, "")
    form = forms.forms.get(key)
    kind = kind_of(form, value)
    text = value if isinstance(value, str) and kind in ("str", "text") else texts.show(value)
    size, reason = len(text), ""
    if size > SHOWN:
        text = text[:SHOWN]
    elif kind == "literal" and texts.way(value, text) is None:
        kind, reason = "fixed", texts.why_not(value)
    return {
        "name": name,
        "annotation": annotation,
        "kind": kind,
        "text": text,
        "form": key,
        "type": value.class_name if isinstance(value, Record) else type(value).__name__,
        "size": size,
        "reason": reason,
        "spark": sparkline(value),
    }


def kind_where_unset(form: FieldForm | None) -> EditKind:
    """Return how to edit a field that has no value yet."""
    return KINDS.get(form.name, "literal") if form is not None and form.kind == "leaf" else "literal"


def kind_of(form: FieldForm | None, value: object) -> EditKind:
    """Return how to edit a value: by its type where the annotation agrees, else as Python writes it."""
    kind = KINDS.get(type(value).__name__, "literal")
    if form is not None and form.kind == "any":
        return "literal"
    if form is not None:
        wanted = kind_where_unset(form)
        if wanted == "float" and kind == "int":
            return "float"
        if wanted != kind:
            return "literal"
    if isinstance(value, str) and kind == "str":
        return "text" if len(value) > TEXT_LONG or "\n" in value else "str"
    return kind
