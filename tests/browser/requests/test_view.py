"""Objects as the page shows them."""

from __future__ import annotations

from emerge_wasm.browser.requests.class_view import ClassView
from emerge_wasm.browser.requests.view import make_fields
from emerge_wasm.bundles import ClassForms, FieldForm
from emerge_wasm.bundles.description import FieldDescription


def test_fields_say_how_they_are_edited() -> None:
    declared: list[FieldDescription] = [
        {"name": name, "annotation": annotation, "default": "", "class": "Item"}
        for name, annotation in (("price", "float"), ("new", "int"))
    ]
    declared.append({"name": "size", "annotation": "int", "default": "5", "class": "Item"})
    known = {name: FieldForm("leaf", name, name=name) for name in ("float", "int")}
    forms = ClassForms({"price": "float", "new": "int"}, known, {})
    state = {"id": "a", "price": 3, "extra": (1, 2), "note": "two\nlines", "flag": True, "name": "hidden"}
    rows = {
        row["name"]: (row["kind"], row["text"]) for row in make_fields(ClassView(fields=declared, forms=forms), state)
    }
    assert rows == {
        "price": ("float", "3"),
        "new": ("int", ""),
        "size": ("int", "5"),
        "extra": ("literal", "(1, 2)"),
        "note": ("text", "two\nlines"),
        "flag": ("bool", "True"),
        "id": ("str", "a"),
    }
