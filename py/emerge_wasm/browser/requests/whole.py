"""Requests for the whole of a field whose view has only a part: its text, or its bytes."""

from __future__ import annotations

from base64 import b64encode

from ...errors import Invalid, NotFound
from ...results import ObjectRow
from ..protocol.argument import FieldPieceArgs, FieldTextArgs
from ..protocol.view import FieldPiece, FieldText
from ..tab import Tab
from .class_view import describe_class
from .value_text import ValueText
from .view import kind_of, state_of

MOST_PIECE = 8 << 20
MOST_TEXT = 4_000_000
"""Characters that can be read back."""


async def field_text(tab: Tab, args: FieldTextArgs) -> FieldText:
    """Return the whole text of a field, to be edited; `reason` says why it cannot be."""
    place = tab.find(args)
    found: ObjectRow = await place.call("getobject", [args["path"], args["version"]])
    state, name = state_of(found), args["field"]
    described = await describe_class(place, found["pointer"]["bundle"])
    value = state.get(name)
    kind = kind_of(described.forms.forms.get(described.forms.fields.get(name, "")), value)
    if kind == "text" and isinstance(value, str):
        return {"text": value, "reason": ""}
    texts = ValueText(described.forms, state)
    text = texts.show(value)
    if len(text) > MOST_TEXT:
        return {
            "text": "",
            "reason": f"It has {len(text):,} characters as text: too many to edit. Change it from a cell.",
        }
    return {"text": text, "reason": "" if texts.way(value, text) is not None else texts.why_not(value)}


async def field_piece(tab: Tab, args: FieldPieceArgs) -> FieldPiece:
    """Return a piece of the bytes that a field holds, in base64.

    Raises:
        NotFound, Invalid: there is no such field, or it holds no bytes.
    """
    found: ObjectRow = await tab.find(args).call("getobject", [args["path"], args["version"]])
    state, name = state_of(found), args["field"]
    if name not in state:
        raise NotFound(f"{args['path']} has no field {name[:80]!r}", path=args["path"])
    value = state[name]
    if not isinstance(value, bytes | bytearray):
        raise Invalid(f"{name} holds no bytes, but a {type(value).__name__}", path=args["path"])
    begin = max(args["begin"], 0)
    piece = bytes(value[begin : begin + max(min(args["size"], MOST_PIECE), 0)])
    return {"size": len(value), "data": b64encode(piece).decode()}
