"""Ship a module's value as it is now: a table of functions, a registry, a sentinel, an alias.

A container that can change is made empty, and filled at the end by a statement. So it may hold what is defined by means
of it (a function that a decorator put into it), and holds at the end what it holds here, whatever ran meanwhile.
"""

from __future__ import annotations

from abc import ABC
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Generic

from ..codec import encode
from ..codec.attributes import state_of
from .container_use import ContainerUse, use_of
from .live_value import LiveText
from .locate import find_type_alias
from .origin import is_installed
from .part_table import PartTable
from .scope import Scope
from .sentinel import sentinel

FILLED = (dict, list, set, deque, defaultdict, OrderedDict, Counter)
"""Containers that are made empty and filled at the end."""


def complete(table: PartTable, group: set[type]) -> None:
    """Turn constants into parts that are no constants after all.

    These hold an instance of a class of the group, or are changed while the parts run.
    """
    for name in [key for key, part in table.parts.items() if part.kind == "assignment"]:
        if table.effects.get(name):
            table.settle(name, use_of(table.parts, table.nodes, table.names, name))
    for name, value in list(table.constants.items()):
        change = use_of(table.parts, table.nodes, table.names, name) if type(value) in FILLED else ContainerUse.NONE
        if name in table.places and not (change is ContainerUse.NONE and group.isdisjoint(classes_in(value))):
            _make_part(table, name, value, change)


def _make_part(table: PartTable, name: str, value: object, change: ContainerUse) -> None:
    scope = table.places[name]
    write = LiveText(table, scope, name)
    write.own, write.constants = name, False
    del table.constants[name]
    text = empty(write, value) if change is ContainerUse.SURE else write.text(value)
    table.add_text("assignment", name, f"{name} = {text}", scope, 0)
    if change is not ContainerUse.NONE:
        table.add_effect(name, fill(write, name, value), scope)
        table.settle(name, change)


def classes_in(value: object) -> set[type]:
    """Return the classes of the instances in a constant."""
    found: set[type] = set()

    def note(cls: type) -> str:
        found.add(cls)
        return ""

    encode(value, bundle_of=note)
    return found


def add_live(table: PartTable, name: str, value: object, scope: Scope, user: str) -> bool:
    """Add a part that makes a global name's live value; False when it has no text.

    Raises:
        NotWritable: it is a container; the error says what in it cannot travel.
    """
    write = LiveText(table, scope, user)
    write.own = name
    if type(value).__name__ == "TypeAliasType":
        found = find_type_alias(name, scope.unit)
        if found is not None:
            unit, node = found
            table.add_text("assignment", name, unit.cut(node), scope, node.lineno, unit.future)
        return found is not None
    if type(value) in FILLED:
        table.add_text("assignment", name, f"{name} = {empty(write, value)}", scope, 0)
        table.add_effect(name, fill(write, name, value), scope)
        return True
    if _is_sentinel(value):
        return _add_sentinel(table, write, name, value, scope)
    text = write.text(value)
    table.add_text("assignment", name, f"{name} = {text}", scope, 0)
    return True


def empty(write: LiveText, value: object) -> str:
    """Return the text of an empty container of a kind."""
    if isinstance(value, deque):
        return write.call(deque) if value.maxlen is None else write.call(deque, [], value.maxlen)
    if isinstance(value, defaultdict):
        return write.call(defaultdict, value.default_factory)
    return write.text(type(value)())


def fill(write: LiveText, place: str, value: object) -> str:
    """Return the statements that make a container, which is at `place`, hold what this one holds."""
    if isinstance(value, list):
        return f"{place}[:] = {write.text(value)}"
    if isinstance(value, deque):
        return f"{place}.clear()\n{place}.extend({write.text(list(value))})"
    if isinstance(value, OrderedDict):
        return f"{place}.clear()\n{place}.update({write.text(list(value.items()))})"
    content = dict(value) if isinstance(value, dict) else value
    return f"{place}.clear()\n{place}.update({write.text(content)})"


def _is_sentinel(value: object) -> bool:
    """Tell whether a value is only itself: an object(), or an instance of a class of the user's that holds nothing."""
    kind = type(value)
    bases = [base for base in kind.__mro__ if is_installed(base.__module__)]
    return kind is object or (kind not in bases and {object, ABC, Generic}.issuperset(bases) and not state_of(value))


def _add_sentinel(table: PartTable, write: LiveText, name: str, value: object, scope: Scope) -> bool:
    """Add a value that only its identity tells apart: the same in all bundles that name it."""
    make = "_sentinel"
    table.bind(make, sentinel)
    table.imports[make] = f"from {sentinel.__module__} import sentinel as {make}"
    module = str(scope.namespace.get("__name__", ""))
    args = [repr(module), repr(name)] + ([] if type(value) is object else [write.text(type(value))])
    table.add_text("assignment", name, f"{name} = {make}({', '.join(args)})", scope, 0)
    return True
