"""A live lambda (or function of one argument) as data: its text, what it captured, and a bundle of what else it uses.

Values that the codec writes travel as values; functions, classes and modules by the machinery of class bundles.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, EnumType
from types import FunctionType, ModuleType
from typing import Any

from ..codec import encode
from ..errors import CannotShip, EmergeError, Invalid
from .body import argument_of, check_body, parse_expression
from .builtin_modules import GIVEN, given_name
from .bundle import Part
from .capture_class import capture, capture_draft
from .collector import Draft
from .locate import find_function
from .locate_lambda import find_lambda
from .name import free_names
from .origin import is_builtin
from .scope import ABSENT, Scope, function_scope
from .source import Unit

OWN = "_Expression"
"""The class that the bundle of an expression is named by; the rest of the bundle is what the expression uses."""
VALUES_LIMIT = 4 * 1024 * 1024
"""Bytes of all that an expression captured."""


_NATURAL: tuple[Any, ...] = (object.__getattribute__, ModuleType.__getattribute__)


@dataclass(frozen=True, slots=True)
class Expression:
    """`text` is a lambda of one argument, `values` what it captured by name, `bundle` the hash of what else it uses
    ("": nothing), `bundles` the bytes of that and of all it requires, by hash."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)
    bundle: str = ""
    bundles: dict[str, bytes] = field(default_factory=dict, repr=False)

    def to_wire(self) -> dict[str, Any]:
        """{"text", "values", "bundle"} as operations take it; `bundles` goes beside it."""
        values = encode(self.values, bundle_of=lambda cls: capture(cls)[-1].hash, limit=VALUES_LIMIT)
        return {"text": self.text, "values": values, "bundle": self.bundle}


def capture_expression(function: Callable[[Any], Any]) -> Expression:
    """The expression that a lambda or function of one argument is.

    Further arguments must have defaults, which travel. Raises CannotShip naming what cannot, Invalid for what an
    expression may not do, each with what to write instead.
    """
    if not isinstance(function, FunctionType):
        raise CannotShip(
            f"a {type(function).__name__} cannot be used as an expression: {function!r:.80}",
            remedy="write a lambda that calls it: lambda o: ...",
        )
    _check_kind(function)
    unit, node = find_lambda(function) if function.__name__ == "<lambda>" else _as_lambda(function)
    if node is None:
        node = _call_of(function)
        scope = Scope(unit, function.__globals__, [{function.__name__: function}])
    else:
        check_body(node)
        scope = function_scope(function, unit, Scope(unit, function.__globals__))
        scope.inner.insert(0, _defaults(function))
    return _Capture(scope, function, node).expression()


def _check_kind(function: FunctionType) -> None:
    flags = function.__code__.co_flags
    if flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise Invalid(
            f"{function.__name__} yields or awaits: it cannot be used as an expression", remedy="return one value"
        )


def _as_lambda(function: FunctionType) -> tuple[Unit, ast.Lambda | None]:
    """A function that only returns an expression as a lambda; None instead where it does more."""
    unit, node = find_function(function)
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or node.decorator_list:
        return unit, None
    only = body[0]
    return unit, ast.Lambda(node.args, only.value) if isinstance(only, ast.Return) and only.value else None


def _call_of(function: FunctionType) -> ast.Lambda:
    argument = "o" if function.__name__ != "o" else "item"
    return parse_expression(f"lambda {argument}: {function.__name__}({argument})")


