"""The scalars of a schema: write Python's values in JSON, and read them from JSON and from documents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from graphql import (
    FloatValueNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    StringValueNode,
    ValueNode,
    value_from_ast_untyped,
)

from ..codec import plain

Convert = Callable[[object], object]

SAFE = 2**53 - 1
"""Integers that every JSON reader holds exactly."""

TEXT_LIMIT = 4000
"""Characters of a number."""


def _big_int(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool):
        raise GraphQLError(f"{_shown(value)} is no integer")
    return value if -SAFE <= value <= SAFE else str(plain(value)) if value.bit_length() < 8192 else hex(value)


def _read_big_int(value: object) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE:
        return int(value)
    if isinstance(value, str) and len(value) <= TEXT_LIMIT:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError
    return value


def _exactly(*kinds: type) -> Convert:
    def write(value: object) -> object:
        if type(value) not in kinds:
            raise GraphQLError(f"{_shown(value)} is no {kinds[0].__name__}")
        return plain(value)

    return write


def _text(read: Callable[[str], object]) -> Convert:
    def parse(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError
        return read(value)

    return parse


def _decimal(value: object) -> Decimal:
    if type(value) not in (str, int, float) or len(str(value)) > TEXT_LIMIT:
        raise ValueError
    return Decimal(str(value))


def _duration(value: object) -> timedelta:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError
    return timedelta(seconds=value)


def _shown(value: object) -> str:
    return f"a {type(value).__name__}"


def _scalar(name: str, doc: str, write: Convert, read: Convert) -> GraphQLScalarType:
    def parse_value(value: object) -> object:
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError, InvalidOperation, binascii.Error):
            raise GraphQLError(f"{str(value)[:80]!r} is no {name}: {doc}") from None

    def parse_literal(node: ValueNode, variables: dict[str, object] | None = None) -> object:
        if isinstance(node, StringValueNode):
            return parse_value(node.value)
        if isinstance(node, IntValueNode):
            return parse_value(int(node.value) if len(node.value) <= TEXT_LIMIT else node.value)
        return parse_value(float(node.value) if isinstance(node, FloatValueNode) else None)

    return GraphQLScalarType(
        name, serialize=write, parse_value=parse_value, parse_literal=parse_literal, description=doc
    )


def _literal(node: ValueNode, variables: dict[str, object] | None = None) -> object:
    return value_from_ast_untyped(node, variables)


JSON = GraphQLScalarType(
    "JSON",
    serialize=plain,
    parse_value=lambda value: value,
    parse_literal=_literal,
    description="Anything that JSON can hold; other values as text (see `plain` in Emerge's codec).",
)
SCALARS: dict[str, GraphQLScalarType] = {
    "String": GraphQLString,
    "Float": GraphQLFloat,
    "Boolean": GraphQLBoolean,
    "Int": GraphQLInt,
    "ID": GraphQLID,
    "JSON": JSON,
    "BigInt": _scalar("BigInt", "an integer of any size; as text when it is beyond 2^53 - 1.", _big_int, _read_big_int),
    "Bytes": _scalar(
        "Bytes", "base64.", _exactly(bytes, bytearray), _text(lambda text: base64.b64decode(text, validate=True))
    ),
    "DateTime": _scalar("DateTime", "a moment in ISO 8601.", _exactly(datetime), _text(datetime.fromisoformat)),
    "Date": _scalar("Date", "a day in ISO 8601.", _exactly(date), _text(date.fromisoformat)),
    "Time": _scalar("Time", "a time of day in ISO 8601.", _exactly(time), _text(time.fromisoformat)),
    "Duration": _scalar("Duration", "a time span in seconds.", _exactly(timedelta), _duration),
    "Decimal": _scalar("Decimal", "a decimal number, as text.", _exactly(Decimal), _decimal),
    "UUID": _scalar("UUID", "a UUID, as text.", _exactly(UUID), _text(UUID)),
}
