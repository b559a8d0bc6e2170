"""Find the attributes that the instances of a class have: slots, defaults, and those that are only caches.

Each class is looked at once. Imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property, partial
from weakref import WeakKeyDictionary

Default = tuple[str, object, Callable[[], object] | None]
"""A field, its default, and what makes it (None: the default is taken as it is)."""


@dataclass(frozen=True, slots=True)
class ClassAttributes:
    """The attributes of a class's instances.

    `caches`: names of functools.cached_property. `required`: fields that `__init__` must be given.
    """

    slots: tuple[str, ...]
    caches: frozenset[str]
    defaults: tuple[Default, ...]
    required: tuple[str, ...]


_OF_GENERICS = "__orig_class__"  # what `Box[int](…)` leaves in an instance: a type, which only type checkers read
_KNOWN: WeakKeyDictionary[type, ClassAttributes] = WeakKeyDictionary()


def attributes_of(cls: type) -> ClassAttributes:
    """Return the attributes of a class's instances."""
    known = _KNOWN.get(cls)
    if known is None:
        known = _KNOWN[cls] = _look_at(cls)
    return known


def _look_at(cls: type) -> ClassAttributes:
    slots: list[str] = []
    caches: set[str] = set()
    for base in reversed(cls.__mro__):
        own = vars(base).get("__slots__", ())
        slots += [_mangled(name, base) for name in ([own] if isinstance(own, str) else own)]
        caches = {name for name in caches if name not in vars(base)}
        caches |= {name for name, value in vars(base).items() if isinstance(value, cached_property)}
    kept = tuple(name for name in dict.fromkeys(slots) if name not in ("__dict__", "__weakref__"))
    return ClassAttributes(kept, frozenset(caches), tuple(_defaults(cls)), tuple(_required(cls)))


def _mangled(name: str, cls: type) -> str:
    """Return the name under which instances have the slot of a class."""
    private = name.startswith("__") and not name.endswith("__")
    return f"_{cls.__name__.lstrip('_')}{name}" if private else name


def _defaults(cls: type) -> Iterator[Default]:
    if not is_dataclass(cls):
        yield from _other_defaults(cls)
        return
    for field in fields(cls):
        if field.default_factory is not MISSING:
            yield field.name, None, field.default_factory
        elif field.default is not MISSING:
            yield field.name, field.default, None


def _other_defaults(cls: type) -> Iterator[Default]:
    """Yield the defaults of an attrs class or a pydantic model; a factory that needs other fields is left out."""
    for field in getattr(cls, "__attrs_attrs__", ()):
        factory = getattr(field.default, "factory", None)
        if factory is not None and not field.default.takes_self:
            yield field.name, None, factory
        elif factory is None and not _is_nothing(field.default):
            yield field.name, field.default, None
    for name, field in getattr(cls, "__pydantic_fields__", {}).items():
        if not (getattr(field, "default_factory_takes_validated_data", False) or field.is_required()):
            yield name, None, partial(field.get_default, call_default_factory=True)


def _required(cls: type) -> Iterator[str]:
    """Yield the fields that have no default and that `__init__` must be given."""
    if is_dataclass(cls):
        for field in fields(cls):
            if field.init and field.default is MISSING and field.default_factory is MISSING:
                yield field.name
        return
    for other in getattr(cls, "__attrs_attrs__", ()):
        if other.init and _is_nothing(other.default):
            yield other.name
    yield from (name for name, field in getattr(cls, "__pydantic_fields__", {}).items() if field.is_required())


def _is_nothing(default: object) -> bool:
    """Tell whether this is what attrs has where there is no default."""
    return getattr(default, "name", "") == "NOTHING"


def has_fields(cls: type) -> bool:
    """Tell whether instances of a class are stored by their fields: a dataclass, an attrs class, a pydantic model."""
    return (
        hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__") or hasattr(cls, "__pydantic_fields__")
    )


def state_of(obj: object, hidden: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return the attributes that an instance has now, without its caches and those in `hidden`."""
    known = attributes_of(type(obj))
    skip = hidden | known.caches if known.caches else hidden
    state = {name: value for name, value in getattr(obj, "__dict__", {}).items() if name not in skip}
    for name in known.slots:
        if name not in skip and hasattr(obj, name):
            state[name] = getattr(obj, name)
    state.pop(_OF_GENERICS, None)
    return state
