"""An instance within a state, as data: its attributes can be read where its class is plain; all else needs code.

Python's own algorithms (`in`, `==` of lists, `sorted`) meet it deep within containers, so it refuses by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, NoReturn, TypeVar

from ..codec import RecordMaker, decode, encode
from ..errors import EmergeError
from .shape import Shape, known_shape

T = TypeVar("T")


class NeedsCode(EmergeError):
    """Only shipped code knows the answer: it depends on a class, or the expression is more than comparisons.

    Never crosses a wire. It is an EmergeError so that the codec lets it through.
    """

    code = "NeedsCode"


def _refuse(self: Nested, *args: object, **kwargs: object) -> NoReturn:
    raise NeedsCode(f"what {self.class_name} does is up to its class")


_ARITHMETIC = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split()
_OTHERS = (
    "ne lt le gt ge neg pos abs invert round trunc floor ceil int float index complex len iter next contains getitem"
    " reversed str repr format call bytes enter await fspath length_hint"
).split()
_METHODS = [*_ARITHMETIC, *(f"r{name}" for name in _ARITHMETIC), *_OTHERS]
_Closed: Any = type("_Closed", (), {f"__{name}__": _refuse for name in _METHODS} | {"__slots__": ()})


class Nested(_Closed):  # type: ignore[misc]  # its base is made from a table
    """A nested dataclass, named tuple or Enum member."""

    __slots__ = ("bundle", "class_name", "fields")

    def __init__(self, class_name: str, bundle: str, fields: dict[str, object]) -> None:
        self.class_name, self.bundle, self.fields = class_name, bundle, fields

    @property
    def shape(self) -> Shape:
        found = known_shape(self.bundle)
        if found is None:
            raise NeedsCode(f"the class {self.class_name} is not known here")
        return found

    def read(self, name: str) -> object:
        """Return the attribute that an instance would have."""
        shape = self.shape
        if name == shape.member and name in self.fields:
            return self.fields[name]
        if shape.opaque or name in shape.computed or (shape.closed and name not in shape.defaults):
            raise NeedsCode(shape.opaque or f"{name} is computed by {self.class_name}")
        if name in self.fields:
            return bounded(self.fields[name])
        return missing(shape, name)

    def __bool__(self) -> bool:
        if self.shape.opaque or not self.shape.truth:
            raise NeedsCode(f"the truth of {self.class_name} is up to its class")
        return True

    def __eq__(self, other: object) -> bool:
        self._check_member()
        if type(other) is Nested:
            other._check_member()
            return (self.shape.code, self.fields) == (other.shape.code, other.fields)
        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self._check_member()
        return hash((self.shape.code, self.fields.get("name")))

    def _check_member(self) -> None:
        if not self.shape.enum:
            raise NeedsCode(f"whether two {self.class_name} are equal is up to their class")


def bounded(value: T) -> T:
    """Return a value unless it holds itself, or one part so often that comparing or writing it would take for ever.

    Raises:
        NeedsCode: it does; what Python makes of it is found out where there is a limit of time.
    """
    pending: list[object] = [value]
    room = _WRITTEN_OUT
    while pending:
        held = pending.pop()
        if isinstance(held, (list, tuple, set, frozenset, deque)):
            items: Collection[object] = held
        elif isinstance(held, dict):
            items = held.values()
        else:
            continue
        room -= 1
        if not _SCALARS.issuperset(map(type, items)):
            room -= len(items)
            pending += items
        if room < 0:
            raise NeedsCode("it holds itself, or one part very often")
    return value


_WRITTEN_OUT = 1 << 17
"""Items of containers within containers, each counted as often as it is met."""
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


class NestedMaker(RecordMaker):
    """Makes Nested instances where bytes are decoded."""

    def __init__(self) -> None:
        super().__init__(Nested)

    def root(self) -> object:
        raise NeedsCode("the state leads back to its object")


def missing(shape: Shape, name: str) -> object:
    """Return the attribute of an instance whose state lacks it.

    Raises:
        AttributeError: it has no such attribute.
        NeedsCode: its class decides.
    """
    if name in shape.defaults:
        return shape.defaults[name]()
    if name in shape.others or shape.dynamic or name.startswith("__"):
        raise NeedsCode(f"{name} is what the class {shape.name} makes it")
    raise AttributeError(f"{shape.name!r} object has no attribute {name!r}")


def nest(value: object) -> object:
    """Return a decoded value with its records as Nested ones."""
    return decode(encode(value), maker=NestedMaker())
