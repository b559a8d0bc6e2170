"""Compile the calls in an expression: known functions and constructors, methods of plain values; all else is code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import datetime
from functools import partial

from .compile import Compiler
from .function import CLOCK, FUNCTIONS, TAKES_ANY, TYPES, call_function, is_instance, is_known
from .local_time import LocalTime
from .method import call_method, find_method, is_short
from .row import FOLD_LIMIT, Read, Row, Step

CallArguments = tuple[list[object], dict[str, object]]
"""Positional and named arguments."""


_LOCAL: dict[str, Callable[..., object]] = {"timestamp": LocalTime.timestamp, "astimezone": LocalTime.as_timezone}
"""Methods of a datetime that ask for the caller's zone where it has none."""


def compile_call(compiler: Compiler, node: ast.Call) -> Step:
    """Compile a call."""
    if any(isinstance(item, ast.Starred) for item in node.args) or any(item.arg is None for item in node.keywords):
        return compiler.code("* is code")
    dotted = compiler.dotted(node.func)
    if dotted in ("getattr", "hasattr", "isinstance") and not node.keywords:
        return _compile_question(compiler, dotted, node.args)
    if is_known(dotted, len(node.args), [str(item.arg) for item in node.keywords]):
        return _function(compiler, dotted, node)
    of_object = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == compiler.argument
    if dotted or of_object or not isinstance(node.func, ast.Attribute) or node.func.attr.startswith("__"):
        return compiler.code(f"it calls {ast.unparse(node.func)}")
    return _method(compiler, node.func, node)


def _arguments(compiler: Compiler, node: ast.Call) -> tuple[list[Step], Callable[[Row], CallArguments]]:
    steps = [compiler.step(item) for item in [*node.args, *(item.value for item in node.keywords)]]
    count, names = len(node.args), [str(item.arg) for item in node.keywords]
    reads = [step.read for step in steps]

    def read(row: Row) -> CallArguments:
        values = [one(row) for one in reads]
        return values[:count], dict(zip(names, values[count:], strict=True))

    return steps, read


def _function(compiler: Compiler, name: str, node: ast.Call) -> Step:
    steps, read = _arguments(compiler, node)
    if name in CLOCK:
        compiler.timed = True
        function: Callable[..., object] = partial(CLOCK[name], compiler.local)
    else:
        function = FUNCTIONS[name]
    if name in TAKES_ANY and len(node.args) == 1 and not node.keywords:
        one = steps[0].read
        return compiler.fold(lambda row: function(one(row)), steps)
    return compiler.fold(lambda row: call_function(name, function, *read(row)), steps)


def _method(compiler: Compiler, target: ast.Attribute, node: ast.Call) -> Step:
    owner, name = compiler.step(target.value), target.attr
    steps, arguments = _arguments(compiler, node)
    one = owner.read
    short = is_short(name, [step.value for step in steps]) and all(step.fixed for step in steps)
    direct = getattr(str, name) if short and not node.keywords else None
    given = [step.value for step in steps]
    local = _LOCAL.get(name)
    compiler.timed |= local is not None

    def read(row: Row) -> object:
        value = one(row)
        if direct is not None and type(value) is str and len(value) < FOLD_LIMIT:
            return direct(value, *given)
        bound = find_method(value, name)
        if local is not None and type(value) is datetime:
            bound = partial(local, compiler.local, value)
        return call_method(value, bound, name, *arguments(row))

    return compiler.fold(read, [owner, *steps])


def _compile_question(compiler: Compiler, name: str, args: list[ast.expr]) -> Step:
    """Compile getattr and hasattr of the object by a fixed name, and isinstance of a value and known types."""
    if name == "isinstance":
        kinds = _kinds(compiler, args[1]) if len(args) == 2 else ()
        if not kinds:
            return compiler.code("it asks for a class")
        asked = compiler.step(args[0])
        one = asked.read
        return compiler.fold(lambda row: is_instance(one(row), kinds), [asked])
    match args:
        case [ast.Name(id=owner), ast.Constant(value=str() as field), *more] if owner == compiler.argument:
            if not field.startswith("__") and len(more) == (name == "getattr" and len(more) == 1):
                return _look_up(compiler, name, compiler.field(field).read, [compiler.step(item) for item in more])
    return compiler.code(f"it calls {name}")


def _look_up(compiler: Compiler, name: str, field: Read, more: list[Step]) -> Step:
    other = more[0].read if more else None

    def has(row: Row) -> bool:
        try:
            field(row)
        except AttributeError:
            return False
        return True

    def get(row: Row) -> object:
        instead = other(row) if other else None
        try:
            return field(row)
        except AttributeError:
            if other is None:
                raise
            return instead

    return Step(has if name == "hasattr" else get)


def _kinds(compiler: Compiler, node: ast.expr) -> tuple[type, ...]:
    """Return the types in the second argument of isinstance; () when one is not known."""
    listed = node.elts if isinstance(node, ast.Tuple) else [node]
    found = [TYPES.get(compiler.dotted(item)) for item in listed]
    return tuple(kind for kind in found if kind) if all(found) else ()
