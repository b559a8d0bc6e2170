"""One object as an expression sees it: its state and its metadata, without an instance being made."""

from __future__ import annotations

from typing import Any

from ..codec import decode
from ..errors import Invalid
from ..objects import METADATA
from ..operations import Wire
from .nested import NeedsCode, Nested, missing, nest
from .shape import Shape

HIDDEN = frozenset(METADATA)
"""What an object has from its pointer, whatever its state holds under these names."""
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_UNREADABLE = Shape("", opaque="its state holds a set or map of instances")


class Row:
    """`pointer` is the wire map of a Pointer, `state` encoded or decoded, `shape` that of the object's class.

    A decoded state must be left alone as long as the row is used. Raises what `decode` does.
    """

    __slots__ = ("pointer", "shape", "state")

    def __init__(self, pointer: Wire, state: bytes | dict[str, Any], shape: Shape) -> None:
        self.pointer, self.shape = pointer, shape
        try:
            self.state: dict[str, Any] = _decoded(state)
        except NeedsCode:  # the hash of an instance is up to its class
            self.state, self.shape = {}, _UNREADABLE

    def get(self, name: str) -> Any:
        """The attribute of that name. AttributeError when the object has none; NeedsCode when its class makes it."""
        shape = self.shape
        if shape.opaque or name in shape.computed:
            raise NeedsCode(shape.opaque or f"{name} is computed by {shape.name}")
        if name in HIDDEN:
            return self.pointer[name]
        return self.state[name] if name in self.state else missing(shape, name)


def _decoded(state: bytes | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(state, dict):
        found = decode(state, make_record=Nested)
        if type(found) is not dict:
            raise Invalid(f"a state is a map, not {type(found).__name__}")
        return found
    if _SCALARS.issuperset(map(type, state.values())):
        return state
    return {name: nest(value) for name, value in state.items()}
