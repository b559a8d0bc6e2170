"""Make the values of packages in decoded data: a reader that has the package gets its arrays, not their records."""

from __future__ import annotations

from ..errors import CannotShip
from .decode import decode
from .encode import encode
from .encoder import PLAIN
from .foreign import is_foreign_name, put_together
from .graph import parts_of
from .record_maker import RecordMaker
from .value import Fields, Record, Value


class PackageMaker(RecordMaker):
    """Makes values of packages, and records of all else."""

    def make(self, name: str, bundle: str, fields: Fields) -> object:
        return put_together(name, fields) if is_foreign_name(name, bundle) else super().make(name, bundle, fields)

    def blank(self, name: str, bundle: str, fields: Fields) -> object:
        return put_together(name, fields) if is_foreign_name(name, bundle) else super().blank(name, bundle, fields)


def native(value: Value) -> Value:
    """Return a decoded value with the values of packages that are here in place of their records."""
    if (type(value) in (list, dict) and not value) or not _holds_package(value):
        return value
    try:
        return decode(encode(value), maker=PackageMaker())
    except CannotShip:  # it was never encoded: its instances are here
        return value


def _holds_package(value: object) -> bool:
    met: dict[int, object] = {}
    pending = [value]
    while pending:
        held = pending.pop()
        if type(held) in PLAIN or id(held) in met:
            continue
        if type(held) is Record and is_foreign_name(held.class_name, held.bundle):
            return True
        if isinstance(held, list) and PLAIN.issuperset(map(type, held)):
            continue
        met[id(held)] = held
        pending += [part for _, part in parts_of(held) if type(part) not in PLAIN]
    return False
