"""The state of an object: everything it holds but its metadata, written and read without running its code."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from typing import Any

from ..errors import Invalid
from ..objects import METADATA
from .decode import decode
from .encode import PLAIN, BundleOf, encode, pack
from .shape import shape_of, state_of
from .value import Record

ClassOf = Callable[[str, str], type]
_HIDDEN = frozenset(METADATA)


def pack_state(obj: Any, bundle_of: BundleOf) -> bytes:
    """The encoded state of an object: a map of name to value.

    The state is the instance's attributes (fields and others) but for the metadata (`objects.METADATA`) and
    values of functools.cached_property. Raises CannotShip naming the field that cannot be written.
    """
    state = state_of(obj, _HIDDEN)
    if PLAIN.issuperset(map(type, state.values())):
        try:
            return pack(state)
        except (OverflowError, UnicodeEncodeError):
            pass
    return encode(state, bundle_of=bundle_of)


def unpack_state(data: bytes, cls: type, class_of: ClassOf) -> Any:
    """An instance of `cls` with this state; its `__init__` and `__post_init__` do not run.

    Missing fields take their default, or None when they have none. Unknown ones become attributes, so they are
    written back. The metadata is left at its defaults. `class_of` gives the class of a nested record by its bundle
    hash and name. Raises Invalid when the bytes or the class do not fit.
    """

    def make(name: str, bundle: str, fields: dict[str, Any]) -> Any:
        return build(class_of(bundle, name), fields)

    state = decode(data, make_record=make)
    if type(state) is not dict:
        raise Invalid(f"a state is a map, not {type(state).__name__}")
    return _instance(cls, {name: value for name, value in state.items() if name not in _HIDDEN})


def build(cls: type[Any], fields: dict[str, Any]) -> Any:
    """The value of a record, given its class: an Enum member, a named tuple or a dataclass instance."""
    try:
        if issubclass(cls, Flag):
            return cls(fields["value"])
        if issubclass(cls, Enum):
            return cls[fields["name"]]
        if issubclass(cls, tuple):
            kind: Any = cls  # a named tuple
            return kind._make(fields[name] for name in kind._fields)
    except (KeyError, ValueError, AttributeError) as error:
        raise Invalid(f"{cls.__name__} has no member for {Record(cls.__name__, '', fields)}: {error}") from None
    return _instance(cls, fields)


def _instance(cls: type[Any], state: dict[str, Any]) -> Any:
    shape = shape_of(cls)
    for name, default, factory in shape.defaults:
        if name not in state:
            state[name] = default if factory is None else factory()
    try:
        new: Any = cls.__new__
        obj = new(cls)
    except TypeError as error:
        raise Invalid(f"no {cls.__name__} can be made: {error}") from None
    attributes = getattr(obj, "__dict__", None)
    for name in shape.slots:
        if name in state:
            object.__setattr__(obj, name, state.pop(name))
    if attributes is not None:
        attributes.update(state)
    return obj
