"""Capture a live lambda (or function of one argument) as data: its text, its values, and a bundle of what else it uses.

Values that the codec writes travel as values; functions, classes and modules travel in a class bundle.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, EnumType
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any

from ..codec import encode
from ..errors import CannotShip, EmergeError, Invalid
from .body import argument_of, check_body, parse_expression
from .builtin_modules import BUILTIN_MODULES, builtin_name
from .bundle import SourcePart
from .capture_class import capture, capture_collected
from .collector import Collector
from .locate import find_function
from .locate_lambda import find_lambda
from .name import free_names
from .origin import is_builtin
from .quote import requote
from .scope import ABSENT, Cells, Scope, function_scope
from .source import Unit

OWN = "_Expression"
"""The class that names the bundle of an expression; the rest of the bundle is what the expression uses."""
VALUES_LIMIT = 4 * 1024 * 1024
"""Bytes of all that an expression captured."""

_NATURAL: tuple[object, ...] = (object.__getattribute__, ModuleType.__getattribute__)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that can travel.

    `text` is a lambda of one argument, `values` holds what it captured, by name. `bundle` is the hash of a bundle with
    what else it uses ("": nothing); `bundles` has the bytes of that bundle and of all it requires, by hash.
    """

    text: str
    values: dict[str, object] = field(default_factory=dict)
    bundle: str = ""
    bundles: dict[str, bytes] = field(default_factory=dict, repr=False)

    def to_wire(self) -> dict[str, object]:
        """Return {"text", "values", "bundle"}, as operations take it; `bundles` goes beside it."""
        values = encode(self.values, bundle_of=lambda cls: capture(cls)[-1].hash, limit=VALUES_LIMIT)
        return {"text": self.text, "values": values, "bundle": self.bundle}


def capture_expression(function: Callable[[Any], object]) -> Expression:
    """Capture a lambda or function of one argument. Further arguments must have defaults, which travel.

    Raises:
        CannotShip: it uses something that cannot travel.
        Invalid: it does what an expression may not.
    """
    if not isinstance(function, FunctionType):
        raise CannotShip(
            f"a {type(function).__name__} cannot be used as an expression: {function!r:.80}",
            remedy="write a lambda that calls it: lambda o: ...",
        )
    if (known := _Known.of(function)) is not None and (again := known.expression(function)) is not None:
        return again
    _check_kind(function)
    unit, node = find_lambda(function) if function.__name__ == "<lambda>" else _as_lambda(function)
    if node is None:
        node = _call_of(function)
        scope = Scope(unit, function.__globals__, [{function.__name__: function}])
    else:
        check_body(node)
        scope = function_scope(function, unit, Scope(unit, function.__globals__))
        scope.inner.insert(0, _defaults(function))
    expression = _Capture(scope, function, node).expression()
    _Known.keep(function, expression)
    return expression


@dataclass(frozen=True, slots=True)
class _Known:
    """How a lambda was captured that uses nothing but plain values and functions of Python's own: with other plain
    values it is the same text. A program searches by the same line again and again."""

    text: str
    values: list[str]
    builtins: dict[str, object]

    @staticmethod
    def of(function: FunctionType) -> _Known | None:
        return _KNOWN.get((function.__code__.co_filename, function.__code__))

    @staticmethod
    def keep(function: FunctionType, expression: Expression) -> None:
        """Remember a capture, if it is of that kind."""
        if function.__name__ != "<lambda>" or expression.bundle:
            return
        names, own = _names_of(function), vars(builtins)
        others = _free(expression.text) - expression.values.keys()
        plain = all(name in names and names[name] is value for name, value in expression.values.items())
        if not plain or not all(name in own and name not in names for name in others):
            return
        if len(_KNOWN) >= _KEPT:
            _KNOWN.clear()
        known = _Known(expression.text, list(expression.values), {name: own[name] for name in others})
        if known.expression(function) is not None:
            _KNOWN[function.__code__.co_filename, function.__code__] = known

    def expression(self, function: FunctionType) -> Expression | None:
        """Return what a capture would give; None: that has to be seen."""
        names, own = _names_of(function), vars(builtins)
        if not all(name not in names and own.get(name) is value for name, value in self.builtins.items()):
            return None
        values = {name: names.get(name, ABSENT) for name in self.values}
        return Expression(self.text, values) if all(map(_is_plain, values.values())) else None


_KEPT = 1024
_KNOWN: dict[tuple[str, CodeType], _Known] = {}
_PLAIN = frozenset({NoneType, bool, int, float, str, bytes})


def _names_of(function: FunctionType) -> Mapping[str, object]:
    """Return what the names in a function mean."""
    return ChainMap(_defaults(function), Cells(function), function.__globals__)


def _is_plain(value: object) -> bool:
    if type(value) in (list, tuple, set, frozenset):
        return all(type(each) in _PLAIN for each in value)  # type: ignore[attr-defined]
    return type(value) in _PLAIN


def _check_kind(function: FunctionType) -> None:
    flags = function.__code__.co_flags
    if flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise Invalid(
            f"{function.__name__} yields or awaits: it cannot be used as an expression", remedy="return one value"
        )


def _as_lambda(function: FunctionType) -> tuple[Unit, ast.Lambda | None]:
    """Turn a function that only returns an expression into a lambda; None instead where it does more."""
    unit, node = find_function(function)
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or node.decorator_list:
        return unit, None
    only = body[0]
    return unit, ast.Lambda(node.args, only.value) if isinstance(only, ast.Return) and only.value else None


