"""Make names that GraphQL allows for types, fields and lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

SUFFIXES = ("", "Page", "Filter", "Order", "Input", "Change", "Member")
"""Endings of the names that are made from a type's name."""

NAME = re.compile(r"(?!__)[_A-Za-z][_0-9A-Za-z]*")
_BAD = re.compile(r"[^_0-9A-Za-z]")


def fits(name: str) -> bool:
    """Tell whether GraphQL allows this name of a field."""
    return NAME.fullmatch(name) is not None


def name_types(class_names: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """Name a type for each class: `Order.Line` becomes Order_Line, as does any sign that GraphQL forbids.

    A name that is taken, or from which a taken one would be made, gets a `_` at its end.
    """
    taken = set(reserved)
    names: dict[str, str] = {}
    for class_name in sorted(class_names):
        name = _BAD.sub("_", class_name)
        name = name if fits(name) else "T" + name.lstrip("_")
        while any(name + suffix in taken for suffix in SUFFIXES):
            name += "_"
        taken.update(name + suffix for suffix in SUFFIXES)
        names[class_name] = name
    return names


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return the name, with as many `_` at its end as make it free."""
    while name in taken:
        name += "_"
    return name


def singular(type_name: str) -> str:
    """Return the name of one: `Widget` gives widget, `HTTPServer` httpServer, `_X` stays."""
    head = re.match(r"[A-Z]+(?![a-z])|[A-Z]", type_name)
    return type_name if head is None else head[0].lower() + type_name[head.end() :]


def plural(name: str) -> str:
    """Return the name of many: `widget` gives widgets, `box` boxes, `story` stories."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", name) else "s")
