"""Rows and steps: an object as an expression sees it, without an instance being made, and what is computed on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..codec import decode
from ..errors import Invalid
from ..objects import METADATA
from .nested import NeedsCode, Nested, NestedMaker, bounded, missing, nest
from .shape import Shape

HIDDEN = frozenset(METADATA)
"""Attributes that come from the pointer, whatever the state holds under these names."""
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})  # how a state without shared parts begins
_UNREADABLE = Shape("", opaque="its state holds a set or map of instances")


class Row:
    """One object: the wire map of its pointer, its state (encoded or decoded), and the shape of its class.

    A decoded state must not be changed while the row is used.

    Raises:
        Invalid, LimitExceeded: the encoded state cannot be decoded.
    """

    __slots__ = ("pointer", "shape", "state")

    def __init__(self, pointer: Mapping[str, object], state: bytes | dict[str, Any], shape: Shape) -> None:
        self.pointer, self.shape = pointer, shape
        try:
            self.state: dict[str, Any] = _decoded(state)
        except NeedsCode:  # the hash of an instance is up to its class
            self.state, self.shape = {}, _UNREADABLE

    def get(self, name: str) -> Any:
        """Return the attribute of that name.

        Raises:
            AttributeError: the object has none.
            NeedsCode: its class computes it.
        """
        shape = self.shape
        if shape.opaque or name in shape.computed:
            raise NeedsCode(shape.opaque or f"{name} is computed by {shape.name}")
        if name in HIDDEN:
            return self.pointer[name]
        return self.state[name] if name in self.state else missing(shape, name)


def _decoded(state: bytes | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(state, dict):
        found = decode(state, maker=NestedMaker())
        if type(found) is not dict:
            raise Invalid(f"a state is a map, not {type(found).__name__}")
        return found if state[0] in _MAPS else {name: _known(value) for name, value in found.items()}
    if _SCALARS.issuperset(map(type, state.values())):
        return state
    return {name: nest(value) for name, value in state.items()}


def _known(value: object) -> object:
    """Return a value of a state with shared parts, or what refuses to be used where it would take for ever."""
    try:
        return bounded(value)
    except NeedsCode:
        return Nested("value that holds itself", "", {})


Read = Callable[[Row], Any]
FOLD_LIMIT = 4096
"""Length of a value that is computed once, when an expression is compiled, and kept."""


@dataclass(slots=True)
class Step:
    """One node of an expression, compiled. `read` gives its value on a row.

    `fixed`: it is `value` on every row. `field`: it is only that attribute of the object.
    """

    read: Read
    fixed: bool = False
    value: Any = None
    field: str = ""


def fixed(value: Any) -> Step:
    """Make a step that has the same value on every row."""
    return Step(lambda row: value, fixed=True, value=value)