def _call_of(function: FunctionType) -> ast.Lambda:
    argument = "o" if function.__name__ != "o" else "item"
    return parse_expression(f"lambda {argument}: {function.__name__}({argument})")


def _defaults(function: FunctionType) -> dict[str, object]:
    """Return the defaults of the arguments after the first."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    given = dict(zip(names[len(names) - len(values) :], values, strict=True)) | (function.__kwdefaults__ or {})
    return {name: value for name, value in given.items() if name != names[0]}


class _ExpressionCollector(Collector):
    """Collects what an expression uses, as if it were a class."""

    def start(self) -> None:
        self.parts[OWN] = SourcePart("class", OWN, f"class {OWN}:\n    pass", False)
        self.names[OWN] = free_names("")
        self.lines[OWN] = 0

    @property
    def is_empty(self) -> bool:
        return not (self.imports or self.aliases or self.needed or len(self.parts) > 1)

    def use(self, name: str, scope: Scope) -> None:
        self.resolve(name, scope, "it")

    def refusal(self, what: str, remedy: str) -> CannotShip:
        if remedy.startswith("make it within the method"):
            remedy = "capture plain values, and let a function or an import make what it is made of"
        return CannotShip(f"this expression cannot travel: {what}", remedy=remedy)


class _Capture:
    """Captures one lambda: rewrites it, and sorts the names in it."""

    def __init__(self, scope: Scope, function: FunctionType, node: ast.Lambda) -> None:
        self.scope, self.function = scope, function
        self.node = copy.deepcopy(node)
        self.values: dict[str, object] = {}
        self.collector = _ExpressionCollector(type(OWN, (), {"__module__": function.__module__}))
        self.collector.start()

    def expression(self) -> Expression:
        argument = argument_of(self.node)[0]
        self.node.args = ast.arguments([], [ast.arg(argument)], None, [], [], None, [])
        rewriter = _Rewriter(self.scope, self.node, self.values, self.collector.held)
        text = requote(ast.unparse(ast.fix_missing_locations(rewriter.visit(self.node))))
        for name in sorted(_free(text) - set(self.values) - rewriter.written):
            self._place(name)
        parse_expression(text)
        if self.collector.is_empty:
            return self._checked(Expression(text, self.values))
        bundles = capture_collected(self.collector)
        return self._checked(
            Expression(text, self.values, bundles[-1].hash, {bundle.hash: bundle.data for bundle in bundles})
        )

    def _checked(self, expression: Expression) -> Expression:
        expression.to_wire()
        return expression

    def _place(self, name: str) -> None:
        value = self.scope.find(name)
        if name in BUILTIN_MODULES and (value is ABSENT or builtin_name(value)):  # written in full by `_Rewriter`
            return
        if value is ABSENT or is_builtin(name, value) or not _is_value(value, self.collector.held):
            if name in BUILTIN_MODULES or (
                hasattr(builtins, name) and not (value is ABSENT or is_builtin(name, value))
            ):
                raise self.collector.refusal(f"it uses a {name} that is not Python's own", "give it another name")
            self.collector.use(name, self.scope)
        else:
            self.values[name] = value


def _free(text: str) -> set[str]:
    names = free_names(text)
    return set(names.hard | names.soft)


def _is_value(value: object, held: set[type]) -> bool:
    """Tell whether the codec can write a value; then add the classes of instances in it to `held`."""
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


class _Rewriter(ast.NodeTransformer):
    """Writes what is in the builtin modules by its full name, and plain attributes of captured instances as values."""

    def __init__(self, scope: Scope, node: ast.Lambda, values: dict[str, object], held: set[type]) -> None:
        self.scope, self.values, self.held = scope, values, held
        self.free = _free(ast.unparse(ast.fix_missing_locations(node)))
        self.written: set[str] = set()  # modules that it did not name itself, which may mean something else around it
        self.bound = {child.arg for child in ast.walk(node) if isinstance(child, ast.arg)}
        self.bound |= {
            child.id for child in ast.walk(node) if isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load)
        }

    def find(self, name: str) -> object:
        return self.scope.find(name) if name in self.free and name not in self.bound else ABSENT

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._builtin(self.find(node.id)) or node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        owner = self.find(name) if name else ABSENT
        value = ABSENT if owner is ABSENT else _held_by(owner, node.attr)
        if value is not ABSENT:
            new = self._builtin(value) or self._value(f"{name}_{node.attr}", value)
            if new is not None:
                return new
        node.value = self.visit(node.value)
        return node

    def _builtin(self, value: object) -> ast.expr | None:
        written = builtin_name(value)
        root = written.partition(".")[0]
        taken = root in self.bound or (root in self.free and not builtin_name(self.scope.find(root)))
        if not written or taken:
            return None
        if root not in self.free:
            self.written.add(root)
        return ast.parse(written, mode="eval").body

    def _value(self, name: str, value: object) -> ast.expr | None:
        held: set[type] = set()
        if name in self.free or name in self.bound or not _is_value(value, held):
            return None
        if held and not isinstance(value, Enum):
            return None
        self.values[name] = value
        self.held |= held
        return ast.Name(name, ast.Load())


def _held_by(owner: object, attribute: str) -> object:
    """Return what an instance, module or Enum itself holds under a name, or ABSENT. No code of its class is run."""
    if isinstance(owner, EnumType):
        return owner.__members__.get(attribute, ABSENT)
    if isinstance(owner, type | FunctionType) or type(owner).__getattribute__ not in _NATURAL:
        return ABSENT
    if hasattr(inspect.getattr_static(type(owner), attribute, None), "__set__"):
        return ABSENT
    return getattr(owner, "__dict__", {}).get(attribute, ABSENT)
