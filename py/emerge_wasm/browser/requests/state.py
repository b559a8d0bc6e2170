"""Requests for the state of an object as one text, Python or JSON, and for what was changed in such a text."""

from __future__ import annotations

import ast
import json
import tokenize
from collections.abc import Iterator
from typing import Any

from ...codec import encode
from ...codec.syntax_depth import check_nesting
from ...errors import EmergeError, Invalid
from ...objects import METADATA
from ...results import ObjectRow
from ..places.place import TabPlace
from ..protocol.argument import ReadStateArgs, WriteStateArgs
from ..protocol.view import ReadState, StateFormat, StateText
from ..tab import Tab
from .class_view import describe_class
from .edit import read_changes
from .state_json import to_json, to_text
from .value_text import ValueText, shorten
from .view import kind_of, state_of

LONGEST = 4_000_000  # characters
WIDE = 100  # characters of a line, above which a value is written on several


async def write_state(tab: Tab, args: WriteStateArgs) -> StateText:
    """Return the state as text, with edits (texts of fields) in it; `left` are fields that cannot be text, and why."""
    place = tab.find(args)
    changes = await read_changes(place, args["path"], args["version"], args["changes"])
    texts = ValueText(changes.described.forms, changes.state)
    fields, left = dict[str, str](), dict[str, str]()
    for name, value in {**changes.state, **changes.values}.items():
        if name in METADATA:
            continue
        text = texts.show(value)
        if texts.way(value, text) is None:
            left[name] = texts.why_not(value)
        elif args["format"] == "json":
            fields[name] = json.dumps(to_json(value, texts), ensure_ascii=False, indent=2).replace("\n", "\n  ")
        else:
            fields[name] = _wide(value, text, texts)
    quote = json.dumps if args["format"] == "json" else repr
    rows = [f"{quote(name)}: {text}" for name, text in fields.items()]
    indent = "\n  " if args["format"] == "json" else "\n    "
    comma = "" if args["format"] == "json" else ","
    whole = "{" + indent + f",{indent}".join(rows) + f"{comma}\n}}\n" if rows else "{}\n"
    if len(whole) > LONGEST:
        raise Invalid(
            f"the state has {len(whole):,} characters as text", remedy="edit its fields one by one, or from a cell"
        )
    return {"text": whole, "left": left}


def _wide(value: object, text: str, texts: ValueText) -> str:
    """Write the items of a long list or map on lines of their own."""
    if len(text) <= WIDE or type(value) not in (list, dict):
        return text
    if isinstance(value, dict):
        rows = [f"{texts.show(key)}: {texts.show(item)}" for key, item in value.items()]
    else:
        rows = [texts.show(item) for item in value] if isinstance(value, list) else []
    lines = "".join(f"\n        {row}," for row in rows)
    return f"{text[0]}{lines}\n    {text[-1]}"


async def read_state(tab: Tab, args: ReadStateArgs) -> ReadState:
    """Return the texts of the fields that a state's text has otherwise than the version that it was made of.

    Raises:
        Invalid: the text is no state; the error says where.
    """
    place = tab.find(args)
    found: ObjectRow = await place.call("getobject", [args["path"], args["version"]])
    return {"changes": await _read(place, found, args["format"], args["text"])}


async def _read(place: TabPlace, found: ObjectRow, format: StateFormat, text: str) -> dict[str, str]:
    described, state = await describe_class(place, found["pointer"]["bundle"]), state_of(found)
    texts = ValueText(described.forms, state)
    changes = dict[str, str]()
    named = set[str]()
    for name, written in _json_fields(text) if format == "json" else _python_fields(text):
        if name in named:
            raise Invalid(f"{name} is there twice", remedy="leave one of them")
        if name in METADATA:
            raise Invalid(
                f"{name} is no part of the state", remedy="rename, move or change rights where they are shown"
            )
        named.add(name)
        before = state.get(name)
        try:
            value = texts.read(written, before)
        except Invalid as error:
            raise shorten(error, name) from None
        if name in state and encode(value) == _encoded(before):
            continue
        kind = kind_of(described.forms.forms.get(described.forms.fields.get(name, "")), before)
        changes[name] = value if isinstance(value, str) and kind in ("str", "text") else written
    lacking = [name for name in state if name not in named and name not in METADATA]
    gone = [name for name in lacking if texts.way(state[name], texts.show(state[name])) is not None]
    if gone:
        raise Invalid(
            f"{', '.join(gone)[:200]} is missing", remedy="a field cannot be removed here: leave it in the text"
        )
    return changes


def _encoded(value: object) -> bytes:
    try:
        return encode(value)
    except EmergeError:
        return b""


def _python_fields(text: str) -> Iterator[tuple[str, str]]:
    try:
        check_nesting(text)
        node = ast.parse(text.strip(), mode="eval").body
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Invalid(f"this is no Python{line}: {reason}") from None
    if not isinstance(node, ast.Dict):
        raise Invalid("a state is written as a dict: {'field': value, …}")
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise Invalid(
                f"{ast.unparse(key)[:40] if key else '**'} is no name of a field", remedy="write it in quotes"
            )
        yield key.value, ast.unparse(value)


def _json_fields(text: str) -> Iterator[tuple[str, str]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Invalid("a name is there twice in one map", remedy="leave one of them")
        return found

    try:
        data = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise Invalid(f"this is no JSON in line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise Invalid("this is nested too deep") from None
    if not isinstance(data, dict):
        raise Invalid('a state is written as a map: {"field": value, …}')
    for name, value in data.items():
        try:
            yield name, to_text(value)
        except Invalid as error:
            raise shorten(error, name) from None
