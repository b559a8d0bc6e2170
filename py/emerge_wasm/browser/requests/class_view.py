"""Describes the class of an object for the page, as far as it is there; never runs its code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ...bundles import ClassForms, describe, display_method, forms_of, parse, source_of
from ...bundles.bundle import Bundle
from ...bundles.description import FieldDescription
from ...bundles.needed_python import PYTHON, version_of, version_text, why_newer
from ...errors import Invalid, LimitExceeded, NotFound
from ..places.place import TabPlace
from ..protocol.view import FormView, MethodView


class ClassView(NamedTuple):
    """The part of a view that describes the class. `lacking`: why it cannot be described, or only in part; or ""."""

    doc: str = ""
    fields: Sequence[FieldDescription] = ()
    methods: Sequence[MethodView] = ()
    source: str = ""
    runs: Literal["anywhere", "node", "nowhere"] = "nowhere"
    newer: str = ""
    display: str = ""
    lacking: str = ""
    forms: ClassForms = ClassForms({}, {}, {})

    def form_views(self, used: Iterable[str]) -> dict[str, FormView]:
        """Return these forms, and those that they name."""
        forms, wanted, found = self.forms.forms, list(used), dict[str, FormView]()
        while wanted:
            key = wanted.pop()
            form = forms.get(key)
            if form is None or key in found:
                continue
            found[key] = {
                "kind": form.kind,
                "label": form.label,
                "of": form.of,
                "fixed": form.fixed,
                "choices": form.choices,
                "name": form.name,
                "fields": [{"name": row.name, "form": row.form, "default": row.default} for row in form.fields],
            }
            wanted += form.of
            wanted += [row.form for row in form.fields]
        return found


NO_CLASS = ClassView()


async def describe_class(place: TabPlace, bundle: str) -> ClassView:
    """Describe the class with this bundle; "" stands for plain state without a class.

    A class that is missing or broken is described as far as it can be: the state of its objects is there all the same.
    """
    if not bundle:
        return NO_CLASS
    lacking, found = "", dict[str, bytes]()
    try:
        found = await place.reader.fetch_bundles(bundle)
    except NotFound as error:
        lacking = error.message
        try:
            found = await place.reader.remote.classes([bundle])
        except NotFound:
            pass
    if bundle not in found:
        return ClassView(lacking=lacking or f"the class bundle {bundle[:12]}… is nowhere to be found")
    try:
        return _describe(place, parse(found[bundle], bundle), found, lacking)
    except (Invalid, LimitExceeded, NotFound) as error:
        return ClassView(lacking=error.message)


def _describe(place: TabPlace, parsed: Bundle, found: Mapping[str, bytes], lacking: str) -> ClassView:
    described = describe(parsed, found.get)
    return ClassView(
        doc=described["doc"],
        fields=described["fields"],
        methods=[
            {"name": row["name"], "signature": row["signature"], "doc": row["doc"], "kind": row["kind"]}
            for row in described["methods"]
        ],
        source=source_of(parsed, found.get),
        runs="nowhere" if lacking else parsed.where,
        newer="" if lacking else _tell_newer(place, map(parse, found.values())),
        display="" if lacking else display_method(parsed, found.get),
        lacking=lacking,
        forms=forms_of(parsed, found.get),
    )


def _tell_newer(place: TabPlace, bundles: Iterable[Bundle]) -> str:
    """Say why a class needs a newer Python than its place has; "" if it does not."""
    have = max(map(version_of, place.pythons), default=PYTHON)
    newest = max(bundles, key=lambda bundle: bundle.content.grammar)
    if newest.content.grammar <= have:
        return ""
    return f"Python {version_text(have)} is there, and {why_newer(newest, have)[1]}"
