"""Show values as text that people read and type: Python literals and a few constructors."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import EmergeError
from .attributes import has_fields, state_of
from .decode import decode
from .encode import encode
from .expansion import Expansion
from .foreign import is_foreign, is_foreign_name
from .package_data import items_of, table_columns
from .standard import CONTAINERS, NAMES, pairs_of
from .value import BlockTree, Fields, Record, Reference, Value, class_name_of, shown_fields
from .zone import MissingZone, key_of, moment_zone

SHOWN_ITEMS = 10
"""Items of an array that are shown."""


def show(value: object, enums: Container[tuple[str, str]] = ()) -> str:
    """Show a value as Python text that `read_literal` reads back, except records and instances: `Name(…)`.

    A value within itself is shown as `...`, and so is what is shared, after many times. `enums` are the names and
    bundles of the classes whose records are members of enumerations: `Color.RED`.
    """
    return _Text(enums).show(value)


class _Text:
    """The text of one value."""

    def __init__(self, enums: Container[tuple[str, str]] = ()) -> None:
        self.expansion = Expansion()
        self.enums = enums

    def show(self, value: object) -> str:
        kind = type(value)
        write = _LEAVES.get(kind)
        if write is not None:
            return write(value)
        if isinstance(value, Enum):
            return f"{class_name_of(kind)}.{value.name}"
        if is_foreign(kind):
            return self._foreign(value)
        form = _FORMS.get(kind)
        if form is None and not has_fields(kind) and not (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return repr(value)
        with self.expansion.entered(value) as may:
            if not may:
                return "..."
            return form(self, value) if form else self._call(class_name_of(kind), _fields_of(value))

    def join(self, values: Iterable[object]) -> str:
        return ", ".join([self.show(item) for item in values])

    def set(self, value: Iterable[object]) -> str:
        return "{" + ", ".join(sorted(self.show(item) for item in value)) + "}" if value else "set()"

    def frozenset(self, value: Iterable[object]) -> str:
        return f"frozenset({self.set(value) if value else ''})"

    def map(self, value: dict[object, object]) -> str:
        return "{" + ", ".join([f"{self.show(key)}: {self.show(item)}" for key, item in value.items()]) + "}"

    def tuple(self, value: tuple[object, ...]) -> str:
        return f"({self.join(value)}{',' if len(value) == 1 else ''})"

    def deque(self, value: deque[object]) -> str:
        return f"deque([{self.join(value)}]{'' if value.maxlen is None else f', maxlen={value.maxlen}'})"

    def pairs(self, value: Value) -> str:
        name = NAMES[type(value)]
        if name == "SimpleNamespace":
            return self._call(name, pairs_of(value))
        factory = f"{getattr(value.default_factory, '__name__', None)}, " if type(value) is defaultdict else ""
        return f"{name}({factory}{self.map(value)})"

    def record(self, value: Record) -> str:
        if is_foreign_name(value.class_name, value.bundle):
            return self._of_package(value.class_name, value.fields)
        if (value.class_name, value.bundle) in self.enums and [*value.fields] == ["name"]:
            return f"{value.class_name}.{value.fields['name']}"
        return self._call(value.class_name, shown_fields(value.fields))

    def _call(self, name: str, fields: dict[str, object]) -> str:
        return f"{name}({', '.join([f'{key}={self.show(item)}' for key, item in fields.items()])})"

    def _foreign(self, value: object) -> str:
        try:
            return self.show(decode(encode(value)))
        except EmergeError:
            return repr(value)

    def _of_package(self, name: str, fields: Fields) -> str:
        """Show an array by its first items, dtype and shape, a table by its first rows, all else by its fields."""
        if isinstance(fields.get("data"), bytes) and "dtype" in fields:
            return self._array(name, **fields)
        columns = table_columns(name, fields, SHOWN_ITEMS + 1)
        if columns is None:
            return self._call(name, fields)
        more = ", …" if any(len(items) > SHOWN_ITEMS for items in columns.values()) else ""
        rows = [f"{self.show(key)}: [{self.join(items[:SHOWN_ITEMS])}{more}]" for key, items in columns.items()]
        return f"{name}({{{', '.join(rows)}}})"

    def _array(self, name: str, dtype: object, data: bytes, **rest: Value) -> str:
        items = items_of(dtype, data, SHOWN_ITEMS + 1)
        shown = f"{len(data)} bytes" if items is None else self.join(items[:SHOWN_ITEMS])
        if "shape" not in rest:
            return f"{name}({shown})"
        more = ", …" if items and len(items) > SHOWN_ITEMS else ""
        return f"{name}([{shown}{more}], dtype={self.show(dtype)}, shape={self.show(rest['shape'])})"


def _fields_of(value: Value) -> dict[str, object]:
    if isinstance(value, tuple):
        return dict(zip(type(value)._fields, value, strict=True))  # type: ignore[attr-defined]
    return shown_fields(state_of(value))


def _int(value: int) -> str:
    return str(value) if value.bit_length() < 4096 else hex(value)  # Python refuses to write long decimal integers


def _moment(value: datetime | time) -> str:
    zone, whole = moment_zone(value)
    text = _bare(value.replace(tzinfo=None, fold=value.fold if whole else 0))
    return text if zone is None else f"{text[:-1]}, tzinfo={_zone(zone)})"


def _zone(value: tzinfo) -> str:
    return _bare(value) if key_of(value) is None else f"ZoneInfo({key_of(value)!r})"


def _bare(value: object) -> str:
    return repr(value).replace("datetime.", "")


_LEAVES: dict[type, Callable[[Value], str]] = {
    type(None): repr,
    bool: repr,
    float: repr,
    str: repr,
    bytes: repr,
    int: _int,
    complex: lambda value: f"complex({value.real!r}, {value.imag!r})",
    Decimal: lambda value: f"Decimal('{value}')",
    UUID: lambda value: f"UUID('{value}')",
    datetime: _moment,
    time: _moment,
    date: _bare,
    timedelta: _bare,
    timezone: _zone,
    ZoneInfo: _zone,
    MissingZone: _zone,
    Reference: lambda value: f"Reference({value.uuid!r})",
    BlockTree: lambda value: f"BlockTree({value.root.hex()!r}, {value.size})",
}
_FORMS: dict[type, Callable[[_Text, Value], str]] = {
    list: lambda text, value: f"[{text.join(value)}]",
    tuple: _Text.tuple,
    set: _Text.set,
    frozenset: _Text.frozenset,
    dict: _Text.map,
    Record: _Text.record,
    **{kind: _Text.pairs for kind, row in CONTAINERS.values() if row.paired},
    deque: _Text.deque,
}
