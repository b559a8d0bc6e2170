"""Locate a class that a call made and an assignment named: `Point = namedtuple("Point", "x y")`.

Such a class has no class statement; the text of the assignment is its source. It is found by identity, so the name
that it has in a bundle is the one it is bound to, whatever it calls itself.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, ModuleType

from ..errors import CannotShip
from .bound_name import Bindings, bindings, module_bindings
from .origin import is_installed
from .scope import Scope
from .source import Unit, first_line, typed_units, unit_of


@dataclass(frozen=True, slots=True)
class FunctionalClass:
    """Where a class was named: `name` in `scope`, by the statement `node`; or as an attribute of the class `owner`."""

    name: str
    scope: Scope
    node: ast.stmt | None = None
    owner: type | None = None


def find_functional(cls: type, near: tuple[str, Scope] | None = None) -> FunctionalClass | None:
    """Find the assignment that named a class, None when there is none; `near` is a name for it, and where it is used.

    Raises:
        CannotShip: several assignments could have named it.
    """
    found = _in_scope(cls, *near) if near else None
    for module in () if found else _modules(cls):
        found = found or _in_module(cls, module)
    return found or _in_frames(cls)


def _modules(cls: type) -> Iterator[ModuleType]:
    """Yield the modules that may have named a class: the one it states, else all of the user (it may state `types`)."""
    stated = sys.modules.get(cls.__module__)
    if stated is not None and not is_installed(cls.__module__):
        yield stated
        return
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not is_installed(name):
            yield module


def _in_scope(cls: type, name: str, scope: Scope) -> FunctionalClass | None:
    if scope.namespace.get(name) is cls:
        return _named(cls, name, scope.namespace, scope.unit)
    for node in scope.unit.functions:  # it is a local name of a function
        made = _statement(cls, name, scope.unit, bindings(node.body))
        if made is not None:
            return FunctionalClass(name, scope, made)
    return None


def _in_module(cls: type, module: ModuleType) -> FunctionalClass | None:
    namespace = vars(module)
    file = getattr(module, "__file__", None)
    unit = unit_of(file, namespace) if file else None
    for name, value in list(namespace.items()):
        if value is cls:
            found = _named(cls, name, namespace, unit)
            if found:
                return found
        elif isinstance(value, type) and getattr(value, "__module__", "") == module.__name__:
            path = _attribute(cls, value, 3)
            around = unit or next(typed_units(), None)
            if path and around:
                return FunctionalClass(f"{name}.{path}", Scope(around, namespace), owner=value)
    return None


def _attribute(cls: type, owner: type, depth: int) -> str:
    """Return the dotted name that a class has within another, "" when it has none."""
    for name, value in list(vars(owner).items()):
        if value is cls:
            return name
        if depth and isinstance(value, type) and value.__qualname__.startswith(owner.__qualname__ + "."):
            inner = _attribute(cls, value, depth - 1)
            if inner:
                return f"{name}.{inner}"
    return ""


def _named(cls: type, name: str, namespace: dict[str, object], unit: Unit | None) -> FunctionalClass | None:
    """Find the assignment of a global name, in its module's file, else in what was typed, newest first."""
    in_file = unit is not None and unit.filename == namespace.get("__file__")
    for one in [unit] if unit and in_file else typed_units(name):
        node = _statement(cls, name, one, module_bindings(one))
        if node is not None:
            return FunctionalClass(name, Scope(one, namespace), node)
    return None


def _statement(cls: type, name: str, unit: Unit, found: Bindings) -> ast.stmt | None:
    """Return the assignment that gives a name a class made by a call."""
    made = [
        one.node
        for one in found.get(name, ())
        if isinstance(one.node, ast.Assign | ast.AnnAssign) and any(isinstance(it, ast.Call) for it in one.sources)
    ]
    if len({unit.cut(node) for node in made}) > 1:
        raise CannotShip(
            f"the class {cls.__name__} has {len(made)} assignments to {name} that fit it",
            remedy="give them other names",
        )
    return made[0] if made else None


def _in_frames(cls: type) -> FunctionalClass | None:
    """Find a class that is a local name of a function that is running now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        for name, value in (
            list(frame.f_locals.items()) if not is_installed(frame.f_globals.get("__name__", "")) else ()
        ):
            unit = unit_of(frame.f_code.co_filename, frame.f_globals) if value is cls else None
            for node in unit.functions if unit else ():
                if first_line(node) == frame.f_code.co_firstlineno and unit:
                    made = _statement(cls, name, unit, bindings(node.body))
                    if made is not None:
                        return FunctionalClass(name, Scope(unit, frame.f_globals, [dict(frame.f_locals)]), made)
        frame = frame.f_back
    return None