def _defaults(function: FunctionType) -> dict[str, Any]:
    """What the arguments after the first are, as nobody gives them."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    given = dict(zip(names[len(names) - len(values) :], values, strict=True)) | (function.__kwdefaults__ or {})
    return {name: value for name, value in given.items() if name != names[0]}


class _Draft(Draft):
    """What an expression uses, gathered as if it were a class."""

    def start(self) -> None:
        self.parts[OWN] = Part("class", OWN, f"class {OWN}:\n    pass", False)
        self.names[OWN] = free_names("")
        self.lines[OWN] = 0

    @property
    def is_empty(self) -> bool:
        return not (self.imports or self.aliases or self.needed or len(self.parts) > 1)

    def use(self, name: str, scope: Scope) -> None:
        self._resolve(name, scope, "it")

    def _refusal(self, what: str, remedy: str) -> CannotShip:
        if remedy.startswith("make it within the method"):
            remedy = "capture plain values, and let a function or an import make what it is made of"
        return CannotShip(f"this expression cannot travel: {what}", remedy=remedy)


class _Capture:
    """One capturing: rewrites the lambda, and sorts what it names."""

    def __init__(self, scope: Scope, function: FunctionType, node: ast.Lambda) -> None:
        self.scope, self.function = scope, function
        self.node = copy.deepcopy(node)
        self.values: dict[str, Any] = {}
        self.draft = _Draft(type(OWN, (), {"__module__": function.__module__}))
        self.draft.start()

    def expression(self) -> Expression:
        argument = argument_of(self.node)[0]
        self.node.args = ast.arguments([], [ast.arg(argument)], None, [], [], None, [])
        rewriting = _Rewriting(self.scope, self.node, self.values, self.draft.held)
        text = ast.unparse(ast.fix_missing_locations(rewriting.visit(self.node)))
        for name in sorted(_free(text) - set(self.values)):
            self._place(name)
        parse_expression(text)
        if self.draft.is_empty:
            return self._checked(Expression(text, self.values))
        bundles = capture_draft(self.draft)
        return self._checked(
            Expression(text, self.values, bundles[-1].hash, {bundle.hash: bundle.data for bundle in bundles})
        )

    def _checked(self, expression: Expression) -> Expression:
        expression.to_wire()
        return expression

    def _place(self, name: str) -> None:
        value = self.scope.find(name)
        if name in GIVEN and (value is ABSENT or given_name(value)):  # written in full by `_Rewriting`
            return
        if value is ABSENT or is_builtin(name, value) or not _is_value(value, self.draft.held):
            if name in GIVEN or (hasattr(builtins, name) and not (value is ABSENT or is_builtin(name, value))):
                raise self.draft._refusal(f"it uses a {name} that is not Python's own", "give it another name")
            self.draft.use(name, self.scope)
        else:
            self.values[name] = value


def _free(text: str) -> set[str]:
    names = free_names(text)
    return set(names.hard | names.soft)


def _is_value(value: Any, held: set[type]) -> bool:
    """Whether the codec writes it; then the classes of instances in it are added to `held`."""
    found: set[type] = set()

    def note(cls: type) -> str:
        found.add(cls)
        return ""

    try:
        encode(value, bundle_of=note)
    except EmergeError:
        return False
    held |= found
    return True


class _Rewriting(ast.NodeTransformer):
    """Writes given things by their full names, and plain attributes of captured instances as values."""

    def __init__(self, scope: Scope, node: ast.Lambda, values: dict[str, Any], held: set[type]) -> None:
        self.scope, self.values, self.held = scope, values, held
        self.free = _free(ast.unparse(ast.fix_missing_locations(node)))
        self.bound = {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}
        self.bound |= {
            child.id for child in ast.walk(node) if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load)
        }

    def find(self, name: str) -> Any:
        return self.scope.find(name) if name in self.free and name not in self.bound else ABSENT

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._given(self.find(node.id)) or node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        owner = self.find(name) if name else ABSENT
        value = ABSENT if owner is ABSENT else _held_by(owner, node.attr)
        if value is not ABSENT:
            new = self._given(value) or self._value(f"{name}_{node.attr}", value)
            if new is not None:
                return new
        node.value = self.visit(node.value)
        return node

    def _given(self, value: Any) -> ast.expr | None:
        written = given_name(value)
        root = written.partition(".")[0]
        taken = root in self.bound or (root in self.free and not given_name(self.scope.find(root)))
        return ast.parse(written, mode="eval").body if written and not taken else None

    def _value(self, name: str, value: Any) -> ast.expr | None:
        held: set[type] = set()
        if name in self.free or name in self.bound or not _is_value(value, held):
            return None
        if held and not isinstance(value, Enum):
            return None
        self.values[name] = value
        self.held |= held
        return ast.Name(name, ast.Load())


def _held_by(owner: Any, attribute: str) -> Any:
    """What an instance, module or Enum itself holds under that name, without running code of its class; or ABSENT."""
    if isinstance(owner, EnumType):
        return owner.__members__.get(attribute, ABSENT)
    if isinstance(owner, type | FunctionType) or type(owner).__getattribute__ not in _NATURAL:
        return ABSENT
    if hasattr(inspect.getattr_static(type(owner), attribute, None), "__set__"):
        return ABSENT
    return getattr(owner, "__dict__", {}).get(attribute, ABSENT)
