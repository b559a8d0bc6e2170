"""Nested data as a tree that the page folds: dicts, lists, sets and dataclass instances within each other. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NotRequired, TypedDict

from .table import fields_shown

TREE = "application/vnd.emerge.tree+json"

NODES = 4_000
DEPTH = 24
LONGEST = 400  # characters of a value
BRIEF = 100  # characters up to which the repr itself is easier to read


class TreeRow(TypedDict):
    """`kind` is the type of what has `children`, the first of `count`; of anything else `text` is the repr."""

    key: str
    text: NotRequired[str]
    kind: NotRequired[str]
    count: NotRequired[int]
    children: NotRequired[list[TreeRow]]


def make_tree(value: object, text: str) -> TreeRow | None:
    """The tree of a value with this repr; None when it is not nested, or short enough to be read as text."""
    items = _items(value)
    if items is None or (len(text) <= BRIEF and "\n" not in text):
        return None
    if not dataclasses.is_dataclass(value) and all(_items(item) is None for _, item in items):
        return None
    return _Walk().node("", value, ())


class _Walk:
    """`left` is the number of nodes that may still be made."""

    def __init__(self) -> None:
        self.left = NODES

    def node(self, key: str, value: object, above: tuple[int, ...]) -> TreeRow:
        self.left -= 1
        items = None if id(value) in above or len(above) > DEPTH else _items(value)
        if items is None:
            return {"key": key, "text": _brief(value)}
        children: list[TreeRow] = []
        count = 0
        for name, item in items:
            count += 1
            if self.left > 0:
                children.append(self.node(name, item, (*above, id(value))))
        return {"key": key, "kind": type(value).__name__, "count": count, "children": children}


def _items(value: object) -> Iterator[tuple[str, object]] | None:
    if isinstance(value, Mapping):
        return ((_brief(key), item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", None)
        return ((names[at] if names else str(at), item) for at, item in enumerate(value))
    if isinstance(value, (set, frozenset)):
        return (("", item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return iter(fields_shown(value).items())
    return None


def _brief(value: object) -> str:
    try:
        text = value if type(value) is str and len(value) > LONGEST else repr(value)
    except Exception as error:  # the user's code; the rest of the tree is shown
        text = f"<{type(value).__name__}: {type(error).__name__} in its repr>"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
