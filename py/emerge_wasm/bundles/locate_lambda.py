"""Locate the node of a live lambda in a text: compile every lambda that starts on its line, and compare the code.

Equal code does the same, so which of two equal lambdas it is does not matter. Where the interpreter keeps columns
(it does unless started with -X no_debug_ranges), these decide too.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from types import CodeType, FunctionType

from ..errors import CannotShip
from . import repl
from .code_object import compile_quietly, same_code
from .source import DefinitionNode, Unit, renew, typed_units, unit_of

_KEPT = 1024
_found: dict[tuple[str, CodeType], tuple[Unit, ast.Lambda]] = {}


def find_lambda(function: FunctionType) -> tuple[Unit, ast.Lambda]:
    """Find the text of a lambda, and its node there, which must not be changed.

    It is remembered, because a program searches by the same line again and again.

    Raises:
        CannotShip: there is no such text, or several that differ.
    """
    key = (function.__code__.co_filename, function.__code__)
    if key not in _found:
        if len(_found) >= _KEPT:
            _found.clear()
        try:
            _found[key] = _find(function)
        except CannotShip:
            if not renew([key[0]]):
                raise
            _found[key] = _find(function)
    return _found[key]


def _find(function: FunctionType) -> tuple[Unit, ast.Lambda]:
    code = function.__code__
    found: list[tuple[Unit, ast.Lambda, CodeType]] = []
    for unit in _units(function):
        found = [(unit, node, made) for node in _on_line(unit, code) if (made := _compiled(unit, node, code))]
        if found:
            break
    if not found:
        raise CannotShip(
            f"the lambda of line {code.co_firstlineno} of {code.co_filename} has no source that fits it",
            remedy="write it in a file, a console cell or python -c, and import a file again that was changed",
        )
    exact = [row for row in found if list(row[2].co_positions()) == list(code.co_positions())] or found
    if len({ast.unparse(node) for _, node, _ in exact}) > 1:
        raise CannotShip(
            f"several lambdas of line {code.co_firstlineno} of {code.co_filename} fit",
            remedy="put each on a line of its own",
        )
    return exact[0][:2]


def _units(function: FunctionType) -> Iterator[Unit]:
    code = function.__code__
    named = unit_of(code.co_filename, function.__globals__)
    if named is not None:
        yield named
    elif code.co_filename == repl.FILENAME:
        for text in repl.typed_statements("lambda"):
            yield from _parsed(code.co_filename, text)
    elif code.co_filename.startswith("<"):
        yield from typed_units("lambda")


def _parsed(filename: str, text: str) -> Iterator[Unit]:
    try:
        yield Unit(filename, text, ast.parse(text))
    except (SyntaxError, ValueError):
        return


def _on_line(unit: Unit, code: CodeType) -> Iterator[ast.Lambda]:
    for node in unit.lambdas:
        if node.lineno == code.co_firstlineno:
            yield node


def _compiled(unit: Unit, node: ast.Lambda, wanted: CodeType) -> CodeType | None:
    """Return the code of a candidate when it is the same, compiled in a function with the names it is closed over.

    Its statement may have been compiled with the whole text, or by itself: then only its own imports are known.
    """
    own = copy.deepcopy(node)
    own.args.defaults = [ast.Constant(None) for _ in own.args.defaults]
    own.args.kw_defaults = [item and ast.Constant(None) for item in own.args.kw_defaults]
    around = ast.arguments([], [ast.arg(name) for name in wanted.co_freevars], None, [], [], None, [])
    expression = ast.Expr(ast.Lambda(around, own))
    for tree in (unit.tree, _statement(unit.tree, node)):
        module = ast.fix_missing_locations(ast.Module([*_imports(tree), expression], []))
        try:
            made = _inner(_inner(compile_quietly(module, wanted.co_filename)))
        except (SyntaxError, ValueError):
            return None
        if same_code(made, wanted):
            return made
    return None


def _statement(tree: ast.Module, node: ast.Lambda) -> ast.Module:
    """Return the statement that a lambda is in, as a text of its own."""
    return ast.Module([one for one in tree.body if any(child is node for child in ast.walk(one))], [])


def _imports(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the imports of the module itself: calls through such a name are compiled otherwise."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            if not (isinstance(child, ast.ImportFrom) and child.module == "__future__"):
                yield child
        elif not isinstance(child, DefinitionNode | ast.expr):
            yield from _imports(child)


def _inner(code: CodeType) -> CodeType:
    return next(const for const in code.co_consts if isinstance(const, CodeType))
