"""An expression from the wire, as what a search asks of each object. Hostile input: nothing of it is run here."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..bundles.body import parse_expression
from ..bundles.builtin_modules import BUILTIN_MODULES
from ..bundles.name import free_names
from ..codec import decode
from ..errors import Invalid
from ..operations import Wire
from .clock import FEW, Clock
from .compile import WORKING, Compiler
from .derive import Ranging
from .exact_range import Certain, certain_of
from .key_range import Everything, Want
from .nested import NeedsCode, Nested
from .row import Row
from .shape import Shape, learn
from .step import Read

NODES = 1000
"""Nodes of a tree that is evaluated outside a sandbox."""


@dataclass(slots=True)
class Predicate:
    """One expression. `fields` are the attributes of the object that it reads, `values` what it captured, `bundle` the
    hash of what else it uses, `reason` why it is more than comparisons, arithmetic, text and membership, if it is.
    """

    text: str
    fields: frozenset[str]
    values: dict[str, Any]
    bundle: str
    reason: str
    _tree: ast.Lambda
    _compiler: Compiler
    _read: Read
    _checked: Read | None = None
    _plain: Shape | None = None
    _want: Want | None = None
    _certain: list[dict[str, Certain] | None] = field(default_factory=list)  # once it is known

    @property
    def simple(self) -> bool:
        """Whether it has no code of its own."""
        return not self.reason

    def test(self, row: Row) -> bool:
        """Whether it is true of an object: what bool(expression(object)) is, or raises.

        NeedsCode when only shipped code can tell, of this row or (where not `simple`) of any.
        """
        if self._compiler.clock is not None:
            self._compiler.clock.start()
        if row.shape is self._plain or self._is_plain(row.shape):
            return True if self._read(row) else False  # bool() is slower
        return bool(self._by_asking(row))

    def value(self, row: Row) -> Any:
        """The same, as the value that the expression has: plain data, or a Nested instance."""
        if self._compiler.clock is not None:
            self._compiler.clock.start()
        return self._read(row) if self._is_plain(row.shape) else self._by_asking(row)

    def _is_plain(self, shape: Shape) -> bool:
        """Whether what it reads of objects of that class is their state."""
        if shape.opaque or not shape.computed.isdisjoint(self.fields):
            return False
        self._plain = shape
        return True

    def _by_asking(self, row: Row) -> Any:
        if self._checked is None:
            compiler = Compiler(self._compiler.argument, self.values, checked=True, clock=self._compiler.clock)
            self._checked = _compiled(self._tree, compiler)
        return self._checked(row)

    def want(self) -> Want:
        """Which objects can fit at all, by ranges of fields."""
        if self._want is None:
            if self._compiler.clock is not None:
                self._compiler.clock.start()
            large = self.reason == _LARGE
            self._want = Everything() if large else Ranging(self._compiler).want(self._tree.body)
        return self._want

    def certain(self) -> dict[str, Certain] | None:
        """By field, the keys of which it is certainly true; None when it is up to more than keys."""
        if not self._certain:
            self._certain.append(None if self.reason else certain_of(self._tree.body, self._compiler))
        return self._certain[0]


_LARGE = f"it has more than {NODES} parts"


def read_predicate(wire: Wire | None, bundles: Mapping[str, bytes] | None = None) -> Predicate:
    """The predicate in {"text", "values", "bundle"}; None gives one that is true of all.

    `bundles` (hash: bytes) tell the classes of instances among its values. Raises Invalid, naming what and why.
    """
    if wire is None:
        wire = {"text": "lambda o: True", "values": b"\x80", "bundle": ""}
    text, bundle = wire.get("text"), wire.get("bundle", "")
    if type(text) is not str or type(bundle) is not str or not {"text", "values", "bundle"}.issuperset(wire):
        raise Invalid("this is no expression", remedy='it is {"text", "values", "bundle"}, of a lambda')
    tree = parse_expression(text)
    learn(bundles or {})
    argument = tree.args.args[0].arg
    values, reason = _values(wire.get("values", b"\x80"))
    values.pop(argument, None)
    if not bundle and not reason:
        _check_names(text, values)
    many = sum(isinstance(node, WORKING) for node in ast.walk(tree)) > FEW
    compiler = Compiler(argument, values, clock=Clock() if many else None)
    compiler.reason = reason
    return Predicate(
        text,
        frozenset(_fields(tree, argument)),
        values,
        bundle,
        *_made(tree, compiler),
    )


def _made(tree: ast.Lambda, compiler: Compiler) -> tuple[str, ast.Lambda, Compiler, Read]:
    if sum(1 for _ in ast.walk(tree)) > NODES:
        compiler.reason = compiler.reason or _LARGE
    if compiler.reason:
        return compiler.reason, tree, compiler, compiler.code(compiler.reason).read
    read = _compiled(tree, compiler)
    return compiler.reason, tree, compiler, read


def _compiled(tree: ast.Lambda, compiler: Compiler) -> Read:
    return compiler.step(tree.body).read


def _values(data: Any) -> tuple[dict[str, Any], str]:
    """What was captured, and why that cannot be read without its classes, "" when it can."""
    if type(data) is not bytes:
        raise Invalid("the values of an expression are not encoded", remedy="send what the codec writes")
    try:
        values = decode(data, make_record=Nested)
    except NeedsCode:
        return {}, "it captured a set or map of instances"
    if type(values) is not dict or not all(type(key) is str for key in values):
        raise Invalid("the values of an expression are no map of names", remedy="send what the codec writes")
    return values, ""


def _check_names(text: str, values: dict[str, Any]) -> None:
    names = free_names(text)
    for name in sorted(names.hard | names.soft):
        if not (name in values or name in BUILTIN_MODULES or hasattr(builtins, name)):
            raise Invalid(f"the expression uses {name}, which did not come along", remedy="send its value, or a bundle")


def _fields(tree: ast.Lambda, argument: str) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == argument:
                found.add(name)
            case ast.Call(func=ast.Name(), args=[ast.Name(id=owner), ast.Constant(value=str() as name), *_]):
                if owner == argument:
                    found.add(name)
    return found
