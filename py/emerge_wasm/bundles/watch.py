"""Tell whether what a class was captured from is still the same: its own attributes, and all that its names meant.

The check runs whenever an object is stored, so that names are compared by identity, a namespace at a time. Only what
can change in place (a list, an instance) is compared by its content.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, EnumType
from functools import cached_property
from types import CellType, CodeType, FunctionType, SimpleNamespace
from weakref import WeakKeyDictionary

from ..codec import encode
from ..codec.attributes import state_of
from ..codec.encoder import PLAIN
from ..errors import EmergeError
from .bundle import Bundle
from .locate import functions_in
from .origin import is_installed
from .registry import bundle_of

Namespace = dict[str, object]
Fingerprint = bytes | list[object]
"""The content of a value: its encoded form, else its types, sizes and leaves."""
_EMPTY = object()
_DEEPEST = 64
_WATCHES: WeakKeyDictionary[type, Watch] = WeakKeyDictionary()


class Watch:
    """What one capture, or several, looked at."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[Namespace, dict[str, object]]] = {}
        self._cells: dict[int, tuple[CellType, object]] = {}
        self._classes: dict[type, list[object]] = {}
        self._contents: dict[int, tuple[object, Fingerprint]] = {}
        self._codes: dict[FunctionType, CodeType] = {}
        self._asked: dict[object, tuple[Callable[[], object], object]] = {}

    def name(self, namespace: Namespace, name: str) -> None:
        """Watch what a global name means."""
        _, names = self._names.setdefault(id(namespace), (namespace, {}))
        names[name] = value = namespace.get(name)
        self.content(value)

    def cell(self, cell: CellType) -> None:
        """Watch a variable that a function is closed over."""
        self._cells[id(cell)] = cell, _content(cell)
        self.content(_content(cell))

    def attributes(self, cls: type) -> None:
        """Watch the attributes of a class."""
        self._classes[cls] = list(vars(cls).values())
        for name, value in vars(cls).items():
            self._code(value)
            if not (name.startswith("__") or isinstance(cls, EnumType)):
                self.content(value)

    def content(self, value: object) -> None:
        """Watch what a value holds, if that can change."""
        self._code(value)
        held = vars(value) if isinstance(value, FunctionType) else value
        if held and can_change(held) and id(value) not in self._contents:
            self._contents[id(value)] = held, fingerprint(held)

    def _code(self, value: object) -> None:
        """Watch the code of functions: IPython changes it in place when it reloads a module."""
        if isinstance(value, FunctionType | staticmethod | classmethod | property | cached_property):
            self._codes |= {function: function.__code__ for function in functions_in(value)}

    def ask(self, key: object, question: Callable[[], object]) -> None:
        """Watch the answer to a question, which must be cheap and equal to itself."""
        self._asked[key] = question, question()

    def include(self, other: Watch) -> None:
        """Watch what another one watches too."""
        for key, (namespace, names) in other._names.items():
            self._names.setdefault(key, (namespace, {}))[1].update(names)
        self._cells |= other._cells
        self._classes |= other._classes
        self._contents |= other._contents
        self._codes |= other._codes
        self._asked |= other._asked

    def holds(self) -> bool:
        """Tell whether everything is as it was."""
        for namespace, names in self._names.values():
            if not all(map(operator.is_, map(namespace.get, names), names.values())):
                return False
        for cls, values in self._classes.items():
            now = vars(cls)
            if len(now) != len(values) or not all(map(operator.is_, now.values(), values)):
                return False
        return (
            all(function.__code__ is code for function, code in self._codes.items())
            and all(_content(cell) is value for cell, value in self._cells.values())
            and all(_same(value, before) for value, before in self._contents.values())
            and all(question() == answer for question, answer in self._asked.values())
        )


def watch(cls: type, made_from: Watch) -> None:
    """Say what a class's bundle was made from."""
    _WATCHES[cls] = made_from


def watched(cls: type) -> Watch | None:
    """Return what a class's bundle was made from, None for a class that was loaded."""
    return _WATCHES.get(cls)


def current_bundle(cls: type) -> Bundle | None:
    """Return the bundle of a class while that is what a new capture would give, else None."""
    known, made_from = bundle_of(cls), _WATCHES.get(cls)
    return known if known is None or made_from is None or made_from.holds() else None


def can_change(value: object) -> bool:
    """Tell whether a value can change in place, or holds one that can."""
    if isinstance(value, tuple | frozenset):
        return any(map(can_change, value))
    return isinstance(value, _CONTAINERS) or (_has_state(value) and not isinstance(value, Enum))


def fingerprint(value: object) -> Fingerprint:
    """Return what a value holds, to compare with the same value later."""
    try:
        return encode(value)
    except EmergeError:
        return _flat(value, 0)


_CONTAINERS = (list, dict, set, bytearray, deque, Mapping, SimpleNamespace)


def _has_state(value: object) -> bool:
    """Tell whether a value is an instance of a class of the user's."""
    return "__module__" in vars(type(value)) and not (isinstance(value, type) or is_installed(type(value).__module__))


def _same(value: object, before: Fingerprint) -> bool:
    if isinstance(before, bytes):
        return fingerprint(value) == before
    now = _flat(value, 0)
    return len(now) == len(before) and all(
        one is other or (type(one) is type(other) and type(one) in PLAIN and one == other)
        for one, other in zip(now, before, strict=True)
    )


def _flat(value: object, depth: int) -> list[object]:
    """Return the types and sizes of the containers in a value, and its leaves, which are compared by identity."""
    if depth > _DEEPEST:
        return [value]
    items: list[object]
    if isinstance(value, Mapping):
        items = [item for pair in value.items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset | deque):
        items = list(value)
    elif isinstance(value, SimpleNamespace) or _has_state(value):
        items = [value, *(item for pair in state_of(value).items() for item in pair)]
        return [type(value), len(items), value, *(leaf for item in items[1:] for leaf in _flat(item, depth + 1))]
    else:
        return [value]
    return [type(value), len(items), *(leaf for item in items for leaf in _flat(item, depth + 1))]


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return _EMPTY
