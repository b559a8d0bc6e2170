"""Names as GraphQL can hold them: of types, of fields, of lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

SUFFIXES = ("", "Page", "Filter", "Order", "Input", "Change")
"""Names that are made from a type's."""

NAME = re.compile(r"(?!__)[_A-Za-z][_0-9A-Za-z]*")
_BAD = re.compile(r"[^_0-9A-Za-z]")


def fits(name: str) -> bool:
    """Whether GraphQL can hold this name of a field as it is."""
    return NAME.fullmatch(name) is not None


def name_types(class_names: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """A type's name for each class: `Order.Line` is Order_Line, and any other sign that GraphQL has not is `_`.

    One that is taken, or would make a taken one, gets a `_` behind it.
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
    """The name, with a `_` behind it for each time that it is taken."""
    while name in taken:
        name += "_"
    return name


def singular(type_name: str) -> str:
    """`Widget` is widget, `HTTPServer` is httpServer, `_X` stays."""
    head = re.match(r"[A-Z]+(?![a-z])|[A-Z]", type_name)
    return type_name if head is None else head[0].lower() + type_name[head.end() :]


def plural(name: str) -> str:
    """`widget` is widgets, `box` boxes, `story` stories."""
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", name) else "s")
