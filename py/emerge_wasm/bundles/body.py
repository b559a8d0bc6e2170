"""Parse the text of an expression, which is one lambda of one argument, within bounds. Nothing is run."""

from __future__ import annotations

import ast
import sys
import tokenize
import warnings
from collections.abc import Iterator

from ..codec.syntax_depth import check_nesting
from ..errors import Invalid, LimitExceeded
from .grammar import constructs, grammar_of

TEXT_LIMIT = 16 * 1024
"""Characters of an expression."""
DEPTH_LIMIT = 50
"""Levels of its tree."""

_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.NamedExpr: ("it assigns (:=)", "write the value twice, or a function"),
    ast.Yield: ("it yields", "return one value"),
    ast.YieldFrom: ("it yields", "return one value"),
    ast.Await: ("it awaits", "await before, and let the expression use the result"),
}


def parse_expression(text: str) -> ast.Lambda:
    """Parse an expression's text.

    Raises:
        Invalid: it is anything but a lambda of one argument, or does what an expression may not.
    """
    if not isinstance(text, str) or len(text) > TEXT_LIMIT:
        what = f"it has {len(text)} characters" if isinstance(text, str) else "it is no text"
        raise _invalid(what, f"at most {TEXT_LIMIT}; keep large data in what it captures")
    try:
        check_nesting(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval")
    except (tokenize.TokenError, SyntaxError, ValueError, LimitExceeded, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        need, have = grammar_of(text), sys.version_info[:2]
        if need > have:
            construct = next(one for one in constructs(text) if one.grammar == need)
            reason = f"Python {need[0]}.{need[1]} is needed for {construct.name}, and this is {have[0]}.{have[1]}"
        is_path = text.startswith("/")
        remedy = "write it in Python" if isinstance(error, SyntaxError) else "write a shorter one, in Python"
        raise _invalid(reason, "give a path as path=" if is_path else remedy) from None
    if not isinstance(tree.body, ast.Lambda):
        raise _invalid("it is no lambda", "write it as lambda o: ...")
    check_body(tree.body)
    if argument_of(tree.body) != [tree.body.args.args[0].arg] or tree.body.args.defaults:
        raise _invalid("it does not take just one argument", "write it as lambda o: ...")
    return tree.body


def check_body(node: ast.Lambda) -> None:
    """Raise Invalid for what an expression may not do, and for a tree that is too deep."""
    if not argument_of(node):
        raise _invalid("it does not take just one argument", "write it as lambda o: ...; others need defaults")
    for depth, child in _levels(node):
        if depth > DEPTH_LIMIT:
            raise _invalid(f"it nests deeper than {DEPTH_LIMIT}", "write it in parts, or call a function")
        if type(child) in _REFUSED or (isinstance(child, ast.comprehension) and child.is_async):
            raise _invalid(*_REFUSED.get(type(child), _REFUSED[ast.Await]))


def argument_of(node: ast.Lambda) -> list[str]:
    """Return the names of a lambda's arguments, the object's first; none when it cannot be called with one."""
    args = node.args
    listed = [*args.posonlyargs, *args.args]
    if args.vararg or args.kwarg or not listed or None in args.kw_defaults or len(args.defaults) < len(listed) - 1:
        return []
    return [item.arg for item in [*listed, *args.kwonlyargs]]


def _levels(node: ast.AST) -> Iterator[tuple[int, ast.AST]]:
    todo = [(0, node)]
    while todo:
        depth, one = todo.pop()
        yield depth, one
        if depth <= DEPTH_LIMIT:
            todo += [(depth + 1, child) for child in ast.iter_child_nodes(one)]


def _invalid(what: str, remedy: str) -> Invalid:
    return Invalid(f"this expression cannot be used: {what}", remedy=remedy)
