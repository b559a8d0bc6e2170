"""The OpenAPI 3.1 description of the operation table. Pure: made from the table, names no operation."""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from .. import operations, results
from ..errors import __all__ as error_names
from ..operations import TABLE, Operation, Operations, Wire
from ..wire.frame import MEDIA_TYPE
from .exchange import STATUS
from .file_description import describe_files
from .form import JSON, LINES, MSGPACK, PREDICATE

VERSION = "1"

_BYTES: Wire = {"type": "string", "contentEncoding": "base64"}
_SCHEMAS: dict[str, Wire] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "bytes": _BYTES,
    "None": {"type": "null"},
    "Wire": {"type": "object"},
    "Values": {"type": "array", "items": {}},
    "Names": {"type": "array", "items": {"type": "string"}},
    "dict[str, bytes]": {"type": "object", "additionalProperties": _BYTES},
}
_PLAIN: dict[object, Wire] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: _BYTES,
    NoneType: {"type": "null"},
    object: {},
    Any: {},
}
_ENCODED: Wire = {
    "description": "Encoded, as base64 text; or the value itself, which is encoded here.",
    "anyOf": [_BYTES, {"type": "object"}, {"type": "array", "items": {}}],
}
_PREDICATE: Wire = {
    "description": "What an object must be to be found, as Python over `o`: `o.unit_price < 3`; or a lambda, with the "
    "values of the names that it uses.",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "values": {"anyOf": [_BYTES, {"type": "object"}]},
                "bundle": {"type": "string"},
            },
            "required": ["text"],
        },
        {"type": "null"},
    ],
}
_KINDS = {
    400: "The request is wrong.",
    401: "Who asks is not known.",
    403: "Who asks may not.",
    404: "Nothing is there.",
    409: "Somebody changed it meanwhile.",
    413: "A limit was reached.",
    422: "The class or value cannot travel, or the code that was run failed.",
    429: "Too much is under way; see Retry-After.",
    500: "Something unforeseen went wrong.",
    503: "It is out of reach now; see Retry-After.",
}


