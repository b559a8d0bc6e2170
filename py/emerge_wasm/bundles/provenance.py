"""Tell where a value comes from: from its text alone, or from the environment, a file, the clock, an unknown call.

A value that is literals and what is computed from literals travels in a bundle; any other only by `ship`. The text is
read, never run: the statements that bind the name, those of the names in them, and the functions that these call.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace

from ..errors import CannotShip
from ..shipment import ship
from .bound_name import Binding, Body, bindings, function_bodies, parameters
from .functional_class import find_functional
from .locate import find_class, find_function, functions_in
from .locate_lambda import find_lambda
from .origin import absolute, is_installed
from .pure_call import full_name, is_plain_method, is_plain_type, is_pure, is_pure_constant
from .scope import ABSENT, Cells, Scope, class_scope, function_scope
from .source import FunctionNode, Unit, unit_of
from .static_text import (
    LocalNames,
    annotated,
    arguments_of,
    bodies_around,
    bound,
    callers,
    calls_with,
    imported_object,
    imports_in,
    is_method_call,
    is_written,
    kind_of,
    meaning,
    parts_of,
    resolve,
    star_imports,
    written_value,
)

_MUTABLE = (list, dict, set, bytearray, deque)
_CHANGING = ("builtins.setattr", "builtins.dict.", "builtins.list.", "builtins.set.")
_HOLDING = (
    *(dict, list, tuple, set, frozenset, functools.partial, MappingProxyType, SimpleNamespace),
    *(Counter, ChainMap, OrderedDict, deque, defaultdict),
)
"""What keeps what it is given, and calls none of it."""
_CONSTRUCTED = ("__init__", "__new__", "__post_init__", "__call__")
_FROM_HERE = frozenset({"__file__", "__path__", "__spec__", "__loader__", "__cached__"})


@dataclass(frozen=True, slots=True)
class Foreign:
    """An expression whose value comes from outside the text, or `what` tells of it where there is none to show."""

    unit: Unit
    node: ast.AST | None
    what: str = ""
    final: bool = False  # `what` says more than any expression that it is used in

    def __str__(self) -> str:
        if self.node is None:
            return self.what
        text = ast.unparse(self.node)
        where = os.path.basename(self.unit.filename)
        return f"{text if len(text) < 80 else text[:77] + '...'} (line {getattr(self.node, 'lineno', 0)} of {where})"


def foreign_source(name: str, scope: Scope) -> Foreign | None:
    """Return what the value of a name is made from that no bundle may hold, None when its text says all of it."""
    return _Walk().name(name, scope)


def foreign_argument(name: str, scope: Scope) -> Foreign | None:
    """Return what a function is made with, as `name = make(what)`, that no bundle may hold."""
    walk = _Walk()
    for binding, inner in bound(name, scope):
        for source in binding.sources:
            found = walk.any(arguments_of(source), inner, frozenset()) if isinstance(source, ast.Call) else None
            if found:
                return found
    return None


def foreign_closure(name: str, scope: Scope) -> Foreign | None:
    """Return what a function keeps, which a call made, that no bundle may hold."""
    found, walk = scope.find(name), _Walk()
    todo = [found] if isinstance(found, FunctionType) else []
    for function in todo:
        if is_installed(str(function.__module__)):
            continue
        try:
            unit, _ = _find(function)
        except CannotShip:
            continue
        inner = function_scope(function, unit, scope)
        for variable, value in Cells(function).items():
            if isinstance(value, FunctionType):
                todo += [value] if value not in todo else []
            elif not callable(value):
                problem = walk.name(variable, inner)
                if problem:
                    return problem
    return None


def _find(function: FunctionType) -> tuple[Unit, FunctionNode | ast.Lambda]:
    return find_lambda(function) if function.__name__ == "<lambda>" else find_function(function)


class _Walk:
    """One walk over what a value is made of; nothing is looked at twice."""

    def __init__(self) -> None:
        self.seen: set[object] = set()
        self.calling = False  # within a call, which may call what is given to it

    def is_new(self, *key: object) -> bool:
        key = (*key, self.calling)
        new = key not in self.seen
        self.seen.add(key)
        return new

    @contextmanager
    def within_call(self, calls: bool = True) -> Iterator[None]:
        """Look at functions too, for they may be called."""
        before, self.calling = self.calling, self.calling or calls
        try:
            yield
        finally:
            self.calling = before

    def name(self, name: str, scope: Scope) -> Foreign | None:
        """Look at a name: at what it is, or at all that binds it."""
        first = not self.seen
        if not self.is_new(id(scope.unit), scope.around, name, first):
            return None
        value = meaning(name, scope)
        if name in _FROM_HERE or (self.calling and isinstance(value, ModuleType)):
            return Foreign(scope.unit, None, f"{name}, which is of this machine")
        rows = list(bound(name, scope, last=first))
        if isinstance(value, ModuleType):
            return None
        if isinstance(value, type | FunctionType | BuiltinFunctionType | MethodType):
            found = self.callable(value, scope) if self.calling else None
            return found or self.rows(name, [row for row in rows if not row[0].whole], scope)
        whole = [row for row, inner in rows if row.whole and not inner.around]
        written = written_value(name, whole[-1].node) if whole and (first or len(whole) == 1) else None
        if written is not None and is_written(value, written) is True:
            return None
        body = next((body for body in bodies_around(scope) if name in body.own), None)
        given = body is not None and name in parameters(body.node)
        found = self.parameter(name, body, scope) if body is not None and given else None
        if rows:
            found = found or self.rows(name, rows, scope)
            changes = list(calls_with(name, scope)) if isinstance(value, _MUTABLE) or hasattr(value, "__dict__") else []
            if written is not None and len(rows) == 1 and not changes and is_written(value, written) is False:
                what = f"a change after {name} = {ast.unparse(written)[:40]}"
                return found or Foreign(scope.unit, None, what, final=True)
            return found or next(
                filter(None, (self.filled(call, index, inner) for call, index, inner in changes)), None
            )
        if given:
            return found
        if value is ABSENT or (name.startswith("__") and name.endswith("__")):
            return None
        for module in star_imports(name, scope):
            return self.imported(module, name, scope)
        return Foreign(scope.unit, None, "a statement that cannot be found", final=True)

    def rows(self, name: str, rows: Iterable[tuple[Binding, Scope]], scope: Scope) -> Foreign | None:
        return next(filter(None, (self.binding(name, binding, inner) for binding, inner in rows)), None)

    def binding(self, name: str, binding: Binding, scope: Scope) -> Foreign | None:
        node = binding.node
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self.imports(name, node, scope)
        if isinstance(node, FunctionNode | ast.ClassDef):
            with self.within_call():
                return self.expression(node, scope, frozenset()) if not callable(scope.find(name)) else None
        if not binding.whole and is_method_call(name, binding.sources):
            return self.change(name, binding.sources[0], scope)
        return self.any(binding.sources, scope, frozenset())

    def change(self, name: str, call: ast.expr, scope: Scope) -> Foreign | None:
        """Look at a method call that may change a value."""
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        value = scope.find(name)
        if not isinstance(value, (*_MUTABLE, tuple)) and is_installed(type(value).__module__):
            return None  # a number, a text, a logger: none of its methods gives it a value to ship
        with self.within_call(type(value) not in _MUTABLE):
            found = self.any(arguments_of(call), scope, frozenset())
        return found or (None if isinstance(value, (*_MUTABLE, tuple)) else self.method(call.func, type(value), scope))

    def filled(self, call: ast.Call, index: int, scope: Scope) -> Foreign | None:
        """Look at a call that may change the value which is its argument of that index."""
        function = resolve(call.func, scope, frozenset())
        if full_name(function).startswith(_CHANGING):
            return self.any(arguments_of(call), scope, frozenset())
        if isinstance(function, FunctionType) and not is_installed(function.__module__):
            return self.filler(function, index, call, scope)
        return None

    def filler(self, function: FunctionType, index: int, call: ast.Call, scope: Scope) -> Foreign | None:
        try:
            _, node = find_function(function)
        except CannotShip as error:
            return Foreign(scope.unit, call, error.message)
        listed = [*node.args.posonlyargs, *node.args.args]
        changes = bindings(node.body).get(listed[index].arg, []) if index < len(listed) else []
        if not any(not change.whole for change in changes):
            return None
        return self.any(arguments_of(call), scope, frozenset()) or self.function(function, scope)

    def parameter(self, name: str, body: Body, scope: Scope) -> Foreign | None:
        """Look at what a function is called with in its own text."""
        listed = [item.arg for item in (*body.node.args.posonlyargs, *body.node.args.args)]
        index = listed.index(name) if name in listed else len(listed)
        for call, inner in callers(body, scope):
            named = [item.value for item in call.keywords if item.arg in (name, None)]
            placed = call.args[index : index + 1] or [one for one in call.args if isinstance(one, ast.Starred)]
            found = self.any([*placed, *named], inner, frozenset())
            if found:
                return found
        return None

    def imports(self, name: str, node: ast.Import | ast.ImportFrom, scope: Scope) -> Foreign | None:
        if not isinstance(node, ast.ImportFrom):
            return None
        for alias in node.names:
            if (alias.asname or alias.name) in (name, "*"):
                module = absolute(node.module or "", node.level, scope.namespace)
                return self.imported(module, alias.name if alias.name != "*" else name, scope)
        return None

    def imported(self, module: str, name: str, scope: Scope) -> Foreign | None:
        """Look at a name of another module."""
        other = sys.modules.get(module)
        value = getattr(other, name, None)
        if is_installed(module):
            pure = callable(value) or isinstance(value, ModuleType) or is_pure_constant(module, name, value)
            return None if pure else Foreign(scope.unit, None, f"{module}.{name}")
        unit = unit_of(str(getattr(other, "__file__", "")), vars(other)) if other is not None else None
        return self.name(name, Scope(unit, vars(other))) if unit and other else Foreign(scope.unit, None, module)

    # --- expressions

    def any(self, nodes: Iterable[ast.AST], scope: Scope, local: LocalNames) -> Foreign | None:
        return next(filter(None, (self.expression(node, scope, local) for node in nodes)), None)

    def expression(self, node: ast.AST, scope: Scope, local: LocalNames) -> Foreign | None:
        """Look at an expression or statement; `local` are the names that it sets itself."""
        if isinstance(node, ast.Call):
            return self.call(node, scope, local)
        if isinstance(node, ast.Attribute):
            return self.attribute(node, scope, local)
        if isinstance(node, ast.Name):
            read = isinstance(node.ctx, ast.Load) and node.id not in local
            return self.at(node, self.name(node.id, scope), scope) if read else None
        if isinstance(node, ast.Await):
            return Foreign(scope.unit, node)
        if isinstance(node, FunctionNode | ast.Lambda):
            return self.body(node, scope, local) if self.calling else self.any([node.args], scope, local)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            local |= {
                child.id for one in node.generators for child in ast.walk(one.target) if isinstance(child, ast.Name)
            }
        found = self.any(parts_of(node), scope, local)
        return self.wider(found, node) if isinstance(node, ast.Subscript) else found

    def body(self, node: FunctionNode | ast.Lambda, scope: Scope, local: LocalNames) -> Foreign | None:
        """Look at all that a function does."""
        inner: dict[str, object] = {}
        local |= parameters(node)
        if isinstance(node, FunctionNode):
            found = bindings(node.body)
            local |= {name for name, rows in found.items() if any(row.whole for row in rows)}
            for name, statements in ((name, imports_in(rows)) for name, rows in found.items()):
                problem = self.imported_within(name, statements, scope)
                if problem:
                    return problem
                if statements:
                    inner[name] = value = imported_object(name, statements[0], scope)
                    local -= {name} if callable(value) or isinstance(value, ModuleType) else set()
        own = replace(scope, inner=[inner, *scope.inner]) if inner else scope
        return self.any(parts_of(node), own, local)

    def imported_within(self, name: str, statements: list[ast.Import | ast.ImportFrom], scope: Scope) -> Foreign | None:
        """Look at what a function imports: a constant, or functions of which only one has the name."""
        for statement in statements:
            value = imported_object(name, statement, scope)
            if not callable(value):
                found = self.imports(name, statement, scope)
            else:
                found = self.callable(value, scope) if len(statements) > 1 else None
            if found:
                return found
        return None

    def call(self, node: ast.Call, scope: Scope, local: LocalNames) -> Foreign | None:
        target = resolve(node.func, scope, local)
        if target is ship:
            return None
        with self.within_call(not _only_holds(target)):
            found = self.any(arguments_of(node), scope, local)
        with self.within_call():
            return found or self.called(node, target, scope, local)

    def called(self, node: ast.Call, target: object, scope: Scope, local: LocalNames) -> Foreign | None:
        """Look at what is called."""
        if target is getattr and len(node.args) > 1 and isinstance(name := node.args[1], ast.Constant):
            read = ast.copy_location(ast.Attribute(node.args[0], str(name.value), ast.Load()), node)
            return self.wider(self.attribute(read, scope, local), node)
        if target is not ABSENT:
            return self.at(node, self.callable(target, scope), scope)
        return self.wider(self.expression(node.func, scope, local), node)

    def attribute(self, node: ast.Attribute, scope: Scope, local: LocalNames) -> Foreign | None:
        owner = resolve(node.value, scope, local)
        value = resolve(node, scope, local)
        if isinstance(owner, ModuleType):
            if value is ABSENT:
                return Foreign(scope.unit, node)
            if callable(value):
                return self.at(node, self.callable(value, scope), scope) if self.calling else None
            return self.at(node, self.imported(owner.__name__, node.attr, scope), scope)
        if isinstance(owner, type):
            return self.at(node, self.member(owner, node.attr, scope), scope)
        found = self.expression(node.value, scope, local)
        if found:
            return self.wider(found, node)
        return self.method(node, kind_of(node.value, scope, local), scope)

    def method(self, node: ast.Attribute, kind: type | None, scope: Scope) -> Foreign | None:
        """Look at an attribute of a value, of which at most the type is known."""
        if kind is not None:
            return self.at(node, self.member(kind, node.attr, scope), scope)
        own = [body for body in function_bodies(scope.unit) if body.node.name == node.attr]
        if self.calling and not own and not is_plain_method(node.attr) and not _is_field(node.attr, scope):
            return Foreign(scope.unit, node)
        for body in own if self.calling or any(map(_is_property, own)) else ():
            if self.is_new(id(body.node)):
                found = self.body(body.node, replace(scope, around=body.qualname.rpartition(".")[0]), frozenset())
                if found:
                    return found
        return None

    # --- functions and classes

    def callable(self, value: object, scope: Scope) -> Foreign | None:
        """Look at what is called, or could be."""
        while hasattr(value, "__wrapped__") or isinstance(value, functools.partial):
            value = value.func if isinstance(value, functools.partial) else getattr(value, "__wrapped__")  # noqa: B009
        if isinstance(value, type) and not is_installed(value.__module__):
            return self.cls(value, scope)
        if isinstance(value, FunctionType) and not is_installed(value.__module__):
            return self.function(value, scope)
        bound = getattr(value, "__func__", None)
        if isinstance(bound, FunctionType) and not is_installed(bound.__module__):
            return self.function(bound, scope)
        instance = not isinstance(value, type | FunctionType) and is_pure(full_name(type(value)))
        if instance or is_pure(full_name(value)) or (isinstance(value, type) and value in _HOLDING):
            return None
        if isinstance(value, type) and value.__module__ == "types" and find_functional(value):
            return self.cls(value, scope)
        return Foreign(scope.unit, None, full_name(value) or type(value).__name__)

    def function(self, function: FunctionType, scope: Scope) -> Foreign | None:
        if not self.is_new(id(function.__code__)):
            return None
        try:
            unit, node = _find(function)
        except CannotShip as error:
            return Foreign(scope.unit, None, error.message)
        with self.within_call():
            return self.body(node, function_scope(function, unit, scope), frozenset())

    def cls(self, cls: type, scope: Scope) -> Foreign | None:
        """Look at what happens when a class is called."""
        if cls is object or is_installed(cls.__module__) or not self.is_new(id(cls)):
            return None
        try:
            found = find_class(cls)
            made = None if found else find_functional(cls)
        except CannotShip:
            return None  # which its own capture says
        if made and made.node is not None:
            return self.any(parts_of(made.node), made.scope, frozenset())
        problem = None
        if found:
            unit, node = found
            local = frozenset(bindings(node.body))
            run = [
                item
                for item in node.body
                if not isinstance(item, FunctionNode | ast.ClassDef) or item.name in _CONSTRUCTED
            ]
            with self.within_call():
                problem = self.any(run, class_scope(cls, unit), local)
        for base in (*cls.__mro__[1:], type(cls)):
            problem = problem or self.cls(base, scope)
        return problem

    def member(self, cls: type, name: str, scope: Scope) -> Foreign | None:
        """Look at an attribute of a class."""
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or is_installed(owner.__module__):
            pure = owner is None or (is_plain_type(owner) and is_pure(f"{full_name(owner)}.{name}"))
            return None if pure else Foreign(scope.unit, None, f"{full_name(owner)}.{name}")
        value = vars(owner)[name]
        functions = list(functions_in(value))
        runs = self.calling or isinstance(value, property | functools.cached_property)
        for function in functions if runs else ():
            problem = self.function(function, scope) if not is_installed(function.__module__) else None
            if problem:
                return problem
        try:
            found = None if functions else find_class(owner)
        except CannotShip:
            return None
        if not found:
            return None
        unit, node = found
        inner = class_scope(owner, unit)
        return self.rows(name, [(row, inner) for row in bindings(node.body).get(name, ())], inner)

    # --- places

    def at(self, node: ast.AST, found: Foreign | None, scope: Scope) -> Foreign | None:
        """Give a place to what has none."""
        return Foreign(scope.unit, node) if found and found.node is None and not found.final else found

    def wider(self, found: Foreign | None, node: ast.AST) -> Foreign | None:
        """Show the whole of `os.environ["X"]` where `os.environ` was found."""
        inner = getattr(node, "value", None) or getattr(node, "func", None)
        return replace(found, node=node) if found and found.node is not None and found.node is inner else found


def _only_holds(target: object) -> bool:
    """Tell whether a call keeps what it is given: it is of a container, or of a dataclass or named tuple."""
    if target in _HOLDING if isinstance(target, type) else False:
        return True
    plain = isinstance(target, type) and (is_dataclass(target) or hasattr(target, "_fields"))
    return plain and not hasattr(target, "__post_init__")


def _is_property(body: Body) -> bool:
    return any(ast.unparse(mark).endswith("property") for mark in body.node.decorator_list)


def _is_field(name: str, scope: Scope) -> bool:
    """Tell whether a class of the text declares a field of that name, or something sets it."""
    nodes = [node for _, node in scope.unit.definitions if isinstance(node, ast.ClassDef)]
    if any(name in bindings(node.body) or name in annotated(node) for node in nodes):
        return True
    return any(node.attr == name and isinstance(node.ctx, ast.Store) for node in scope.unit.nodes(ast.Attribute))
