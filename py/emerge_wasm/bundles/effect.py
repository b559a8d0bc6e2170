"""Find what was done to a class or function after its own statement, and ship it: registrations, subclasses, values.

Each becomes a statement that gives the class or function in the bundle what the live one has. What its own text does
again (a decorator that registers, a hook of its base) does no harm: the statement runs after that.
"""

from __future__ import annotations

import abc
import ast
import collections.abc
import contextlib
import functools
import numbers
import os
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from enum import EnumType
from types import FunctionType

from ..codec import encode
from ..errors import CannotShip, EmergeError
from .bound_name import bindings
from .live_part import FILLED, fill
from .live_value import LiveText, NotWritable
from .locate import decorates, find_function, functions_in, is_outdated, set_by_hooks
from .name_scope import mangled
from .origin import is_installed
from .part_table import PartTable
from .scope import Scope

_dump: Callable[[type], tuple[set[Callable[[], type | None]], ...]] | None = getattr(abc, "_get_dump", None)
"""What the interpreter knows of an abstract class; None where these classes have it themselves."""
_ABCS: tuple[type, ...] = (
    *(value for value in vars(collections.abc).values() if isinstance(value, ABCMeta)),
    *(value for value in vars(numbers).values() if isinstance(value, ABCMeta)),
    os.PathLike,
    contextlib.AbstractContextManager,
    contextlib.AbstractAsyncContextManager,
)
_ABSENT = object()
_EMPTY: dict[str, object] = {"dict()": {}, "list()": [], "set()": set()}
_PYTHONS = frozenset({"_abc_impl", "_is_protocol", "_is_runtime_protocol"})
"""What Python itself gives a class, under names that look like a user's."""


def add_function_effects(table: PartTable, name: str, value: object, scope: Scope) -> None:
    """Add the registrations of a `singledispatch` function, and the attributes that a plain function was given.

    Raises:
        CannotShip: an attribute or a registered function cannot travel; the error names it.
    """
    if dispatch_registry(value):
        _add_dispatch(table, name, value, scope)
    elif isinstance(value, FunctionType) and vars(value):
        _add_function_attributes(table, name, value, LiveText(table, scope, name), scope)


def dispatch_registry(value: object) -> dict[type, object]:
    """Return the implementations of a `singledispatch` function by type, but for its own; {} for anything else."""
    registry = getattr(value, "registry", None)
    wrapped = getattr(value, "__wrapped__", None)
    if not (callable(getattr(value, "dispatch", None)) and callable(getattr(value, "register", None))):
        return {}
    if not isinstance(registry, Mapping):  # an object may have an attribute of any name
        return {}
    return {kind: item for kind, item in registry.items() if not (kind is object and item is wrapped)}


def _add_dispatch(table: PartTable, name: str, value: object, scope: Scope) -> None:
    registry = dispatch_registry(value)
    table.watch.content(getattr(value, "registry"))  # noqa: B009  # object has no such attribute
    _register(table, name, name, registry, LiveText(table, scope, name), scope)


def _register(
    table: PartTable, name: str, place: str, registry: dict[type, object], write: LiveText, scope: Scope
) -> None:
    """Register implementations by type with the dispatching function that is at `place`."""
    lines = []
    for kind, item in registry.items():
        try:
            lines.append(f"{place}.register({write.text(kind)}, {write.text(item)})")
        except NotWritable as error:
            raise table.refusal(
                f"{place} has an implementation for {kind.__name__} that is {error}",
                "write it as a function",
            ) from None
    if lines:
        table.add_effect(name, "\n".join(sorted(lines)), scope)


def add_class_effects(table: PartTable, cls: type, name: str, node: ast.ClassDef, scope: Scope) -> None:
    """Add what was done to a class, and to the classes in it, after its statement.

    Raises:
        CannotShip: something of that cannot travel; the error names it.
    """
    write = LiveText(table, scope, name)
    _add_virtual_subclasses(table, cls, name, write, scope)
    _add_methods(table, cls, name, write, scope)
    if not isinstance(cls, EnumType):
        _add_attributes(table, cls, name, node, write, scope)
    for inner in (item for item in node.body if isinstance(item, ast.ClassDef)):
        value = vars(cls).get(inner.name)
        if isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{inner.name}":
            table.watch.attributes(value)
            add_class_effects(table, value, f"{name}.{inner.name}", inner, scope)


def add_subclasses(table: PartTable, classes: Iterable[type], scope: Scope) -> None:
    """Take along the subclasses that these classes have now, and theirs, where a part asks for `__subclasses__`."""
    if not any("__subclasses__" in part.text for part in table.parts.values()):
        return
    write = LiveText(table, scope, "")
    for cls in [cls for cls in classes if not is_installed(cls.__module__)]:
        table.watch.ask((cls, "subclasses"), functools.partial(subclasses, cls))
        table.sequences.append([write.text(each) for each in subclasses(cls)])
        table.in_turn += subclasses(cls)


def subclasses(cls: type) -> list[type]:
    """Return the subclasses of a class, and theirs, in the order of their definition; not those defined anew since."""
    found: dict[type, None] = {}
    direct: list[type] = type.__subclasses__(cls)
    for each in direct:
        if not is_installed(each.__module__) and not is_outdated(each):
            found[each] = None
            found |= dict.fromkeys(subclasses(each))
    return list(found)


