"""The OpenAPI description of the routes in `file_route.py`. Pure."""

from __future__ import annotations

from ..operations import Wire
from .form import JSON

_ABOUT = (
    "A file as it is, or the bytes of an object, at its path, which has slashes as it is. `ETag` is the root of its "
    "block map; `Range`, `If-Range`, `If-Match` and `If-None-Match` are heeded."
)
_PUT = (
    "Make a file of the body, of whatever size. It is there once all of it has come; nothing is to be seen of one that "
    "is cut off. `If-Match` replaces only the file with that entity tag; `If-None-Match: *` only makes a new one."
)
_BYTES: Wire = {"application/octet-stream": {"schema": {"type": "string", "contentEncoding": "binary"}}}


def describe_files(pointer: Wire, failures: Wire) -> Wire:
    """The paths of the document; `pointer` is the schema of a pointer, `failures` are the responses of errors."""
    context = {"$ref": "#/components/parameters/context"}
    reading = [
        _query("version", "integer", "An older version."),
        _query("as_of", "string", "The version of that moment."),
        _query("download", "string", "Whatever it is, a browser saves it."),
        context,
    ]
    writing = [
        _query("raid", "integer", "The raid level."),
        _query("version", "integer", "The version that it replaces."),
        _query("perms", "string", "The rights of a new one."),
        context,
    ]
    read: Wire = {"tags": ["files"], "description": _ABOUT, "parameters": reading}
    whole = {"description": "All of it.", "content": _BYTES}
    part = {"description": "Parts of it: one as it is, more as multipart/byteranges.", "content": _BYTES}
    missed: Wire = {"412": {"description": "It is another one than the request names."}}
    made = {"description": "Its new pointer; 201 where nothing was.", "content": {JSON: {"schema": pointer}}}
    unchanged: Wire = {"304": {"description": "It is the one that the request names."}, **missed}
    outside: Wire = {"416": {"description": "No such part is in it; Content-Range says its size."}}
    get: Wire = {"operationId": "read_file", "summary": "Read a file."}
    head: Wire = {"operationId": "look_at_file", "summary": "Ask for a file's size and entity tag."}
    put: Wire = {"operationId": "write_file", "summary": "Write a file.", "tags": ["files"], "description": _PUT}
    body = {"required": True, "content": _BYTES}
    return {
        "/files/{path}": {
            "parameters": [{"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {**get, **read, "responses": {"200": whole, "206": part, **unchanged, **outside, **failures}},
            "head": {**head, **read, "responses": {"200": {"description": "There is one."}, **unchanged, **failures}},
            "put": {
                **put,
                "parameters": writing,
                "requestBody": body,
                "responses": {"200": made, "201": made, **missed, **failures},
            },
        }
    }


def _query(name: str, kind: str, about: str) -> Wire:
    return {"name": name, "in": "query", "required": False, "description": about, "schema": {"type": kind}}
