"""What an instance knows of where it is: taken from a pointer, and put back."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..codec.attributes import state_of
from ..objects import METADATA

metadata_of = attrgetter(*METADATA)
"""The metadata of an instance, or of a pointer, in the order of METADATA."""


def set_metadata(obj: Any, values: tuple[Any, ...]) -> None:
    for name, value in zip(METADATA, values, strict=True):
        object.__setattr__(obj, name, value)


def set_state(obj: Any, other: Any) -> None:
    """Make an instance hold what another one does."""
    for name, value in state_of(other).items():
        object.__setattr__(obj, name, value)
    for name in set(vars(obj)) - set(vars(other)):
        object.__delattr__(obj, name)