def registered(cls: type) -> list[type]:
    """Return the classes that were registered with an abstract base class, by name."""
    if not isinstance(cls, ABCMeta):
        return []
    return sorted((each for each in _registry(cls) if not is_outdated(each)), key=_full_name)


def _registry(cls: type) -> list[type]:
    if _dump is None:
        return list(getattr(cls, "_abc_registry", ()))
    references, *_ = _dump(cls)
    return [each for reference in references if (each := reference()) is not None]


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _add_virtual_subclasses(table: PartTable, cls: type, name: str, write: LiveText, scope: Scope) -> None:
    """Register what was registered with a class, and it with the standard library's abstract classes."""
    table.watch.ask("registered", abc.get_cache_token)
    lines = [f"{name}.register({write.text(each)})" for each in registered(cls)]
    lines += [
        f"{write.text(base)}.register({name})" for base in _ABCS if cls in _registry(base) and not is_outdated(cls)
    ]
    if lines:
        table.add_effect(name.partition(".")[0], "\n".join(lines), scope)


def _add_methods(table: PartTable, cls: type, name: str, write: LiveText, scope: Scope) -> None:
    """Add the implementations of a `singledispatchmethod` from outside the class, and the attributes of methods."""
    for attribute, value in vars(cls).items():
        if isinstance(value, functools.singledispatchmethod):
            table.watch.content(value.dispatcher.registry)
            outside = {
                kind: item
                for kind, item in dispatch_registry(value.dispatcher).items()
                if not all(each.__qualname__.startswith(f"{cls.__qualname__}.") for each in functions_in(item))
            }
            _register(table, name.partition(".")[0], f"vars({name})[{attribute!r}]", outside, write, scope)
        elif isinstance(value, FunctionType) and vars(value):
            _add_function_attributes(table, f"{name}.{attribute}", value, write, scope)


def _add_function_attributes(table: PartTable, place: str, value: FunctionType, write: LiveText, scope: Scope) -> None:
    """Give a function the attributes that it has now; those that a decorator gave it, it gives again."""
    if hasattr(value, "__wrapped__"):
        return
    for attribute, item in vars(value).items():
        if not attribute.startswith("__"):
            try:
                text = write.text(item)
            except NotWritable as error:
                if _is_decorated(value):
                    continue
                raise table.refusal(
                    f"{place}.{attribute} is {error}", "set it in a decorator, or keep it in a field"
                ) from None
            table.add_effect(place.partition(".")[0], f"{place}.{attribute} = {text}", scope)


def _is_decorated(value: FunctionType) -> bool:
    try:
        return bool(find_function(value)[1].decorator_list)
    except CannotShip:
        return True


def _add_attributes(table: PartTable, cls: type, name: str, node: ast.ClassDef, write: LiveText, scope: Scope) -> None:
    """Give a class the values that its attributes have now, where its text makes others."""
    written = _assigned(node)
    hooked = bool(set_by_hooks(cls)) or type(cls) not in (type, ABCMeta) or any(map(decorates, node.decorator_list))
    for attribute, value in vars(cls).items():
        if attribute.startswith("__") or attribute in _PYTHONS or _is_made(value):
            continue
        known = attribute in written
        if (known and _as_written(written[attribute], value)) or (not known and hasattr(cls, "_fields")):
            continue
        sure = _literal(written[attribute]) is not _ABSENT if known else not hooked
        if not sure and type(value) not in FILLED:
            continue
        place = f"{name}.{attribute}"
        try:
            filled = type(value) in FILLED and (known or hooked)
            text = fill(write, place, value) if filled else f"{place} = {write.text(value)}"
        except NotWritable as error:
            if sure:
                raise table.refusal(
                    f"its attribute {attribute} was changed after its definition, to {error}",
                    "write it in the class, or keep it in a field",
                ) from None
            continue
        table.add_effect(name.partition(".")[0], text, scope, again=True)


def _is_made(value: object) -> bool:
    """Tell whether the statement of a class made this: a method, a descriptor, a class."""
    return isinstance(value, type) or hasattr(type(value), "__get__") or hasattr(type(value), "__set_name__")


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr | None]:
    """Return the expressions of the names that a class body assigns, None for a name that it binds otherwise."""
    found: dict[str, ast.expr | None] = {}
    for name, rows in bindings(node.body).items():
        only = rows[0].node if len(rows) == 1 else None
        plain = isinstance(only, ast.Assign | ast.AnnAssign) and only in node.body
        found[mangled(name, node.name)] = getattr(only, "value", None) if plain and rows[0].whole else None
    return found


def _literal(node: ast.expr | None) -> object:
    """Return the value of an expression that is plain data, ABSENT for any other."""
    if isinstance(node, ast.Call) and ast.unparse(node) in _EMPTY:
        return _EMPTY[ast.unparse(node)]
    try:
        return ast.literal_eval(node) if node is not None else _ABSENT
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _ABSENT


def _as_written(node: ast.expr | None, value: object) -> bool:
    before = _literal(node)
    if before is _ABSENT:
        empty = type(value) in FILLED and not value
        return empty and isinstance(node, ast.Call) and (not node.args or "defaultdict" in ast.unparse(node.func))
    try:
        return type(before) is type(value) and encode(before) == encode(value)
    except EmergeError:
        return False
