"""Make the values of nested records while bytes are decoded: as records here, as instances in `state.py`."""

from __future__ import annotations

from collections.abc import Callable

from .value import Fields, Record, Reference, Value


class RecordMaker:
    """Makes a value of class name, bundle hash and fields: a `Record`, or another class of that form.

    A value that others share is made `blank` first, and filled later.
    """

    def __init__(self, kind: Callable[[str, str, Fields], Value] = Record) -> None:
        self.kind = kind

    def make(self, name: str, bundle: str, fields: Fields) -> object:
        return self.kind(name, bundle, fields)

    def blank(self, name: str, bundle: str, fields: Fields) -> object:
        """Make a value to be filled; one that nothing can be put into has its fields already."""
        return self.kind(name, bundle, fields)

    def fill(self, blank: Value, fields: Fields) -> None:
        blank.fields.update(fields)

    def root(self) -> object:
        """Return what stands for the object whose state is decoded, where the state leads back to it."""
        return Reference("")
