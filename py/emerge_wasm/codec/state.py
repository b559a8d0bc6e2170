"""Write and read the state of an object, which is all that it holds but its metadata, without running its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, Flag

from ..errors import CannotShip, Invalid
from ..objects import METADATA
from .attributes import attributes_of, state_of
from .decode import Decoder, check_depth, check_lengths, decode
from .encode import encode
from .encoder import PLAIN, BundleOf
from .foreign import is_foreign_name
from .msgpack_engine import engine
from .native import PackageMaker
from .value import SIZE_LIMIT, Fields, Record, Value, too_large

ClassOf = Callable[[str, str], type]
"""Gives the class of a nested record by its bundle hash and name."""
_HIDDEN = frozenset(METADATA)
_NOTHING: frozenset[int] = frozenset()
_bases: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__  # no metaclass can answer instead
_names: Callable[[type], Mapping[str, object]] = type.__dict__["__dict__"].__get__


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


class UnusualState(Exception):
    """A state is not as its class has it now, or its class has what instances seldom have."""


class StateReader:
    """Makes instances of one class, many of them: what the class asks for is found once, and each has its metadata.

    It gives what `unpack_state` gives, or raises. That function then reads the state, or says what is wrong with it.
    """

    LARGEST = 256 << 10
    """Bytes of a state, which cannot become too many values for `decode`."""

    def __init__(self, cls: type, class_of: ClassOf) -> None:
        known = attributes_of(cls)
        self._cls = cls
        self._class_of = class_of
        self._new: Value = cls.__new__
        self._needed = {name for name, _, _ in known.defaults}.union(known.required) - _HIDDEN
        self._usual: tuple[str, ...] | None = None  # the names that the last state had
        self._usable = not known.slots and not any(_is_data_descriptor(cls, name) for name in METADATA)
        self._root: Value = None
        self._decoder: Decoder | None = None

    def read(self, data: bytes, metadata: Mapping[str, object]) -> Value:
        """Make the instance with this state and metadata (of more names than these).

        Raises:
            Exception: any, where `unpack_state` is needed.
        """
        if not self._usable or len(data) > self.LARGEST:
            raise UnusualState
        check_lengths(data)
        obj = self._root = self._new(self._cls)
        self._decoder = None
        state = engine.unpackb(data, raw=False, strict_map_key=True, timestamp=3, ext_hook=self._extension)
        shared = _NOTHING if self._decoder is None else self._decoder.shared
        names = tuple(state)
        if type(state) is not dict or id(state) in shared or (names != self._usual and not self._suffice(names)):
            raise UnusualState
        check_depth(state, data, shared)
        self._usual = names
        state["name"] = metadata["name"]
        state["path"] = metadata["path"]
        state["type"] = metadata["type"]
        state["perms"] = metadata["perms"]
        state["owner"] = metadata["owner"]
        state["group"] = metadata["group"]
        state["uuid"] = metadata["uuid"]
        state["node"] = metadata["node"]
        state["version"] = metadata["version"]
        state["date"] = metadata["date"]
        object.__setattr__(obj, "__dict__", state)
        return obj

    def _suffice(self, names: tuple[str, ...]) -> bool:
        """Tell whether a state of these names has all that the class has, and no metadata."""
        return self._needed.issubset(names) and _HIDDEN.isdisjoint(names)

    def _extension(self, code: int, data: bytes) -> object:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = Decoder(InstanceMaker(self._class_of, self._root))
            decoder.level = 1
        return decoder.extension(code, data)


def _is_data_descriptor(cls: type, name: str) -> bool:
    """Tell whether the class itself keeps this attribute of its instances, such as a property. Runs no code of it."""
    for each in _bases(cls):
        held = _names(each)
        if name in held:
            return hasattr(type(held[name]), "__set__")
    return False


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
