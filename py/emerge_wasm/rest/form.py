"""The two forms of an HTTP call: JSON for people with curl, msgpack (the codec's) for programs. No I/O.

Arguments are read by their types in the operation table, predicates as people write them. No operation is named here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import codec
from ..errors import EmergeError, Invalid
from ..operations import Operation, Wire
from ..results import ErrorRow
from ..wire.frame import BEAT, END, ERROR, ITEM, MEDIA_TYPE, write_frame

JSON, MSGPACK, LINES = "application/json", "application/msgpack", "application/x-ndjson"

PREDICATE = "predicate"
"""The name of arguments that are predicates."""


@dataclass(frozen=True, slots=True)
class Form:
    """How answers are written: whole ones by `write`; a stream's items, errors, end and heartbeats."""

    media_type: str
    write: Callable[[Any], bytes]
    stream_type: str
    item: Callable[[Any], bytes]
    error: Callable[[ErrorRow], bytes]
    end: bytes
    beat: bytes


def write_json(value: object) -> bytes:
    """Write a value as JSON (see `codec.plain`); Invalid for one that JSON cannot express."""
    try:
        return json.dumps(codec.plain(value), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise Invalid(f"the answer cannot be written as JSON: {error}", remedy=f"send Accept: {MSGPACK}") from None


IN_JSON = Form(
    JSON,
    lambda value: write_json(value) + b"\n",
    LINES,
    lambda item: write_json(item) + b"\n",
    lambda wire: write_json({"$error": wire}) + b"\n",
    b"",
    b"\n",
)
IN_MSGPACK = Form(
    MSGPACK,
    codec.encode,
    MEDIA_TYPE,
    lambda item: write_frame(ITEM, codec.encode(item)),
    lambda wire: write_frame(ERROR, codec.encode(wire)),
    write_frame(END),
    write_frame(BEAT),
)


def choose_form(headers: Mapping[str, str]) -> Form:
    """Choose the form that the caller accepts: msgpack where Accept names it, else JSON."""
    return IN_MSGPACK if MSGPACK in headers.get("accept", "").lower() else IN_JSON


def read_body(row: Operation, media_type: str, body: bytes) -> dict[str, object]:
    """Read the arguments, by name, from a request's body; Invalid when it is no map."""
    given = codec.decode(body) if media_type == MSGPACK else _parse(body)
    if not isinstance(given, dict) or not all(type(name) is str for name in given):
        raise Invalid("the body is not an object", remedy=_usage(row))
    if media_type == MSGPACK:
        return given
    return {name: _argument(row, name, value) for name, value in given.items()}


def read_query(row: Operation, query: Mapping[str, list[str]]) -> dict[str, object]:
    """Read the arguments, by name, from a URL's query, where a list repeats its name."""
    return {name: _from_text(row, name, texts) for name, texts in query.items()}


def bind(row: Operation, given: dict[str, object]) -> list[object]:
    """Put named arguments in the table's order, with the defaults; Invalid names what is missing, unknown or wrong."""
    names = [parameter.name for parameter in row.parameters]
    if unknown := [name[:80] for name in given if name not in names]:
        raise Invalid(f"{row.name} has no {unknown[0]!r}", remedy=_usage(row))
    if missing := [name for name in names[: row.required] if name not in given]:
        raise Invalid(f"{row.name} lacks {missing[0]!r}", remedy=_usage(row))
    return list(row.bind([given.get(parameter.name, parameter.default) for parameter in row.parameters]))


def read_context(text: str | None) -> Wire | None:
    """Read the header Emerge-Context, for `Context.narrowed`."""
    if text is None:
        return None
    found = _parse(text.encode("latin-1", "replace"))
    if not isinstance(found, dict):
        raise Invalid("Emerge-Context is not a JSON object", remedy='send {"transaction": …}, {"umask": …}')
    return found


def _usage(row: Operation) -> str:
    return f"it is {row.name}{row.usage()}"


def _parse(body: bytes) -> object:
    def refuse(name: str) -> object:
        raise ValueError(f"{name} is not JSON")

    try:
        found = json.loads(body, parse_constant=refuse)
        if b"\\ud" in body.lower():  # may be half a character, which no text can have
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise Invalid(f"this is not JSON: {str(error)[:200]}", remedy="send one JSON object") from None


def _argument(row: Operation, name: str, value: object) -> object:
    kinds, annotation = _kinds(row, name)
    if name == PREDICATE and value is not None:
        return _predicate(value)
    if kinds == (bytes,):
        found = _bytes(name, value) if isinstance(value, str) else _value(value)
        return found if isinstance(found, bytes) else codec.encode(found)
    if "dict[str, bytes]" in annotation and isinstance(value, dict):
        return {hash: _bytes(f"{name}: {hash[:80]}", text) for hash, text in value.items()}
    return _value(value)


def _predicate(value: object) -> object:
    """Complete a predicate, whose values may be unencoded, or make one of a text over `o`."""
    if isinstance(value, str):
        value = {"text": value if value.lstrip().startswith("lambda") else f"lambda o: {value}"}
    if not isinstance(value, dict):
        raise Invalid(f"a predicate cannot be {type(value).__name__}", remedy='write "o.price < 3"')
    given = value.get("values", {})
    values = _bytes("values", given) if isinstance(given, str) else _value(given)
    encoded = values if isinstance(values, bytes) else codec.encode(values)
    return {"bundle": "", **value, "values": encoded}


def _from_text(row: Operation, name: str, texts: list[str]) -> object:
    kinds, _ = _kinds(row, name)
    if name == PREDICATE and len(texts) == 1:
        return _predicate(_parse(texts[0].encode()) if texts[0].lstrip().startswith("{") else texts[0])
    if list in kinds:
        return texts
    if len(texts) > 1:
        raise Invalid(f"{name} is given {len(texts)} times", remedy=_usage(row))
    if str in kinds or not kinds:
        return texts[0]
    read = _TEXT.get(kinds[0])
    try:
        return read(texts[0]) if read else _argument(row, name, _parse(texts[0].encode()))
    except (ValueError, KeyError):
        raise Invalid(f"{row.name}: {name} cannot be {texts[0][:80]!r}", remedy=_usage(row)) from None


_TEXT: dict[type, Callable[[str], object]] = {
    int: int,
    bool: lambda text: {"true": True, "1": True, "": True, "false": False, "0": False}[text.lower()],
}


def _kinds(row: Operation, name: str) -> tuple[tuple[type, ...], str]:
    for parameter, kinds in zip(row.parameters, row.kinds, strict=True):
        if parameter.name == name:
            return kinds, str(parameter.annotation)
    return (), ""  # unknown, which `bind` tells


def _value(value: object) -> object:
    """Read JSON data: {"$bytes": base64}, {"$ref": uuid} and {"$value": Python text} stand for what JSON lacks."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, text), *_ = value.items()
        if key in _FORMS and isinstance(text, str):
            return _FORMS[key](text)
    return {key: _value(item) for key, item in value.items()}


_FORMS: dict[str, Callable[[str], object]] = {
    "$bytes": lambda text: _bytes("$bytes", text),
    "$ref": codec.Reference,
    "$value": codec.read_literal,
}


def _bytes(name: str, text: object) -> bytes:
    if isinstance(text, dict) and list(text) == ["$bytes"]:
        text = text["$bytes"]
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except ValueError:
        pass
    raise Invalid(f"{name} is not base64 text", remedy="write bytes in base64")


def write_error(form: Form, error: BaseException) -> bytes:
    """Write an error as a whole answer, without its details if they cannot be written."""
    return _written(error, form.write)


def write_stream_error(form: Form, error: BaseException) -> bytes:
    """Write an error as the last item of a stream."""
    return _written(error, form.error)


def _written(error: BaseException, write: Callable[[ErrorRow], bytes]) -> bytes:
    known = error if isinstance(error, EmergeError) else EmergeError(f"{type(error).__name__}: {error}")
    wire = known.to_wire()
    try:
        return write(wire)
    except EmergeError:
        path, remedy = wire["path"], wire["remedy"]
        return write(
            {
                "code": wire["code"],
                "message": _whole(wire["message"]),
                "path": path and _whole(path),
                "remedy": remedy and _whole(remedy),
                "details": {},
            }
        )


def _whole(text: str) -> str:
    """Replace half characters (surrogates), which shipped code may have put into its error."""
    return text.encode("utf-8", "replace").decode()
