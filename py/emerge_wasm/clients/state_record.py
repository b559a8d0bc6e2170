"""An object as plain state, in place of an instance of a class that was not loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..codec import decode, encode
from ..codec.attributes import state_of
from ..codec.encoder import BundleOf
from ..objects import METADATA, EmergeObject, Pointer

_KEPT = "__class__of_record__"
_NO_STATE = frozenset((*METADATA, _KEPT))


class RecordedClass(NamedTuple):
    """The class that an object was stored with, and why it is not loaded."""

    name: str
    bundle: str
    hint: str


@dataclass(kw_only=True, eq=False, repr=False)
class StateRecord(EmergeObject):
    """An object whose class was not loaded: its metadata and fields, as they are stored, and no methods.

    Fields can be set, and it can be stored again: it stays of its class. `recorded_class` tells which that is.
    """

    if not TYPE_CHECKING:  # it gives nothing that a type checker should believe in

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            found = recorded_class(self)
            raise AttributeError(f"{found.name} was not loaded, so it has no {name!r} here: {found.hint}")

    def __repr__(self) -> str:
        found = recorded_class(self)
        fields = ", ".join(f"{name}={value!r}" for name, value in fields_of(self).items())
        return f"<record of {found.name}: {fields}> ({found.hint})"


def make_record(state: bytes, pointer: Pointer, hint: str) -> StateRecord:
    """Return the record of an object; no code runs."""
    record = StateRecord()
    vars(record).update({name: value for name, value in decode(state).items() if name not in METADATA})
    vars(record)[_KEPT] = RecordedClass(pointer.class_name, pointer.bundle, hint)
    return record


def recorded_class(record: StateRecord) -> RecordedClass:
    """Return the class that a record was stored with."""
    found = vars(record).get(_KEPT)
    return found if isinstance(found, RecordedClass) else RecordedClass("", "", "it was made here")


def fields_of(record: StateRecord) -> dict[str, object]:
    """Return the fields of a record's state."""
    return {name: value for name, value in state_of(record).items() if name not in _NO_STATE}


def plain_of(record: StateRecord) -> EmergeObject:
    """Return an object with a record's fields, which knows no class."""
    plain = EmergeObject()
    vars(plain).update(fields_of(record))
    return plain


def pack_record(record: StateRecord, bundle_of: BundleOf) -> bytes:
    """Return the encoded state of a record. Nested values of classes stay what they were."""
    return encode(fields_of(record), bundle_of=bundle_of, root=record)
