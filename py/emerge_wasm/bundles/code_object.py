"""Compile a text in each way that its statements may have been compiled, and compare code objects.

The way changes the code, not what it does: a call through a name is compiled otherwise where the compiler sees that the
name is imported, and annotations within functions are text under a `from __future__` that lasts over cells.
"""

from __future__ import annotations
import __future__

import ast
import warnings
from collections.abc import Iterator
from types import CodeType

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
"""The flag under which cells are compiled."""
_FLAGS = (AWAIT, AWAIT | __future__.annotations.compiler_flag)
_ASYNC = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_SHAPE = (
    *("co_name", "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_exceptiontable"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount"),
)


def compilations(tree: ast.Module, filename: str) -> Iterator[list[CodeType]]:
    """Yield the code objects of a text, once for each way of compiling it: whole, then each statement by itself."""
    for flags in _FLAGS:
        yield list(inner_codes(compile_quietly(tree, filename, flags)))
    for flags in _FLAGS:
        yield [
            code
            for statement in tree.body
            for code in inner_codes(compile_quietly(ast.Module([statement], []), filename, flags))
        ]


def compile_quietly(tree: ast.Module, filename: str, flags: int = AWAIT) -> CodeType:
    """Compile a tree once more: whoever compiled it first was warned.

    Raises:
        SyntaxError: it cannot be compiled.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code: CodeType = compile(tree, filename, "exec", flags, dont_inherit=True)
    return code


def awaits(statement: ast.stmt) -> bool:
    """Tell whether a statement awaits outside of any function, which only a cell may."""
    if not any(isinstance(node, _ASYNC) or getattr(node, "is_async", 0) for node in ast.walk(statement)):
        return False
    try:
        compile_quietly(ast.Module([statement], []), "<statement>", 0)
    except SyntaxError:
        return True
    return False


def inner_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code objects within one, at any depth."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from inner_codes(const)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Tell whether two code objects do the same (filenames, lines and flags aside)."""
    return one == other or _form(one) == _form(other)


def _form(const: object) -> object:
    """Return a value that is equal for equal constants of equal types; a set has no order, and NaN equals itself."""
    if isinstance(const, CodeType):
        return (*(getattr(const, name) for name in _SHAPE), *(_form(item) for item in const.co_consts))
    if isinstance(const, tuple):
        return (tuple, *(_form(item) for item in const))
    if isinstance(const, frozenset):
        return (frozenset, frozenset(_form(item) for item in const))
    return (type(const), repr(const))
