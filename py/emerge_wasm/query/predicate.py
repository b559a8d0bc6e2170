"""Read an expression from the wire as the predicate of a search. The input is hostile: nothing of it is run here."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..bundles.body import parse_expression
from ..bundles.builtin_modules import BUILTIN_MODULES, full_names
from ..bundles.name import free_names
from ..codec import decode
from ..context import Clock
from ..errors import Invalid
from ..operations import Wire
from .compile import WORKING, Compiler
from .derive import RangeDeriver, first_read
from .exact_range import ExactRange, exact_ranges
from .key_range import Everything, RangeSet, ranges_in
from .maker import MAKERS
from .nested import NeedsCode, NestedMaker, bounded
from .row import Read, Row
from .shape import Shape, learn
from .time_limit import FEW, TimeLimit

NODES = 1000
"""Nodes of a tree that is evaluated outside a sandbox."""


@dataclass(slots=True)
class Predicate:
    """One expression.

    `fields` are the attributes of the object that it reads, `values` is what it captured, `bundle` the hash of what
    else it uses. `reason` says why it is more than comparisons, arithmetic, text and membership; "" when it is not.
    """

    text: str
    fields: frozenset[str]
    values: dict[str, object]
    bundle: str
    reason: str
    _tree: ast.Lambda
    _compiler: Compiler
    _read: Read
    _checked: Read | None = None
    _plain: Shape | None = None
    _ranges: RangeSet | None = None
    _first: str | None = None
    _exact: list[dict[str, ExactRange] | None] = field(default_factory=list)  # once it is known

    @property
    def timed(self) -> bool:
        """Whether it depends on when, or in which time zone, it is read."""
        return self._compiler.timed

    @property
    def simple(self) -> bool:
        """Whether it needs no code of its own."""
        return not self.reason

    def test(self, row: Row) -> bool:
        """Return bool(expression(object)), or raise what that raises.

        Raises:
            NeedsCode: only shipped code can tell, for this row or (unless `simple`) for any.
        """
        if self._compiler.limit is not None:
            self._compiler.limit.start()
        if row.shape is self._plain or self._is_plain(row.shape):
            return True if self._read(row) else False  # bool() is slower
        return bool(self._by_asking(row))

    def value(self, row: Row) -> object:
        """Return the value of the expression: plain data, or a Nested instance. Raises as `test` does."""
        if self._compiler.limit is not None:
            self._compiler.limit.start()
        return self._read(row) if self._is_plain(row.shape) else self._by_asking(row)

    def _is_plain(self, shape: Shape) -> bool:
        """Tell whether all that it reads of objects of that class is their state."""
        if shape.opaque or not shape.computed.isdisjoint(self.fields):
            return False
        self._plain = shape
        return True

    def _by_asking(self, row: Row) -> object:
        if self._checked is None:
            compiler = Compiler(MAKERS, self._compiler.argument, self.values, checked=True, limit=self._compiler.limit)
            compiler.clock = self._compiler.clock
            self._checked = _compiled(self._tree, compiler)
        return self._checked(row)

    def ranges(self) -> RangeSet:
        """Return which objects can fit, by ranges of fields."""
        if self._ranges is None:
            if self._compiler.limit is not None:
                self._compiler.limit.start()
            large = self.reason == _LARGE
            self._ranges = Everything() if large else RangeDeriver(self._compiler).derive(self._tree.body)
        return self._ranges

    def surely_read(self) -> str:
        """Return the field without which it surely raises, and which alone decides its ranges; "" if there is none."""
        if self._first is None:
            first = first_read(self._tree.body, self._compiler)
            alone = {(each.field, each.there) for each in ranges_in(self.ranges())} == {(first, False)}
            self._first = first if alone else ""
        return self._first

    def exact_ranges(self) -> dict[str, ExactRange] | None:
        """Return the keys for which it is certainly true, by field; None when keys cannot tell."""
        if not self._exact:
            self._exact.append(None if self.reason else exact_ranges(self._tree.body, self._compiler))
        return self._exact[0]


_LARGE = f"it has more than {NODES} parts"


def read_predicate(
    wire: Wire | None, bundles: Mapping[str, bytes] | None = None, clock: Clock | None = None
) -> Predicate:
    """Read the predicate in {"text", "values", "bundle"}; None gives one that is true of all objects.

    `bundles` (hash: bytes) describe the classes of instances among its values. `clock` is the caller's (None: now).

    Raises:
        Invalid: it is no expression, or uses a name that did not come along.
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
    compiler = Compiler(MAKERS, argument, values, limit=TimeLimit() if many else None, clock=clock)
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


def _values(data: object) -> tuple[dict[str, object], str]:
    """Decode the captured values, and say why they cannot be read without their classes, "" when they can."""
    if type(data) is not bytes:
        raise Invalid("the values of an expression are not encoded", remedy="send what the codec writes")
    try:
        values = bounded(decode(data, maker=NestedMaker()))
    except NeedsCode:
        return {}, "it captured a set or map of instances, or what holds itself"
    if type(values) is not dict or not all(type(key) is str for key in values):
        raise Invalid("the values of an expression are no map of names", remedy="send what the codec writes")
    return values, ""


def _check_names(text: str, values: dict[str, object]) -> None:
    names = free_names(text)
    for name in sorted(names.hard | names.soft):
        if not (name in values or name in BUILTIN_MODULES or hasattr(builtins, name)):
            remedy = f"write {' or '.join(full_names(name)) or 'its value in its place'}"
            raise Invalid(f"the expression uses {name}, which is not known here", remedy=remedy)


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
