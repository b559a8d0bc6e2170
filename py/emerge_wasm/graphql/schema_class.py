"""The classes of a schema: the fields of each name, united over all bundles that define it. Pure."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from ..bundles import Bundle, describe, parse
from ..bundles.bundle import Content, Find
from ..bundles.description import class_node, lineage
from ..bundles.source_tree import parsed
from ..codec import read_literal
from ..errors import EmergeError, Invalid
from ..objects import METADATA
from ..query.statement import ENUMS, FLAGS, NameResolver
from .enum_member import enum_names, flag_values, made_enum
from .field_kind import JSON, FieldKind, read_kind, unite

NOTHING = object()
"""Stands for the default of a field that has none, or one that only its code knows."""

BASES = {"EmergeObject", "EmergeFile", "EmergeDirectory"}
_FACTORIES: dict[str, object] = {"list": [], "dict": {}, "set": set(), "tuple": (), "frozenset": frozenset(), "str": ""}


@dataclass(slots=True)
class SchemaField:
    """One field of a class. `defaults`: by the hash of each bundle that has the field."""

    name: str
    kind: FieldKind
    annotation: str
    required: bool = False
    defaults: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class SchemaClass:
    """The classes of one name. `bundles`: their hashes, the newest last. `nested`: a value within objects.

    `names`: those of an Enum's members, each with the one it is stored by; `values`: of a Flag's members.
    """

    class_name: str
    nested: bool = False
    doc: str = ""
    fields: dict[str, SchemaField] = field(default_factory=dict)
    bundles: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class SchemaClasses:
    """All classes of a schema, by name: those of objects, and those of values within them.

    `members`: bundles of classes within another's text, by hash, which may be in no store yet.
    """

    objects: dict[str, SchemaClass] = field(default_factory=dict)
    nested: dict[str, SchemaClass] = field(default_factory=dict)
    members: dict[str, Bundle] = field(default_factory=dict)

    def add(self, hash: str, find: Find) -> None:
        """Add the class of a bundle. Raises Invalid for one that cannot be read."""
        bundle = parse(_found(hash, find), hash)
        schema_class = self.objects.setdefault(bundle.class_name, SchemaClass(bundle.class_name))
        self._fill(schema_class, bundle, find)

    def _fill(self, schema_class: SchemaClass, bundle: Bundle, find: Find) -> None:
        if bundle.hash in schema_class.bundles:
            return
        schema_class.bundles.append(bundle.hash)
        about = describe(bundle, find)
        schema_class.doc = about["doc"] or schema_class.doc
        own = [
            SchemaField(row["name"], self._kind(row["annotation"], bundle, find), row["annotation"])
            for row in about["fields"]
        ]
        texts = {row["name"]: row["default"] for row in about["fields"]}
        if not schema_class.nested:
            own += [SchemaField("id", FieldKind("String"), "str"), SchemaField("data", JSON, "Any")]
            texts |= {"id": "''", "data": "None"}
        for each in own:
            if each.name in METADATA and not schema_class.nested:
                continue
            known = schema_class.fields.setdefault(each.name, each)
            known.kind = unite(known.kind, each.kind)
            known.required = not texts[each.name]
            known.defaults[bundle.hash] = _default(texts[each.name])

    def _kind(self, annotation: str, bundle: Bundle, find: Find) -> FieldKind:
        return read_kind(annotation, lambda name: self._class_kind(name, bundle, find))

    def _class_kind(self, name: str, bundle: Bundle, find: Find) -> FieldKind | None:
        found = _find_class(name, bundle, find)
        if found is None:
            return None
        inner, node = found
        rows = lineage(inner, find) or [(inner, node)]
        bases = {NameResolver(outer, find).full(base) for outer, each in rows for base in each.bases}
        nodes = [each for _, each in reversed(rows)]
        values = flag_values(nodes) if bases & FLAGS else {}
        if bases & FLAGS and not values:
            return JSON
        self.members[inner.hash] = inner
        schema_class = self.nested.setdefault(inner.class_name, SchemaClass(inner.class_name, nested=True))
        if bases & (ENUMS | FLAGS):
            schema_class.bundles += [inner.hash] if inner.hash not in schema_class.bundles else []
            schema_class.values |= values
            if values:
                return FieldKind("Flag", target=inner.class_name)
            schema_class.names |= enum_names(nodes)
            return FieldKind("Enum", target=inner.class_name)
        self._fill(schema_class, inner, find)
        return FieldKind("Nested", target=inner.class_name)


def _found(hash: str, find: Find) -> bytes:
    data = find(hash)
    if data is None:
        raise Invalid(f"the class bundle {hash[:12]} is not here")
    return data


def _find_class(name: str, bundle: Bundle, find: Find) -> tuple[Bundle, ast.ClassDef] | None:
    """Find the class that a name means in the text of a bundle, or of one that it requires."""
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
        return class_node(bundle, name) or made_enum(parsed(bundle.source).body, name)
    except Exception:  # whatever the tokenizer and the parser raise: then it has none
        return None


def _default(text: str) -> object:
    """Read the default of a field from its text, NOTHING where only its code knows it."""
    if not text:
        return NOTHING
    try:
        return read_literal(text)
    except EmergeError:
        return _from_field(text)


def _from_field(text: str) -> object:
    """Read the default in `field(default=…)` or `field(default_factory=list)`."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != "field":
        return NOTHING
    for keyword in call.keywords:
        if keyword.arg == "default":
            return _default(ast.unparse(keyword.value))
        if keyword.arg == "default_factory":
            return _FACTORIES.get(ast.unparse(keyword.value), NOTHING)
    return NOTHING
