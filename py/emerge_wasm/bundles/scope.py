"""Look up the names that a piece of source uses: in its closure, the running functions around it, its globals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from types import CellType, FrameType, FunctionType
from typing import Any

from ..codec import class_name_of
from .locate import functions_in
from .source import Unit
from .watch import Watch

ABSENT = object()


@dataclass(slots=True, eq=False)
class Scope:
    """The names around one definition, innermost first, and the text that it stands in."""

    unit: Unit
    namespace: dict[str, Any] = field(repr=False)
    inner: list[dict[str, object]] = field(default_factory=list)
    around: str = ""  # the qualified name of the function that the definition stands in

    def find(self, name: str) -> object:
        """Return the value of a name, or ABSENT."""
        for names in (*self.inner, self.namespace):
            if name in names:
                return names[name]
        return ABSENT

    def watch(self, name: str, seen: Watch) -> None:
        """Watch what a name means, where it can change (the local names of a running function cannot be seen later)."""
        for names in self.inner:
            if name in names:
                if isinstance(names, Cells):
                    seen.cell(names.cells[name])
                return
        seen.name(self.namespace, name)


class Cells(dict[str, object]):
    """The names that a function is closed over, and their cells."""

    def __init__(self, function: FunctionType) -> None:
        self.cells: dict[str, CellType] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            self.cells[name] = cell
        self.pop("__class__", None)


def class_scope(cls: type, unit: Unit) -> Scope:
    """Make the scope of a class statement."""
    own = [function for function in _functions(cls) if function.__module__ == cls.__module__]
    module = sys.modules.get(cls.__module__)
    inner: list[dict[str, object]] = []
    if "<locals>" in cls.__qualname__:
        inner = [*(Cells(function) for function in own), *_frames(cls), _parts(cls)]
    # a method knows its globals; the module of that name may be another one by now
    methods = [function for function in own if function.__code__.co_filename == unit.filename]
    names = methods[0].__globals__ if methods else vars(module) if module else own[0].__globals__ if own else {}
    return Scope(unit, names, inner, _around(cls.__qualname__))


def _functions(cls: type) -> Iterator[FunctionType]:
    """Yield the functions of a class, and of the classes within it: these are closed over the same names."""
    for value in vars(cls).values():
        if isinstance(value, type) and value.__qualname__.startswith(f"{cls.__qualname__}."):
            yield from _functions(value)
        else:
            yield from functions_in(value)


def function_scope(function: FunctionType, unit: Unit, outer: Scope) -> Scope:
    """Make the scope of a function that a definition in `outer` uses."""
    inner: list[dict[str, object]] = [Cells(function)]
    if "<locals>" in function.__qualname__ and outer.unit.text == unit.text:
        inner += outer.inner
    return Scope(unit, function.__globals__, inner, _around(function.__qualname__))


def _around(qualname: str) -> str:
    return qualname.rpartition(".<locals>.")[0]


def _frames(cls: type) -> Iterator[dict[str, object]]:
    """Yield the local names of the functions around the class, where these are running now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        around = cls.__qualname__.startswith(frame.f_code.co_qualname + ".<locals>.")
        if around and frame.f_globals.get("__name__") == cls.__module__:
            yield dict(frame.f_locals)
        frame = frame.f_back


def find_owner(cls: type) -> type | None:
    """Return the class whose text has this class (for `Order.Line`: `Order`), None when it cannot be found."""
    head, *steps = class_name_of(cls).split(".")
    module = sys.modules.get(cls.__module__)
    for names in [*_frames(cls), vars(module) if module else {}]:
        owner = found = names.get(head)
        for step in steps:
            found = getattr(found, step, None)
        if found is cls and isinstance(owner, type):
            return owner
    return None


def _parts(cls: type) -> dict[str, object]:
    """Return the names of its statement that the class itself holds: its bases and its fields' factories."""
    names: dict[str, object] = {base.__name__: base for base in cls.__mro__[1:]}
    if is_dataclass(cls):
        for item in cls.__dataclass_fields__.values():
            name = getattr(item.default_factory, "__name__", "")
            if name.isidentifier():
                names[name] = item.default_factory
    return names
