"""Values of the standard library beyond the basic types: how each is taken apart and made again.

A plain kind is its name and arguments; a container is its name, settings and contents, so that an empty one can be
made first. Imports nothing but the standard library.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import SimpleNamespace
from typing import NamedTuple

from .value import Value

FACTORIES: dict[str, Callable[[], object]] = {
    kind.__name__: kind
    for kind in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple, Counter, deque, OrderedDict)
}
"""What a defaultdict may make: they are known by name alone."""


class Plain(NamedTuple):
    """A kind without parts that could hold it: `split` gives the arguments of `make`."""

    split: Callable[[Value], list[object]]
    make: Callable[..., object]


class Container(NamedTuple):
    """A kind that holds others. `contents` gives its items, or its pairs (a key, then its value, …) if `paired`."""

    settings: Callable[[Value], list[object]]
    empty: Callable[..., Value]
    paired: bool


def _factory_name(value: defaultdict[object, object]) -> list[object]:
    factory = value.default_factory
    if factory is None:
        return [None]
    name = getattr(factory, "__name__", "")
    if FACTORIES.get(name) is not factory:
        raise ValueError(f"holds a defaultdict whose factory {name or factory!r} is not one of {', '.join(FACTORIES)}")
    return [name]


def _texts(make: Callable[[str], object]) -> Plain:
    return Plain(lambda value: [str(value)], make)


def _path(posix: bool, text: str) -> PurePath:
    """Return the concrete path where this system has that flavour, else the pure one."""
    if posix:
        return Path(text) if Path is not WindowsPath and isinstance(Path(), PosixPath) else PurePosixPath(text)
    return Path(text) if isinstance(Path(), WindowsPath) else PureWindowsPath(text)


def _array(code: str, items: list[Value] | str) -> array[Value]:
    try:
        return array(code, items)
    except OverflowError:  # `l` has four bytes on some systems
        return array("q" if code == "l" else "Q", items)


def _fraction(numerator: int, denominator: int) -> Fraction:
    found = Fraction(numerator, denominator)
    if (found.numerator, found.denominator) != (numerator, denominator):
        raise ValueError("a fraction is not in lowest terms")
    return found


_ADDRESSES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
PLAIN: dict[str, tuple[type, Plain]] = {
    "Ellipsis": (type(...), Plain(lambda value: [], lambda: ...)),
    "Fraction": (Fraction, Plain(lambda value: [value.numerator, value.denominator], _fraction)),
    "PosixPath": (PosixPath, _texts(lambda text: _path(True, text))),
    "PurePosixPath": (PurePosixPath, _texts(PurePosixPath)),
    "PureWindowsPath": (PureWindowsPath, _texts(PureWindowsPath)),
    "WindowsPath": (WindowsPath, _texts(lambda text: _path(False, text))),
    "array": (array, Plain(lambda v: [v.typecode, v.tounicode() if v.typecode in "uw" else v.tolist()], _array)),
    "bytearray": (bytearray, Plain(lambda value: [bytes(value)], bytearray)),
    "range": (range, Plain(lambda value: [value.start, value.stop, value.step], range)),
    "slice": (slice, Plain(lambda value: [value.start, value.stop, value.step], slice)),
    **{kind.__name__: (kind, _texts(kind)) for kind in _ADDRESSES},
}
TEXTS = ("PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath", *(kind.__name__ for kind in _ADDRESSES))
"""The plain kinds that are made of a text."""

CONTAINERS: dict[str, tuple[type, Container]] = {
    "Counter": (Counter, Container(lambda value: [], Counter, True)),
    "OrderedDict": (OrderedDict, Container(lambda value: [], OrderedDict, True)),
    "SimpleNamespace": (SimpleNamespace, Container(lambda value: [], SimpleNamespace, True)),
    "defaultdict": (defaultdict, Container(_factory_name, lambda name: defaultdict(name and FACTORIES[name]), True)),
    "deque": (deque, Container(lambda value: [value.maxlen], lambda most: deque(maxlen=most), False)),
}
NAMES: dict[type, str] = {kind: name for name, (kind, _) in (*PLAIN.items(), *CONTAINERS.items())}
"""The name of each kind."""


def pairs_of(value: Value) -> dict[Value, Value]:
    """Return what a paired container holds."""
    pairs: dict[Value, Value] = vars(value) if isinstance(value, SimpleNamespace) else value
    return pairs


def fill(value: Value, held: list[Value]) -> None:
    """Put contents into an empty container: items, or keys and values by turns."""
    if isinstance(value, (list, deque)):
        value.extend(held)
    elif isinstance(value, set):
        value.update(held)
    else:
        pairs = pairs_of(value)
        for key, item in zip(held[::2], held[1::2], strict=True):
            pairs[key] = item
