"""Values as JSON data that reads back exactly: what JSON has not is a map with one key that begins with `$`.

`{"$tuple": […]}`, `{"$set": […]}`, `{"$class": "Line", …fields}`; of all else the text, `{"$python": "b'…'"}`.
"""

from __future__ import annotations

import math
from typing import Any

from ...codec import Record
from ...errors import Invalid
from .value_text import ValueText


def to_json(value: object, texts: ValueText) -> object:
    """Return a value as data for JSON."""
    kind = type(value)
    if value is None or kind in (bool, int, str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if kind is list and isinstance(value, list):
        return [to_json(item, texts) for item in value]
    if kind is tuple and isinstance(value, tuple):
        return {"$tuple": [to_json(item, texts) for item in value]}
    if kind is set and isinstance(value, set):
        return {"$set": [to_json(item, texts) for item in sorted(value, key=texts.show)]}
    if kind is dict and isinstance(value, dict) and all(type(key) is str and key[:1] != "$" for key in value):
        return {key: to_json(item, texts) for key, item in value.items()}
    if isinstance(value, Record) and (value.class_name, value.bundle) not in texts.enums:
        return {"$class": value.class_name, **{name: to_json(item, texts) for name, item in value.fields.items()}}
    return {"$python": texts.show(value)}


def to_text(data: Any) -> str:
    """Return the Python text of JSON data, which `ValueText.read` then reads.

    Raises:
        Invalid: a map with a `$` says nothing that is known.
    """
    if isinstance(data, list):
        return f"[{', '.join(map(to_text, data))}]"
    if not isinstance(data, dict):
        return repr(data)
    marks = [key for key in data if key[:1] == "$"]
    if not marks:
        return "{" + ", ".join(f"{key!r}: {to_text(item)}" for key, item in data.items()) + "}"
    mark, held = marks[0], data[marks[0]]
    if mark == "$class" and isinstance(held, str) and len(marks) == 1:
        return f"{held}({', '.join(f'{key}={to_text(item)}' for key, item in data.items() if key != mark)})"
    if len(data) == 1 and mark == "$python" and isinstance(held, str):
        return held
    if len(data) == 1 and mark in ("$tuple", "$set") and isinstance(held, list):
        items = ", ".join(map(to_text, held))
        if mark == "$set":
            return f"{{{items}}}" if held else "set()"
        return f"({items}{',' if len(held) == 1 else ''})"
    raise Invalid(
        f"{mark[:40]} is not known", remedy='use {"$tuple": […]}, {"$set": […]}, {"$class": …}, {"$python": "…"}'
    )
