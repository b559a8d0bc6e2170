"""The scalars beyond GraphQL's own: how Python's values are written in JSON, and read from it and from documents."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
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

SAFE = 2**53 - 1
"""Integers that every JSON reader holds exactly."""

TEXT_LIMIT = 4000
"""Characters of a number."""


def _big_int(value: Any) -> Any:
    if type(value) is not int:
        raise GraphQLError(f"{_shown(value)} is no integer")
    return value if -SAFE <= value <= SAFE else str(plain(value)) if value.bit_length() < 8192 else hex(value)


def _read_big_int(value: Any) -> int:
    if type(value) is float and value.is_integer() and abs(value) <= SAFE:
        return int(value)
    if type(value) is str and len(value) <= TEXT_LIMIT:
        return int(value)
    if type(value) is not int:
        raise ValueError
    return value


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if type(value) not in kinds:
            raise GraphQLError(f"{_shown(value)} is no {kinds[0].__name__}")
        return plain(value)

    return write


def _text(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError
        return read(value)

    return parse


def _decimal(value: Any) -> Decimal:
    if type(value) not in (str, int, float) or len(str(value)) > TEXT_LIMIT:
        raise ValueError
    return Decimal(str(value))


def _duration(value: Any) -> timedelta:
    if type(value) not in (int, float):
        raise ValueError
    return timedelta(seconds=value)


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}"


def _scalar(name: str, doc: str, write: Callable[[Any], Any], read: Callable[[Any], Any]) -> GraphQLScalarType:
    def parse_value(value: Any) -> Any:
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError, InvalidOperation, binascii.Error):
            raise GraphQLError(f"{str(value)[:80]!r} is no {name}: {doc}") from None

    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        if isinstance(node, StringValueNode):
            return parse_value(node.value)
        if isinstance(node, IntValueNode):
            return parse_value(int(node.value) if len(node.value) <= TEXT_LIMIT else node.value)
        return parse_value(float(node.value) if isinstance(node, FloatValueNode) else None)

    return GraphQLScalarType(
        name, serialize=write, parse_value=parse_value, parse_literal=parse_literal, description=doc
    )


def _literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
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
