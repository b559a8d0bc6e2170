"""What a class's instances hold: their slots, defaults, and the attributes that are only caches.

Looked up once per class. Imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary


@dataclass(frozen=True, slots=True)
class Shape:
    """`caches`: names of functools.cached_property; `defaults`: (field, default, factory or None)."""

    slots: tuple[str, ...]
    caches: frozenset[str]
    defaults: tuple[tuple[str, Any, Callable[[], Any] | None], ...]
    names: frozenset[str]


_SHAPES: WeakKeyDictionary[type, Shape] = WeakKeyDictionary()


def shape_of(cls: type) -> Shape:
    """The shape of a class."""
    shape = _SHAPES.get(cls)
    if shape is None:
        shape = _SHAPES[cls] = _look_at(cls)
    return shape


def _look_at(cls: type) -> Shape:
    slots: list[str] = []
    caches: set[str] = set()
    for base in reversed(cls.__mro__):
        own = vars(base).get("__slots__", ())
        slots += [own] if isinstance(own, str) else own
        caches = {name for name in caches if name not in vars(base)}
        caches |= {name for name, value in vars(base).items() if isinstance(value, cached_property)}
    kept = tuple(name for name in dict.fromkeys(slots) if name not in ("__dict__", "__weakref__"))
    declared = fields(cls) if is_dataclass(cls) else ()
    defaults = []
    for field in declared:
        factory = None if field.default_factory is MISSING else field.default_factory
        defaults.append((field.name, None if field.default is MISSING else field.default, factory))
    return Shape(kept, frozenset(caches), tuple(defaults), frozenset(field.name for field in declared))


def state_of(obj: Any, hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The attributes of an instance, caches and those in `hidden` left out."""
    shape = shape_of(type(obj))
    skip = hidden | shape.caches if shape.caches else hidden
    state = {name: value for name, value in getattr(obj, "__dict__", {}).items() if name not in skip}
    for name in shape.slots:
        if name not in skip and hasattr(obj, name):
            state[name] = getattr(obj, name)
    return state
