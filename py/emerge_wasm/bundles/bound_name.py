"""Find the statements that give names their values, in one body of a text: a module's, a class's or a function's."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .source import DefinitionNode, FunctionNode, Unit, first_line
from .syntax_tree import children, statements_in

Bindings = dict[str, list["Binding"]]


@dataclass(frozen=True, slots=True)
class Binding:
    """One statement that binds a name, or changes the value that the name has (`whole` is False).

    `sources` are the expressions that the value comes from; a definition, an import and a caught exception have none.
    """

    node: ast.AST
    sources: tuple[ast.expr, ...]
    whole: bool = True


@lru_cache(maxsize=512)
def module_bindings(unit: Unit) -> Bindings:
    """Return the bindings of a text's own level, by name."""
    return bindings(unit.tree.body)


@dataclass(frozen=True, slots=True)
class Body:
    """A function of a text: what it binds, and its own names: parameters, and what it binds and declares no global."""

    node: FunctionNode
    qualname: str
    found: Bindings
    own: frozenset[str]


@lru_cache(maxsize=512)
def function_bodies(unit: Unit) -> list[Body]:
    """Return all functions of a text."""
    return [_body(node, name) for name, node in unit.definitions if isinstance(node, FunctionNode)]


def _body(node: FunctionNode, qualname: str) -> Body:
    found = bindings(node.body)
    whole = {name for name, rows in found.items() if any(row.whole for row in rows)}
    return Body(node, qualname, found, frozenset(parameters(node) | whole) - set(_declared(node.body)))


@lru_cache(maxsize=512)
def changing_bodies(unit: Unit) -> dict[str, list[Body]]:
    """Return the functions of a text by the names that they change and that are not their own."""
    found: dict[str, list[Body]] = {}
    for body in function_bodies(unit):
        for name in body.found.keys() - body.own:
            found.setdefault(name, []).append(body)
    return found


def _declared(body: list[ast.stmt]) -> Iterator[str]:
    for node in statements(body):
        if isinstance(node, ast.Global):
            yield from node.names


def calls_of(name: str, unit: Unit) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of a name in a text, with the qualified name of the function that it is in ("": none)."""
    for call in unit.nodes(ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id == name:
            yield call, _around(call, unit)


def calls_given(name: str, unit: Unit) -> Iterator[tuple[ast.Call, int, str]]:
    """Yield each call of a text that has a name as an argument, its index, and the function that the call is in."""
    for call in unit.nodes(ast.Call):
        for index, one in enumerate(call.args):
            if isinstance(one, ast.Name) and one.id == name:
                yield call, index, _around(call, unit)


def _around(call: ast.Call, unit: Unit) -> str:
    """Return the qualified name of the innermost function that a call is in; its decorators are in it too."""
    found = ""
    for name, node in unit.definitions:
        if isinstance(node, FunctionNode) and first_line(node) <= call.lineno <= (node.end_lineno or 0):
            found = name
    return found


def bindings(body: Iterable[ast.stmt]) -> Bindings:
    """Return the bindings in a body, by name, as written; definitions within it have bodies of their own."""
    found: Bindings = {}
    for node in statements(body):
        for name, binding in _bound_by(node):
            found.setdefault(name, []).append(binding)
    return found


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body, those under if, for, with, try and match too."""
    for node in body:
        yield node
        if not isinstance(node, DefinitionNode):
            yield from statements(statements_in(node))


def parameters(node: FunctionNode | ast.Lambda) -> set[str]:
    """Return the names of a function's parameters."""
    args = node.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return {child.arg for child in named}


def _bound_by(node: ast.stmt) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, DefinitionNode):
        yield node.name, Binding(node, ())
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0], Binding(node, ())
        return
    for target, value in _assigned(node):
        for name, source, whole in _targets(target, value):
            yield name, Binding(node, source, whole and not isinstance(node, ast.AugAssign))
    if isinstance(node, ast.Try | ast.TryStar):
        for handler in node.handlers:
            if handler.name:
                yield handler.name, Binding(node, ())
    for expression in _expressions(node):
        for child in _own_level(expression):
            if isinstance(child, ast.NamedExpr):
                yield child.target.id, Binding(node, (child.value,))
            elif isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                name = root_name(child.func.value)
                if name:
                    yield name, Binding(node, (child,), whole=False)


def _assigned(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield (target, value) of all that a statement assigns."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        if node.value is not None:
            yield node.target, node.value
    elif isinstance(node, ast.For | ast.AsyncFor):
        yield node.target, node.iter
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield from ((item.optional_vars, item.context_expr) for item in node.items if item.optional_vars)
    elif isinstance(node, ast.Match):
        for case in node.cases:
            for child in ast.walk(case.pattern):
                name = getattr(child, "name", None) or getattr(child, "rest", None)
                if isinstance(name, str):
                    yield ast.Name(name, ast.Store()), node.subject
    elif hasattr(ast, "TypeAlias") and isinstance(node, ast.TypeAlias):
        yield node.name, node.value


def _targets(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, tuple[ast.expr, ...], bool]]:
    """Yield (name, sources, whole) for each name in the target of an assignment."""
    if isinstance(target, ast.Name):
        yield target.id, (value,), True
    elif isinstance(target, ast.Starred):
        yield from _targets(target.value, value)
    elif isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        if len(values) != len(target.elts) or any(isinstance(one, ast.Starred) for one in (*target.elts, *values)):
            values = [value] * len(target.elts)
        for one, its in zip(target.elts, values, strict=True):
            yield from _targets(one, its)
    else:
        name = root_name(target)
        if name:
            keys = [child.slice for child in ast.walk(target) if isinstance(child, ast.Subscript)]
            yield name, (value, *keys), False


def root_name(node: ast.expr) -> str:
    """Return the name at the bottom of `name.attribute[key]`, "" when there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _expressions(node: ast.stmt) -> Iterator[ast.expr]:
    """Yield the expressions of a statement itself, not those of statements within it."""
    for child in children(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.withitem):
            yield child.context_expr
        elif isinstance(child, ast.match_case) and child.guard:
            yield child.guard


def _own_level(node: ast.AST) -> list[ast.AST]:
    """Return an expression and all in it; lambdas have names of their own, and are left out."""
    found = [node]
    for one in found:
        found += [child for child in children(one) if not isinstance(child, ast.Lambda)]
    return found
