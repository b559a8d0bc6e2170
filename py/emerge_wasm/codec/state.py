"""Write and read the state of an object, which is all that it holds but its metadata, without running its code."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag

from ..errors import CannotShip, Invalid
from ..objects import METADATA
from .attributes import attributes_of, state_of
from .decode import decode
from .encode import encode
from .encoder import PLAIN, BundleOf
from .foreign import is_foreign_name
from .msgpack_engine import engine
from .native import PackageMaker
from .value import SIZE_LIMIT, Fields, Record, Value, too_large

ClassOf = Callable[[str, str], type]
"""Gives the class of a nested record by its bundle hash and name."""
_HIDDEN = frozenset(METADATA)


def pack_state(obj: object, bundle_of: BundleOf) -> bytes:
    """Encode the state of an object: a map of name to value.

    The state is the instance's attributes (fields and others) but for the metadata (`objects.METADATA`) and
    values of functools.cached_property.

    Raises:
        CannotShip: a field cannot be written, or the class requires one that is not there; the error names it.
        LimitExceeded: it is too large.
    """
    state = state_of(obj, _HIDDEN)
    for name in attributes_of(type(obj)).required:
        if name not in state and name not in _HIDDEN:
            raise CannotShip(
                f"this {type(obj).__name__} has no {name}, which its class requires, so it could not be read again",
                remedy="set it, or give it a default in the class",
                field=name,
            )
    if PLAIN.issuperset(map(type, state.values())):
        try:
            data = engine.packb(state)
        except (OverflowError, UnicodeEncodeError):
            pass
        else:
            if len(data) > SIZE_LIMIT:
                raise too_large(f"the state has {len(data)} bytes", SIZE_LIMIT)
            return data
    return encode(state, bundle_of=bundle_of, root=obj)


def unpack_state(data: bytes, cls: type, class_of: ClassOf) -> Value:
    """Make an instance of `cls` with this state; its `__init__` and `__post_init__` do not run.

    Missing fields take their default. Unknown ones become attributes, so they are written back. The metadata is left at
    its defaults.

    Raises:
        Invalid: the bytes are no state, do not fit the class, or lack a field that it requires.
    """
    root = _blank(cls)
    state = decode(data, maker=InstanceMaker(class_of, root))
    if type(state) is not dict:
        raise Invalid(f"a state is a map, not {type(state).__name__}")
    if not _HIDDEN.isdisjoint(state):
        state = {name: value for name, value in state.items() if name not in _HIDDEN}
    return _fill(root, state)


class InstanceMaker(PackageMaker):
    """Makes instances of the classes of nested records; `root` is the object whose state is read."""

    def __init__(self, class_of: ClassOf, root: object = None) -> None:
        self.kind = Record
        self.class_of = class_of
        self._root = root

    def make(self, name: str, bundle: str, fields: Fields) -> object:
        if not bundle and is_foreign_name(name, bundle):
            return super().make(name, bundle, fields)
        return build(self.class_of(bundle, name), fields)

    def blank(self, name: str, bundle: str, fields: Fields) -> object:
        if is_foreign_name(name, bundle):
            return super().blank(name, bundle, fields)
        return _blank(self.class_of(bundle, name))

    def fill(self, blank: Value, fields: Fields) -> None:
        super().fill(blank, fields) if type(blank) is Record else _fill(blank, fields)

    def root(self) -> object:
        return super().root() if self._root is None else self._root


def build(cls: type, fields: dict[str, object]) -> object:
    """Make the value of a record, given its class: an Enum member, a named tuple or a dataclass instance."""
    try:
        if issubclass(cls, Flag):
            return cls(fields["value"])
        if issubclass(cls, Enum):
            return cls[str(fields["name"])]
        if issubclass(cls, tuple):
            kind: Value = cls  # a named tuple
            return kind._make(fields[name] for name in kind._fields)
    except (KeyError, ValueError, AttributeError) as error:
        raise Invalid(f"{cls.__name__} has no member for {Record(cls.__name__, '', fields)}: {error}") from None
    return _fill(_blank(cls), fields)


def _blank(cls: type) -> Value:
    """Make an instance without attributes."""
    try:
        new: Value = cls.__new__
        return new(cls)
    except TypeError as error:
        raise Invalid(f"no {cls.__name__} can be made: {error}") from None


def _fill(obj: Value, state: dict[str, object]) -> Value:
    """Set the attributes of a blank instance."""
    known = attributes_of(type(obj))
    for name, default, factory in known.defaults:
        if name not in state:
            state[name] = default if factory is None else factory()
    for name in known.required:
        if name not in state and name not in _HIDDEN:
            raise Invalid(
                f"the state has no {name}, which the class {type(obj).__name__} requires",
                remedy="give it a default in the class, or update the object",
                field=name,
                class_name=type(obj).__name__,
            )
    attributes = getattr(obj, "__dict__", None)
    for name in known.slots:
        if name in state:
            object.__setattr__(obj, name, state.pop(name))
    if attributes is not None:
        attributes.update(state)
    return obj