def describe(address: str) -> Wire:
    """The whole document, for the routes below an address."""
    groups = list(dict.fromkeys(row.group for row in TABLE.values()))
    schemas: dict[str, Wire] = {"Error": _error()}
    paths = {f"/{row.name}": describe_path(row, schemas) for row in TABLE.values()}
    paths |= describe_files(_schema_of(results.PointerRow, schemas), _failures())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emerge", "version": VERSION, "description": _about()},
        "servers": [{"url": address}],
        "tags": [{"name": group} for group in groups],
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {f"E{status}": _failure(text) for status, text in _KINDS.items()},
            "parameters": {"context": _context()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def describe_path(row: Operation, schemas: dict[str, Wire]) -> Wire:
    """One operation: by POST, and by GET when it changes nothing. The maps that it answers are added to `schemas`."""
    shared: Wire = {"tags": [row.group], "description": row.doc, "responses": _responses(row, schemas)}
    context = {"$ref": "#/components/parameters/context"}
    post = {**shared, "operationId": row.name, "summary": _summary(row), "parameters": [context]}
    if row.parameters:
        post["requestBody"] = _body(row)
    if row.changes:
        return {"post": post}
    query = [_query(parameter) for parameter in row.parameters]
    get = {**shared, "operationId": f"{row.name}_by_get", "summary": _summary(row), "parameters": [*query, context]}
    return {"post": post, "get": get}


def _summary(row: Operation) -> str:
    return " ".join(row.doc.split("\n\n")[0].split())


def _schema(annotation: str) -> Wire:
    """The schema of a type as the table writes it, such as `dict[str, bytes] | None`."""
    parts = [part.strip() for part in annotation.split("|")]
    if len(parts) == 1:
        return dict(_SCHEMAS[parts[0]])
    return {"anyOf": [_SCHEMAS[part] for part in parts]}


def _result_of(row: Operation, schemas: dict[str, Wire]) -> Wire:
    """The schema of an operation's result, or of its stream's items; the maps in it are added to `schemas`."""
    names = {**vars(results), **vars(operations)}
    kind = get_type_hints(getattr(Operations, row.name), names)["return"]
    return _schema_of(get_args(kind)[0] if row.streams else kind, schemas)


def _schema_of(kind: object, schemas: dict[str, Wire]) -> Wire:
    """The schema of a type: of `results`, or made of such and of plain ones."""
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_typeddict(kind):
        return _named(kind, schemas)
    if origin is NotRequired:
        return _schema_of(inner[0], schemas)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _schema_of(inner[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(inner[1], schemas)}
    if origin is UnionType or len(inner) > 1:
        return {"anyOf": [_schema_of(each, schemas) for each in inner]}
    return dict(_PLAIN[kind])


def _named(kind: type, schemas: dict[str, Wire]) -> Wire:
    """A reference to the schema of a TypedDict, made when it is first met: one may hold others of its kind."""
    name = kind.__name__
    if name not in schemas:
        made = schemas[name] = {"type": "object", "description": inspect.getdoc(kind) or ""}
        hints = get_type_hints(kind, include_extras=True)
        made["properties"] = {key: _schema_of(held, schemas) for key, held in hints.items()}
        made["required"] = sorted(key for key, held in hints.items() if get_origin(held) is not NotRequired)
    return {"$ref": f"#/components/schemas/{name}"}


def _argument(parameter: inspect.Parameter) -> Wire:
    annotation = str(parameter.annotation)
    if parameter.name == PREDICATE:
        schema = dict(_PREDICATE)
    else:
        schema = dict(_ENCODED) if annotation == "bytes" else _schema(annotation)
    return schema if parameter.default is parameter.empty else {**schema, "default": parameter.default}


def _body(row: Operation) -> Wire:
    needed = [parameter.name for parameter in row.parameters[: row.required]]
    schema: Wire = {
        "type": "object",
        "properties": {parameter.name: _argument(parameter) for parameter in row.parameters},
        "additionalProperties": False,
    }
    if needed:
        schema["required"] = needed
    return {"required": bool(needed), "content": {JSON: {"schema": schema}, MSGPACK: {"schema": schema}}}


def _query(parameter: inspect.Parameter) -> Wire:
    needed = parameter.default is parameter.empty
    return {"name": parameter.name, "in": "query", "required": needed, "schema": _argument(parameter)}


def _responses(row: Operation, schemas: dict[str, Wire]) -> Wire:
    failures = _failures()
    result = _result_of(row, schemas)
    if not row.streams:
        content: Wire = {JSON: {"schema": result}, MSGPACK: {"schema": result}}
        return {"200": {"description": "The result.", "content": content}, **failures}
    lines = f'One item a line, as JSON: {result}. A last line {{"$error": …}} says what it failed with.'
    content = {
        LINES: {"schema": {"type": "string", "description": lines}},
        MEDIA_TYPE: {"schema": {"type": "string", "contentEncoding": "binary", "description": "Frames of msgpack."}},
    }
    return {"200": {"description": "A stream of items.", "content": content}, **failures}


def _failures() -> Wire:
    return {str(status): {"$ref": f"#/components/responses/E{status}"} for status in _KINDS}


def _failure(text: str) -> Wire:
    content = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"description": text, "content": {JSON: content, MSGPACK: content}}


def _error() -> Wire:
    codes = [name for name in error_names if name in STATUS]
    return {
        "type": "object",
        "required": ["code", "message", "path", "remedy", "details"],
        "properties": {
            "code": {"type": "string", "enum": [*codes, "Error"]},
            "message": {"type": "string"},
            "path": {"type": ["string", "null"]},
            "remedy": {"type": ["string", "null"]},
            "details": {"type": "object"},
        },
    }


def _context() -> Wire:
    properties: Wire = {
        "as": {"type": "string", "description": "Whom to act as; a superuser may."},
        "groups": _SCHEMAS["Names"],
        "umask": {"type": "integer", "minimum": 0, "maximum": 0o777},
        "transaction": {"type": "string", "description": "The open transaction that the call is part of."},
        "call_id": {"type": "string", "description": "A change with it is made once, however often it is repeated."},
        "clock": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
            "description": "What a search takes for now: nanoseconds since 1970, and a time zone (Europe/Berlin).",
        },
    }
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {
        "name": "Emerge-Context",
        "in": "header",
        "description": "On whose behalf, and in which transaction.",
        "content": {JSON: {"schema": schema}},
    }


def _about() -> str:
    return (
        "The operations of an object filesystem. Arguments are one object, in JSON or (lossless) msgpack; bytes are "
        'base64 text in JSON. Where any value may stand, {"$bytes": base64}, {"$ref": uuid} and {"$value": text}, a '
        "Python literal such as Decimal('1.5'), stand for what JSON lacks."
    )
