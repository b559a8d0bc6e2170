"""Compile an expression's tree to closures: one for each node, each a function of a row.

A node that is not known becomes a closure that raises NeedsCode when it is reached, so that what comes before it can
still decide. Python's order of evaluation is kept.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sized
from functools import cached_property
from typing import Any, cast

from ..bundles.builtin_modules import BUILTIN_MODULES
from ..context import Clock
from .bound import BINARY, COMPARE, LENGTH, UNARY, shown
from .function import VALUES
from .local_time import LocalTime, clock_here
from .method import attribute
from .nested import NeedsCode, missing
from .row import FOLD_LIMIT, HIDDEN, Read, Row, Step, fixed
from .time_limit import TimeLimit

_NO_ROW = cast(Row, None)
"""Given to steps that do not depend on the row."""
WORKING = (ast.Call, ast.Compare, ast.BinOp, ast.JoinedStr, ast.Set, ast.Dict, ast.Subscript)
"""The nodes whose work takes time."""


Makers = Mapping[type[ast.expr], Callable[["Compiler", Any], Step]]
"""How each kind of node is compiled."""


_MEMBERS = (str, set, frozenset, dict, tuple, list)


class Compiler:
    """Compiles one expression. `reason` says why the expression is more than plain, "" when it is plain.

    `makers`: compiles each kind of node (see `maker.py`). `checked`: every attribute is asked of the row, for classes
    that compute some. `limit`: bounds the time. `clock`: the caller's (None: this process's now); `timed`: it is asked.
    """

    def __init__(
        self,
        makers: Makers,
        argument: str,
        values: dict[str, object],
        *,
        checked: bool = False,
        limit: TimeLimit | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._makers, self.argument, self.values, self.checked, self.limit = makers, argument, values, checked, limit
        self.reason = ""
        self.clock = clock
        self.timed = False

    @cached_property
    def local(self) -> LocalTime:
        """The clock functions as the caller would see them."""
        return LocalTime(self.clock or clock_here())

    def step(self, node: ast.expr) -> Step:
        make = self._makers.get(type(node))
        if make is None:
            return self.code(f"{type(node).__name__} runs in a sandbox only")
        step = make(self, node)
        return self.limit.watch(step) if self.limit and isinstance(node, WORKING) else step

    def code(self, reason: str) -> Step:
        """Make a step that only shipped code can do."""
        self.reason = self.reason or reason

        def read(row: Row) -> object:
            raise NeedsCode(reason)

        return Step(read)

    def fold(self, read: Read, parts: list[Step]) -> Step:
        """Make a step of others, computed now where none of them depends on the row."""
        if all(part.fixed for part in parts) and not (self.limit and self.limit.late):
            try:
                value = read(_NO_ROW)
            except Exception:  # raised again for each row, where it is reached
                return Step(read)
            if not (isinstance(value, Sized) and not isinstance(value, range) and len(value) > FOLD_LIMIT):
                return fixed(value)
        return Step(read)

    # --- names

    def name(self, node: ast.Name) -> Step:
        if node.id in self.values:
            return fixed(self.values[node.id])
        what = "the whole object" if node.id == self.argument else node.id
        return self.code(f"{what} is more than a plain value")

    def dotted(self, node: ast.expr) -> str:
        """Return `datetime.date` for what is in a builtin module, `len` for a builtin; "" for anything else."""
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner.partition(".")[0] in BUILTIN_MODULES else ""
        if not isinstance(node, ast.Name) or node.id in self.values or node.id == self.argument:
            return ""
        return node.id

    def attribute(self, node: ast.Attribute) -> Step:
        name = node.attr
        if name == "__name__" and self._is_class(node.value):
            return Step(_class_name)
        if name.startswith("__"):
            return self.code(f"{name} is Python's own")
        if isinstance(node.value, ast.Name) and node.value.id == self.argument:
            return self.field(name)
        dotted = self.dotted(node)
        if dotted:
            return fixed(VALUES[dotted]) if dotted in VALUES else self.code(f"{dotted} is code")
        owner = self.step(node.value)
        read = owner.read
        return self.fold(lambda row: attribute(read(row), name), [owner])

    def _is_class(self, node: ast.expr) -> bool:
        """Tell whether a node is `type(o)`."""
        match node:
            case ast.Call(func=ast.Name() as function, args=[ast.Name(id=argument)], keywords=[]):
                return self.dotted(function) == "type" and argument == self.argument
        return False

    def field(self, name: str) -> Step:
        if self.checked:
            return Step(lambda row: row.get(name), field=name)
        if name in HIDDEN:
            return Step(lambda row: row.pointer[name], field=name)

        def read(row: Row) -> object:
            try:
                return row.state[name]
            except KeyError:
                return missing(row.shape, name)

        return Step(read, field=name)

    # --- operators

    def boolean(self, node: ast.BoolOp) -> Step:
        steps = [self.step(item) for item in node.values]
        reads = [step.read for step in steps]
        first, second, *more = reads
        if isinstance(node.op, ast.And):
            if not more:
                return self.fold(lambda row: first(row) and second(row), steps)
            return self.fold(lambda row: _all(reads, row), steps)
        if not more:
            return self.fold(lambda row: first(row) or second(row), steps)
        return self.fold(lambda row: _any(reads, row), steps)

    def compare(self, node: ast.Compare) -> Step:
        sides = [self.step(item) for item in [node.left, *node.comparators]]
        names = [type(op).__name__ for op in node.ops]
        for number, name in enumerate(names):
            if name in ("Is", "IsNot") and not any(
                map(_is_single, [node.left, *node.comparators][number : number + 2])
            ):
                return self.code("is tells objects apart, not values")
        if len(names) > 1:
            return self.between(names, sides) or self.fold(lambda row: _chain(row, sides, names), sides)
        left, right = sides
        return self.field_compared(names[0], left, right) or self.fold(_pair(names[0], left.read, right.read), sides)

    def is_state(self, step: Step) -> bool:
        """Tell whether a step only reads an attribute from the state."""
        return bool(step.field) and not self.checked and step.field not in HIDDEN

    def field_compared(self, name: str, left: Step, right: Step) -> Step | None:
        """Compile the commonest case, a field beside a fixed value, to one closure."""
        operate = COMPARE[name]
        if self.is_state(left) and right.fixed:
            field, value = left.field, right.value
            if name == "In" and isinstance(value, _MEMBERS) and len(value) < FOLD_LIMIT:
                operate = _is_in if type(value) is not str else operate

            def read(row: Row) -> object:
                try:
                    found = row.state[field]
                except KeyError:
                    found = missing(row.shape, field)
                return operate(found, value)

            return Step(read)
        if self.is_state(right) and left.fixed:
            field, value = right.field, left.value

            def mirrored(row: Row) -> object:
                try:
                    found = row.state[field]
                except KeyError:
                    found = missing(row.shape, field)
                return operate(value, found)

            return Step(mirrored)
        return None

    def between(self, names: list[str], sides: list[Step]) -> Step | None:
        """Compile `low < o.field < high` to one closure."""
        low, middle, high = sides if len(sides) == 3 else (sides[0], sides[0], sides[0])
        if not (self.is_state(middle) and low.fixed and high.fixed):
            return None
        below, above, field, first, last = COMPARE[names[0]], COMPARE[names[1]], middle.field, low.value, high.value

        def read(row: Row) -> object:
            try:
                found = row.state[field]
            except KeyError:
                found = missing(row.shape, field)
            return below(first, found) and above(found, last)

        return Step(read)

    def binary(self, node: ast.BinOp) -> Step:
        operate = BINARY.get(type(node.op).__name__)
        if operate is None:
            return self.code("@ is code")
        left, right = self.step(node.left), self.step(node.right)
        one, other = left.read, right.read
        return self.fold(lambda row: operate(one(row), other(row)), [left, right])

    def unary(self, node: ast.UnaryOp) -> Step:
        operate = UNARY[type(node.op).__name__]
        operand = self.step(node.operand)
        read = operand.read
        if isinstance(node.op, ast.Not):
            return self.fold(lambda row: not read(row), [operand])
        return self.fold(lambda row: operate(read(row)), [operand])

    def choice(self, node: ast.IfExp) -> Step:
        steps = [self.step(item) for item in (node.test, node.body, node.orelse)]
        test, body, other = (step.read for step in steps)
        return self.fold(lambda row: body(row) if test(row) else other(row), steps)

    # --- containers and text

    def sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Step:
        if any(isinstance(item, ast.Starred) for item in node.elts):
            return self.code("* is code")
        steps = [self.step(item) for item in node.elts]
        reads = [step.read for step in steps]
        kind = _SEQUENCES[type(node)]
        return self.fold(lambda row: kind([read(row) for read in reads]), steps)

    def mapping(self, node: ast.Dict) -> Step:
        if None in node.keys:
            return self.code("** is code")
        keys, values = [self.step(key) for key in node.keys if key], [self.step(item) for item in node.values]
        pairs = [(key.read, value.read) for key, value in zip(keys, values, strict=True)]
        return self.fold(lambda row: {key(row): value(row) for key, value in pairs}, [*keys, *values])

    def subscript(self, node: ast.Subscript) -> Step:
        owner, index = self.step(node.value), self.step(node.slice)
        one, other = owner.read, index.read
        return self.fold(lambda row: one(row)[other(row)], [owner, index])

    def slice(self, node: ast.Slice) -> Step:
        steps = [self.step(item) if item else fixed(None) for item in (node.lower, node.upper, node.step)]
        low, high, by = (step.read for step in steps)
        return self.fold(lambda row: slice(low(row), high(row), by(row)), steps)

    def joined(self, node: ast.JoinedStr) -> Step:
        parts = [item.value if isinstance(item, ast.FormattedValue) else item for item in node.values]
        kinds = [item.conversion if isinstance(item, ast.FormattedValue) else -1 for item in node.values]
        if any(isinstance(item, ast.FormattedValue) and item.format_spec for item in node.values):
            return self.code("a format is code")
        steps = [self.step(part) for part in parts]
        shows = [_SHOWS[kind] for kind in kinds]
        reads = [(show, step.read) for show, step in zip(shows, steps, strict=True)]
        return self.fold(lambda row: _joined([show(shown(read(row))) for show, read in reads]), steps)


def _class_name(row: Row) -> str:
    """Return `type(o).__name__`. A bundle names a class within a class with those around it."""
    if row.shape.opaque:
        raise NeedsCode(row.shape.opaque)
    return row.shape.name.rpartition(".")[2]


def _is_single(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_in(found: object, values: Any) -> bool:
    return found in values


def _pair(name: str, one: Read, other: Read) -> Read:
    operate = COMPARE[name]
    return lambda row: operate(one(row), other(row))


def _chain(row: Row, sides: list[Step], names: list[str]) -> object:
    left = sides[0].read(row)
    result: object = True
    for side, name in zip(sides[1:], names, strict=True):
        right = side.read(row)
        result = COMPARE[name](left, right)
        if not result:
            return result
        left = right
    return result


def _all(reads: list[Read], row: Row) -> object:
    value: object = True
    for read in reads:
        value = read(row)
        if not value:
            return value
    return value


def _any(reads: list[Read], row: Row) -> object:
    value: object = False
    for read in reads:
        value = read(row)
        if value:
            return value
    return value


def _joined(parts: list[str]) -> str:
    if sum(map(len, parts)) > LENGTH:
        raise NeedsCode("it makes more text than is made outside a sandbox")
    return "".join(parts)


_SHOWS: dict[int, Callable[[object], str]] = {-1: format, 115: str, 114: repr, 97: ascii}
_SEQUENCES: dict[type[ast.expr], Callable[[list[object]], object]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
