"""The older project's base classes: objects that print themselves as JSON, and take their id by position."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time
from typing import Any

from ... import objects as current
from ...codec import Reference
from ...objects import EmergeObject as CurrentObject


class ClassicObject:
    """What the older classes could do beside holding state."""

    def to_json(self) -> str:
        """The public fields, attributes and metadata as JSON. Raises TypeError for what JSON has no form for."""
        return json.dumps(_shown(self), default=_plain)

    def __str__(self) -> str:
        return self.to_json()

    @staticmethod
    def _emerge_face(fs: Any) -> Any:
        """What methods get as `fs`: the filesystem with the older call forms (see `filesystem.runs.inside.method`)."""
        from .client import Client

        return Client.over(fs)


@dataclass
class EmergeObject(ClassicObject, CurrentObject):
    """Anything that lives at a path."""

    id: str = ""


@dataclass
class EmergeFile(EmergeObject, current.EmergeFile):
    """The usual base: an object with a free `data` field."""

    type: str = field(default="file", repr=False, kw_only=True)
    data: Any = field(default="", kw_only=True)


@dataclass
class EmergeBlock(EmergeObject):
    """A piece of something larger, as an object of its own."""

    data: Any = field(default="", kw_only=True)


def _shown(obj: object) -> dict[str, object]:
    """The public data of an object, by name: fields and attributes, and data that its class holds for all."""
    return {name: value for name, value in sorted(_attributes(obj)) if not name.startswith("_")}


def _attributes(obj: object) -> Iterator[tuple[str, object]]:
    found: dict[str, object] = {}
    for cls in reversed(type(obj).__mro__):
        if cls.__module__.partition(".")[0] not in ("emerge_wasm", "builtins"):
            found |= {name: value for name, value in vars(cls).items() if _is_data(value)}
    if is_dataclass(obj):
        found |= {each.name: getattr(obj, each.name) for each in fields(obj) if hasattr(obj, each.name)}
    yield from (found | vars(obj)).items()


def _is_data(value: object) -> bool:
    return isinstance(value, str | int | float | list | tuple | dict | None)


def _plain(value: object) -> object:
    for kind, plain in _FORMS.items():
        if isinstance(value, kind):
            return plain(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _shown(value)
    raise TypeError(f"JSON has no form for {type(value).__name__}: turn it into text or a list first")


_FORMS: dict[type, Callable[[Any], object]] = {
    Reference: lambda value: {"$ref": value.uuid},
    CurrentObject: _shown,
    set: sorted,
    frozenset: sorted,
    date: lambda value: value.isoformat(),
    time: lambda value: value.isoformat(),
}
