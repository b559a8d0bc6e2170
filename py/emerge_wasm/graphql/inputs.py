"""Make the input types of a schema (filters, orders, fields of new objects), and convert their values to Python's."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
)

from ..codec import Record, Reference
from ..errors import Invalid
from ..operations import Wire
from .enum_member import EnumName, FlagValue, MemberType, joined_flags
from .field_kind import FieldKind
from .scalar import JSON, SCALARS
from .schema_class import NOTHING, SchemaClass, SchemaClasses, SchemaField
from .type_name import fits

METADATA = ("uuid", "name", "path", "type", "perms", "owner", "group", "node", "date")
"""The text attributes beside the state that every object may be filtered and ordered by; and `version`."""

COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
TEXTUAL = ("contains", "startswith", "endswith")
OPERATORS: dict[str, tuple[str, ...]] = {
    "Boolean": ("eq", "ne"),
    "String": (*COMPARED, *TEXTUAL),
    "Bytes": (*COMPARED, *TEXTUAL),
    "JSON": (*COMPARED, *TEXTUAL),
}
FLAG_OPERATORS = ("eq", "ne", "contains")
ORDERED = {*SCALARS} - {"ID"}
_WORDS = {"true", "false", "null"}
_MAKE = {"tuple": tuple, "set": set, "frozenset": frozenset}


def filter_types() -> dict[str, GraphQLInputObjectType]:
    """Make the filter of a field by its scalar; that of a list of a scalar has the name `[scalar]`."""
    types = {}
    for name, scalar in SCALARS.items():
        if name != "ID":
            types[name] = _filter_type(f"{name}Filter", scalar, OPERATORS.get(name, COMPARED))
            fields = {
                "contains": GraphQLInputField(scalar),
                "eq": GraphQLInputField(JSON),
                "ne": GraphQLInputField(JSON),
            }
            types[f"[{name}]"] = GraphQLInputObjectType(f"{name}ListFilter", fields)
    return types


def _filter_type(name: str, scalar: GraphQLInputType, operators: tuple[str, ...]) -> GraphQLInputObjectType:
    fields = {operator: GraphQLInputField(scalar) for operator in operators}
    fields["in"] = GraphQLInputField(GraphQLList(scalar))
    return GraphQLInputObjectType(name, fields)


class Inputs:
    """Makes the input types of the classes of one schema. `names`: type names by (class name, nested)."""

    def __init__(self, classes: SchemaClasses, names: dict[tuple[str, bool], str]) -> None:
        self._shapes = classes
        self._names = names
        self._filters = filter_types()
        self._nested: dict[str, GraphQLInputObjectType] = {}

    def filter(self, type_name: str, fields: dict[str, SchemaField]) -> GraphQLInputObjectType:
        """Make the filter of a type with these fields (by their names in GraphQL)."""

        def make() -> dict[str, GraphQLInputField]:
            found = {name: GraphQLInputField(self._filters["String"]) for name in METADATA}
            found["version"] = GraphQLInputField(self._filters["BigInt"])
            for name, field in fields.items():
                wanted = self._filter_of(field.kind)
                if wanted is not None and name not in ("and", "or", "not"):
                    found[name] = GraphQLInputField(wanted, out_name=field.name)
            every = GraphQLInputField(GraphQLList(GraphQLNonNull(made)))
            return {**found, "and": every, "or": every, "not": GraphQLInputField(made)}

        made = GraphQLInputObjectType(f"{type_name}Filter", make)
        return made

    def _filter_of(self, kind: FieldKind) -> GraphQLInputObjectType | None:
        if kind.name not in ("Enum", "Flag"):
            return self._filters.get(_filtered(kind))
        known = self._filters.get(f"{kind.name} {kind.target}")
        members = self._members_of(self._shapes.nested[kind.target])
        if known is None and members:
            name = self._names[kind.target, True]
            one: GraphQLInputType = MemberType(f"{name}Member", members)
            if kind.name == "Enum":
                known = _filter_type(f"{name}Filter", one, ("eq", "ne"))
            else:
                known = _filter_type(f"{name}Filter", GraphQLList(one), FLAG_OPERATORS)
                known.out_type = joined_flags  # type: ignore[method-assign, assignment]  # as graphql-core documents it
            self._filters[f"{kind.name} {kind.target}"] = known
        return known

    def _members_of(self, schema_class: SchemaClass) -> dict[str, EnumName | FlagValue]:
        """Return the members that GraphQL can name, with their values in a filter."""
        found: dict[str, EnumName | FlagValue] = {name: FlagValue(value) for name, value in schema_class.values.items()}
        found |= {name: EnumName(stored) for name, stored in schema_class.names.items()}
        return {name: value for name, value in found.items() if fits(name) and name not in _WORDS}

    def order(self, type_name: str, fields: dict[str, SchemaField]) -> GraphQLEnumType:
        """Make the fields that a type's objects can be ordered by; the values are Python's names."""
        names = {name: name for name in (*METADATA, "version")}
        names |= {
            name: field.name for name, field in fields.items() if field.kind.name in ORDERED and name not in _WORDS
        }
        names |= {
            name: f"{field.name}.{'name' if field.kind.name == 'Enum' else 'value'}"
            for name, field in fields.items()
            if field.kind.name in ("Enum", "Flag") and name not in _WORDS
        }
        return GraphQLEnumType(f"{type_name}Order", names)

    def fields(self, type_name: str, fields: dict[str, SchemaField]) -> GraphQLInputObjectType | None:
        """Make the fields that an object of a type is made of; None when there are none."""
        if not fields:
            return None
        return GraphQLInputObjectType(
            f"{type_name}Input",
            lambda: {
                name: GraphQLInputField(self._input(field.kind), out_name=field.name, description=field.annotation)
                for name, field in fields.items()
            },
        )

    def _input(self, kind: FieldKind) -> GraphQLInputType:
        if kind.of:
            return GraphQLList(self._input(kind.of))
        if kind.name == "Reference":
            return SCALARS["ID"]
        if kind.name == "Flag":
            return JSON
        if kind.name == "Nested":
            return self._nested_input(self._shapes.nested[kind.target])
        return SCALARS.get(kind.name, GraphQLString)

    def _nested_input(self, schema_class: SchemaClass) -> GraphQLInputType:
        known = self._nested.get(schema_class.class_name)
        if known is None:
            named = {field.name: field for field in schema_class.fields.values() if fits(field.name)}
            made = self.fields(self._names[schema_class.class_name, True], named)
            if made is None:
                return JSON
            known = self._nested[schema_class.class_name] = made
        return known

    # --- given values as Python's
    def value(self, given: Any, kind: FieldKind) -> object:
        """Convert a given value to that of a state."""
        if given is None:
            return None
        if kind.of:
            items = [self.value(item, kind.of) for item in given]
            return _MAKE.get(kind.container, list)(items)
        if kind.name == "Reference":
            return Reference(str(given))
        if kind.name == "Enum":
            return Record(kind.target, self._shapes.nested[kind.target].bundles[-1], {"name": given})
        if kind.name == "Nested":
            schema_class = self._shapes.nested[kind.target]
            if not schema_class.fields:
                return given
            return Record(kind.target, schema_class.bundles[-1], self.state(given, schema_class, whole=True))
        return given

    def state(self, given: Wire, schema_class: SchemaClass, *, whole: bool) -> Wire:
        """Convert the given fields to those of a state; `whole`: with the defaults of the others.

        Raises:
            Invalid: a field without a default is missing; the error names it.
        """
        state = {name: self.value(value, schema_class.fields[name].kind) for name, value in given.items()}
        if not whole:
            return state
        newest = schema_class.bundles[-1] if schema_class.bundles else ""
        own = {field.name: field for field in schema_class.fields.values() if newest in field.defaults}
        missing = [field.name for field in own.values() if field.required and field.name not in state]
        if missing:
            raise Invalid(
                f"a {schema_class.class_name} needs {', '.join(missing)}", remedy="give them among its fields"
            )
        defaults = {name: field.defaults[newest] for name, field in own.items()}
        return {name: value for name, value in defaults.items() if value is not NOTHING} | state


def _filtered(kind: FieldKind) -> str:
    """Return the name of the filter of a kind; "" for a class with fields of its own."""
    if kind.of:
        return f"[{kind.of.name}]" if kind.of.name in ORDERED else ""
    return kind.name if kind.name in ORDERED else ""
