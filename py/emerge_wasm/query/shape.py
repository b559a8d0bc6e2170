"""Read from a bundle which attributes of a class's instances are simply their state. Nothing is run.

Where this is not plain to see, the class is opaque or the name computed: then only shipped code can tell.
"""

from __future__ import annotations

import ast
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..bundles.bundle import Bundle, Find, code_hash, read_bundle
from ..bundles.description import lineage
from ..errors import EmergeError
from .statement import ENUMS, FLAGS, Attribute, NameResolver, Statement, read_class

KEPT = 16_384
"""Shapes that are remembered, some 1.2 kB each. Of more classes each would be read anew whenever all are met: 2 ms."""

_BASES = {
    "emerge_wasm.EmergeFile": ("id", "data"),
    "emerge_wasm.objects.EmergeFile": ("id", "data"),
    "emerge_wasm.EmergeObject": ("id",),
    "emerge_wasm.objects.EmergeObject": ("id",),
    "abc.ABC": (),
    "typing.Generic": (),
    "object": (),
}
_OWN_FIELDS: dict[str, Callable[[], object]] = {"id": str, "data": lambda: None}


@dataclass(frozen=True, slots=True)
class Shape:
    """How the attributes of a class's instances follow from their state.

    `opaque` says why nothing is known ("": something is). `computed` names are the class's even where the state has a
    value, `others` where it has none; `defaults` gives the value where the state has none.

    `dynamic`: the class has __getattr__. `closed`: instances hold their fields only. `truth`: they are true.
    `enum`: they are members of a plain Enum, which are equal when they are the same: of one `code` (see `code_hash`).
    `member`: the attribute of an Enum's or Flag's member that its state holds ("": it is none, or makes that itself).
    """

    name: str
    opaque: str = ""
    computed: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    defaults: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    dynamic: bool = False
    closed: bool = False
    truth: bool = True
    enum: bool = False
    member: str = ""
    code: str = ""


_SHAPES: OrderedDict[str, Shape] = OrderedDict()


def forget() -> None:
    """Forget every shape, as a new process has none."""
    _SHAPES.clear()


def known_shape(bundle: str) -> Shape | None:
    """Return the shape of a class that was read before, else None."""
    return _SHAPES.get(bundle)


def learn(bundles: Mapping[str, bytes]) -> None:
    """Read the shapes of all these classes, so that nested instances of them can be read."""
    for hash in bundles:
        shape_of(hash, bundles.get)


def shape_of(bundle: str, find: Find, class_name: str = "") -> Shape:
    """Return the shape of the class with that bundle hash ("": plain state, by its pointer's class name), cached.

    A bundle that is missing or not right makes the shape opaque.
    """
    if not bundle:
        return _PLAIN_OBJECT if class_name == "EmergeObject" else _PLAIN_FILE
    found = _SHAPES.get(bundle)
    if found is not None:
        _SHAPES.move_to_end(bundle)
        return found
    try:
        made = read_bundle(bundle, find)
        shape = _look_at(made, find)
        if shape.enum:
            shape = replace(shape, code=code_hash(made, find))
    except EmergeError as error:
        return Shape("", opaque=f"its class cannot be read: {error.message}")
    except (RecursionError, ValueError):
        return Shape("", opaque="its class is too deep to be read")
    if not shape.opaque.startswith(_GONE):
        _SHAPES[bundle] = shape
        while len(_SHAPES) > KEPT:
            _SHAPES.popitem(last=False)
    for required in made.requires:
        if required not in _SHAPES and find(required) is not None:
            shape_of(required, find)
    return shape


_GONE = "a class that it derives from is missing"


def _look_at(bundle: Bundle, find: Find) -> Shape:
    if not bundle.content.parts and not bundle.content.within:
        return _installed(bundle)
    names: dict[str, Attribute] = {}
    shape = _ShapeBuilder(bundle.class_name)
    rows = lineage(bundle, find)
    if not rows:
        return Shape(bundle.class_name, opaque=_GONE)
    for outer, node in reversed(rows):
        statement = read_class(node, NameResolver(outer, find))
        shape.add(statement)
        for name in _given(statement):
            names.setdefault(name, Attribute.default(_OWN_FIELDS[name]))
        for name, kind in statement.names.items():
            names[name] = kind.after(names.get(name))
    member = "" if shape.opaque else _member_of(rows, find)
    shape.opaque = shape.opaque or _opaque_base(rows, find)
    return replace(shape.finish(names), member="" if member in names else member)


@dataclass(slots=True)
class _ShapeBuilder:
    """Builds a shape from the classes of a lineage."""

    name: str
    opaque: str = ""
    dynamic: bool = False
    closed: bool = False
    truth: bool = True
    enum: bool = False

    def add(self, statement: Statement) -> None:
        self.opaque = self.opaque or statement.opaque
        self.dynamic |= statement.dynamic
        self.closed |= statement.closed
        self.truth &= statement.truth
        self.enum = statement.bases == ["enum.Enum"] and statement.natural and not statement.opaque

    def finish(self, names: Mapping[str, Attribute]) -> Shape:
        return Shape(
            self.name,
            self.opaque,
            frozenset(name for name, kind in names.items() if kind.computed),
            frozenset(name for name, kind in names.items() if not kind.computed and kind.make is None),
            {name: kind.make for name, kind in names.items() if not kind.computed and kind.make},
            self.dynamic,
            self.closed,
            self.truth,
            self.enum,
        )


def _given(statement: Statement) -> Iterator[str]:
    for base in statement.bases:
        yield from _BASES.get(base, ())


def _opaque_base(rows: list[tuple[Bundle, ast.ClassDef]], find: Find) -> str:
    for outer, node in rows:
        names = NameResolver(outer, find)
        for base in node.bases:
            full = names.full(base)
            if full in _BASES:
                continue
            if not full.startswith("."):
                return f"{node.name} derives from {full or 'something'}, which is not plain"
            if not names.is_there(full):
                return f"{_GONE}: {full[1:]}"
    return ""


def _member_of(rows: list[tuple[Bundle, ast.ClassDef]], find: Find) -> str:
    bases = {NameResolver(outer, find).full(base) for outer, node in rows for base in node.bases}
    return "value" if bases & FLAGS else "name" if bases & ENUMS else ""


def _installed(bundle: Bundle) -> Shape:
    """Return the shape of an imported class, which is plain only when it is Emerge's own."""
    line = next(iter(bundle.content.imports), "")
    if line in ("from emerge_wasm import EmergeFile", "from emerge_wasm.objects import EmergeFile"):
        return _PLAIN_FILE
    return Shape(bundle.class_name, opaque=f"{bundle.class_name} is not shipped as source")


_PLAIN_FILE = Shape("EmergeFile", defaults=_OWN_FIELDS)
_PLAIN_OBJECT = Shape("EmergeObject", defaults={"id": str})
