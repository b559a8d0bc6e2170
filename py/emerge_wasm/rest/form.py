"""The two forms of an HTTP call: JSON for people with curl, msgpack (the codec's) for programs. No I/O.

Arguments are read by their types in the operation table, predicates as people write them. No operation is named here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import codec
from ..codec.cost import CONTAINER
from ..errors import EmergeError, Invalid, LimitExceeded
from ..operations import Operation, Wire
from ..results import ErrorRow
from ..wire.event import REQUEST_COST
from ..wire.frame import BEAT, END, ERROR, ITEM, MEDIA_TYPE, write_frame

JSON, MSGPACK, LINES = "application/json", "application/msgpack", "application/x-ndjson"

JSON_COST = 250_000
"""The most values that JSON may become, where a list or an object counts as several; msgpack is read faster."""

LITERALS, _EACH = 1 << 16, 32
"""The characters of the Python texts in one request, which take a microsecond each to parse."""

_TEXTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

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
    given = codec.decode(body, cost=REQUEST_COST) if media_type == MSGPACK else parse_json(body)
    if not isinstance(given, dict) or not all(type(name) is str for name in given):
        raise Invalid("the body is not an object", remedy=_usage(row))
    if media_type == MSGPACK:
        return given
    literals = _Literals()
    return {name: _argument(row, name, value, literals) for name, value in given.items()}


def read_query(row: Operation, query: Mapping[str, list[str]]) -> dict[str, object]:
    """Read the arguments, by name, from a URL's query, where a list repeats its name."""
    literals = _Literals()
    return {name: _from_text(row, name, texts, literals) for name, texts in query.items()}


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
    found = parse_json(text.encode("latin-1", "replace"))
    if not isinstance(found, dict):
        raise Invalid("Emerge-Context is not a JSON object", remedy='send {"transaction": …}, {"umask": …}')
    return found


def _usage(row: Operation) -> str:
    return f"it is {row.name}{row.usage()}"


def parse_json(body: bytes) -> object:
    """Parse JSON.

    Raises:
        Invalid: it is none, or has a number or a text that JSON has not.
        LimitExceeded: it would become more than JSON_COST values; nothing is made of it.
    """

    def refuse(name: str) -> object:
        raise ValueError(f"{name} is not JSON")

    if _json_cost(body) > JSON_COST and _json_cost(_TEXTS.sub(b"", body)) > JSON_COST:
        raise LimitExceeded(
            f"this JSON would become more than {JSON_COST} values (a list or an object counts as {CONTAINER} more)",
            remedy=f"send less at once, or {MSGPACK}",
            limit="values",
        )
    try:
        found = json.loads(body, parse_constant=refuse)
        if b"\\ud" in body.lower():  # may be half a character, which no text can have
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except (ValueError, RecursionError) as error:
        raise Invalid(f"this is not JSON: {str(error)[:200]}", remedy="send one JSON object") from None


def _json_cost(body: bytes) -> int:
    """At most what JSON would become; what is in its texts is counted, too."""
    return len(body) > JSON_COST and body.count(b",") + (1 + CONTAINER) * (body.count(b"[") + body.count(b"{"))


def _argument(row: Operation, name: str, value: object, literals: _Literals) -> object:
    kinds, annotation = _kinds(row, name)
    if name == PREDICATE and value is not None:
        return _predicate(value, literals)
    if kinds == (bytes,):
        found = _bytes(name, value) if isinstance(value, str) else literals.read(value)
        return found if isinstance(found, bytes) else codec.encode(found)
    if "dict[str, bytes]" in annotation and isinstance(value, dict):
        return {hash: _bytes(f"{name}: {hash[:80]}", text) for hash, text in value.items()}
    return literals.read(value)


def _predicate(value: object, literals: _Literals) -> object:
    """Complete a predicate, whose values may be unencoded, or make one of a text over `o`."""
    if isinstance(value, str):
        value = {"text": value if value.lstrip().startswith("lambda") else f"lambda o: {value}"}
    if not isinstance(value, dict):
        raise Invalid(f"a predicate cannot be {type(value).__name__}", remedy='write "o.price < 3"')
    given = value.get("values", {})
    values = _bytes("values", given) if isinstance(given, str) else literals.read(given)
    encoded = values if isinstance(values, bytes) else codec.encode(values)
    return {"bundle": "", **value, "values": encoded}


def _from_text(row: Operation, name: str, texts: list[str], literals: _Literals) -> object:
    kinds, _ = _kinds(row, name)
    if name == PREDICATE and len(texts) == 1:
        return _predicate(parse_json(texts[0].encode()) if texts[0].lstrip().startswith("{") else texts[0], literals)
    if list in kinds:
        return texts
    if len(texts) > 1:
        raise Invalid(f"{name} is given {len(texts)} times", remedy=_usage(row))
    if str in kinds or not kinds:
        return texts[0]
    read = _TEXT.get(kinds[0])
    try:
        return read(texts[0]) if read else _argument(row, name, parse_json(texts[0].encode()), literals)
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


class _Literals:
    """Reads JSON data: {"$bytes": base64}, {"$ref": uuid} and {"$value": Python text} stand for what JSON lacks.

    All Python texts of one request have one limit.
    """

    def __init__(self) -> None:
        self._left = LITERALS

    def read(self, value: object) -> object:
        if isinstance(value, list):
            return [self.read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, text), *_ = value.items()
            if isinstance(text, str):
                if key == "$value":
                    return self._literal(text)
                if key in _FORMS:
                    return _FORMS[key](text)
        return {key: self.read(item) for key, item in value.items()}

    def _literal(self, text: str) -> object:
        self._left -= len(text) + _EACH
        if self._left < 0:
            raise LimitExceeded(
                f"the $value texts of a request are more than {LITERALS} characters, {_EACH} more for each",
                remedy=f"send {MSGPACK}, or what JSON has",
                limit="literals",
            )
        return codec.read_literal(text)


_FORMS: dict[str, Callable[[str], object]] = {"$bytes": lambda text: _bytes("$bytes", text), "$ref": codec.Reference}


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
