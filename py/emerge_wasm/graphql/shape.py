"""What is known of classes: the fields of one name's classes, united over all bundles that define it. Pure."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from ..bundles import Bundle, describe, parse
from ..bundles.bundle import Content, Find
from ..codec import read_literal
from ..codec.syntax_depth import check_nesting
from ..errors import EmergeError, Invalid
from ..objects import METADATA
from .kind import JSON, Kind, read_kind, unite

NOTHING = object()
"""The default of a field that has none, or one that only its code knows."""

BASES = {"EmergeObject", "EmergeFile", "EmergeDirectory"}
ENUMS = {"Enum", "StrEnum", "IntEnum"}
_FLAGS = {"Flag", "IntFlag"}
_FACTORIES: dict[str, Any] = {"list": [], "dict": {}, "set": set(), "tuple": (), "frozenset": frozenset(), "str": ""}


@dataclass(slots=True)
class Field:
    """One field of a class. `defaults`: by the hash of each bundle that has it."""

    name: str
    kind: Kind
    annotation: str
    required: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Shape:
    """The classes of one name. `bundles`: their hashes, the newest last. `nested`: a value within objects."""

    class_name: str
    nested: bool = False
    doc: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    bundles: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Shapes:
    """All classes of a schema, by name: those of objects, and those of values within them.

    `members` are bundles of classes within another's text, by hash: they may be in no store yet.
    """

    objects: dict[str, Shape] = field(default_factory=dict)
    nested: dict[str, Shape] = field(default_factory=dict)
    members: dict[str, Bundle] = field(default_factory=dict)

    def add(self, hash: str, find: Find) -> None:
        """Add the class of a bundle. Raises Invalid for one that cannot be read."""
        bundle = parse(_found(hash, find), hash)
        shape = self.objects.setdefault(bundle.class_name, Shape(bundle.class_name))
        self._fill(shape, bundle, find)

    def _fill(self, shape: Shape, bundle: Bundle, find: Find) -> None:
        if bundle.hash in shape.bundles:
            return
        shape.bundles.append(bundle.hash)
        about = describe(bundle, find)
        shape.doc = about["doc"] or shape.doc
        own = [
            Field(row["name"], self._kind(row["annotation"], bundle, find), row["annotation"])
            for row in about["fields"]
        ]
        texts = {row["name"]: row["default"] for row in about["fields"]}
        if not shape.nested:
            own += [Field("id", Kind("String"), "str"), Field("data", JSON, "Any")]
            texts |= {"id": "''", "data": "None"}
        for each in own:
            if each.name in METADATA and not shape.nested:
                continue
            known = shape.fields.setdefault(each.name, each)
            known.kind = unite(known.kind, each.kind)
            known.required = not texts[each.name]
            known.defaults[bundle.hash] = _default(texts[each.name])

    def _kind(self, annotation: str, bundle: Bundle, find: Find) -> Kind:
        return read_kind(annotation, lambda name: self._class_kind(name, bundle, find))

    def _class_kind(self, name: str, bundle: Bundle, find: Find) -> Kind | None:
        found = _find_class(name, bundle, find)
        if found is None:
            return None
        inner, node = found
        bases = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}
        if bases & _FLAGS:
            return JSON
        self.members[inner.hash] = inner
        shape = self.nested.setdefault(inner.class_name, Shape(inner.class_name, nested=True))
        if bases & ENUMS:
            shape.bundles += [inner.hash] if inner.hash not in shape.bundles else []
            return Kind("Enum", target=inner.class_name)
        self._fill(shape, inner, find)
        return Kind("Nested", target=inner.class_name)


def _found(hash: str, find: Find) -> bytes:
    data = find(hash)
    if data is None:
        raise Invalid(f"the class bundle {hash[:12]} is not here")
    return data


def _find_class(name: str, bundle: Bundle, find: Find) -> tuple[Bundle, ast.ClassDef] | None:
    """The class that a name in the text of a bundle, or of one that it requires, means."""
    todo, seen = [bundle], {bundle.hash}
    while todo:
        each = todo.pop(0)
        outer = parse(_found(each.content.within, find)) if each.content.within else each
        linked = dict(outer.content.classes).get(name)
        if linked is not None:
            inner = parse(_found(linked, find), linked)
            return _find_class(inner.class_name, inner, find)
        plain = dict(outer.content.aliases).get(name, name)
        node = _class_node(outer, plain)
        if node is not None:
            own = plain == outer.class_name
            return (outer if own else Bundle.of(Content.of_member(plain, outer))), node
        for hash in each.requires:
            data = find(hash)
            if hash not in seen and data is not None:
                seen.add(hash)
                todo.append(parse(data, hash))
    return None


def _class_node(bundle: Bundle, name: str) -> ast.ClassDef | None:
    try:
        check_nesting(bundle.source)
        body: list[ast.stmt] = ast.parse(bundle.source).body
    except Exception:  # whatever the tokenizer and the parser raise: then it says nothing
        return None
    found = None
    for step in name.split("."):
        found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == step), None)
        if found is None:
            return None
        body = found.body
    return found


def _default(text: str) -> Any:
    """The value of a field's default, where its text says it."""
    if not text:
        return NOTHING
    try:
        return read_literal(text)
    except EmergeError:
        return _from_field(text)


def _from_field(text: str) -> Any:
    """What `field(default=…)` or `field(default_factory=list)` gives."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != "field":
        return NOTHING
    for keyword in call.keywords:
        if keyword.arg == "default":
            return _default(ast.unparse(keyword.value))
        if keyword.arg == "default_factory":
            return _FACTORIES.get(ast.unparse(keyword.value), NOTHING)
    return NOTHING
