"""Write a definition with what its names meant when it ran: bases, defaults and values that were defined anew since.

`class Item(Base)` keeps its base when `Base` is another class by now, and `def f(x, rate=RATE)` its default. Where a
name means something else today, the text gets another name, or the value itself.
"""

from __future__ import annotations

import ast
from abc import ABCMeta
from collections.abc import Callable, Iterator
from dataclasses import MISSING, is_dataclass
from enum import EnumType
from types import FunctionType

from ..codec import encode
from ..codec.encoder import PLAIN
from ..errors import EmergeError
from .code_object import inner_codes
from .effect import registered
from .live_part import FILLED
from .live_value import LiveText, NotWritable
from .locate import functions_in
from .part_table import PartTable
from .scope import ABSENT, Scope
from .source import FunctionNode

Expected = tuple[ast.expr, object]
"""An expression, and the value that it had."""
_PURE = (
    ast.expr_context | ast.operator | ast.unaryop | ast.boolop | ast.cmpop | ast.Constant | ast.Name | ast.BinOp
    | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.Tuple
)  # fmt: skip


def class_as_defined(table: PartTable, cls: type, node: ast.ClassDef, text: str, scope: Scope) -> str:
    """Return the text of a class (whose tree is `node`), with what its bases, values and defaults were.

    Raises:
        CannotShip: a base, value or decorator is not there any more.
    """
    _check_registrations(table, cls, node, scope)
    for item in node.body:
        if isinstance(item, FunctionNode) and item.name in vars(cls):
            _check_decorators(table, f"{cls.__name__}.{item.name}", vars(cls)[item.name], item, scope)

    def expected(node: ast.stmt) -> Iterator[Expected]:
        assert isinstance(node, ast.ClassDef)
        yield from _bases(table, cls, node, scope)
        if not isinstance(cls, EnumType):
            yield from _values(cls, node)
        for item in node.body:
            if isinstance(item, FunctionNode):
                for function in list(functions_in(vars(cls).get(item.name)))[:1]:
                    yield from _defaults(function, item)

    return _rewritten(table, cls.__name__, node, text, expected, scope)


def function_as_defined(
    table: PartTable, function: FunctionType, value: object, node: FunctionNode, text: str, scope: Scope
) -> str:
    """Return the text of a function (whose tree is `node`), with what its defaults were.

    Raises:
        CannotShip: a default or decorator is not there any more.
    """
    _check_decorators(table, node.name, value, node, scope)

    def expected(node: ast.stmt) -> Iterator[Expected]:
        assert isinstance(node, FunctionNode)
        yield from _defaults(function, node)

    return _rewritten(table, node.name, node, text, expected, scope)


def _bases(table: PartTable, cls: type, node: ast.ClassDef, scope: Scope) -> Iterator[Expected]:
    for base in node.bases:
        root = base.value if isinstance(base, ast.Subscript) else base
        now = scope.find(root.id) if isinstance(root, ast.Name) else ABSENT
        if isinstance(now, type) and now not in cls.__mro__:
            found = [each for each in cls.__bases__ if each.__name__ == now.__name__]
            if len(found) != 1:
                raise table.refusal(f"its base {now.__name__} is another class by now", "define the class again")
            yield root, found.pop()


def _values(cls: type, node: ast.ClassDef) -> Iterator[Expected]:
    """Yield the expressions of a class body whose values the class still has."""
    fields = cls.__dataclass_fields__ if is_dataclass(cls) else {}
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        value = getattr(item, "value", None)
        if not isinstance(item, ast.Assign | ast.AnnAssign) or value is None or len(targets) != 1:
            continue
        name = next((target.id for target in targets if isinstance(target, ast.Name)), "")
        if name in fields:
            field = fields[name]
            given = {word.arg: word.value for word in value.keywords} if isinstance(value, ast.Call) else {}
            yield from (
                (given[word], kept)
                for word, kept in (("default", field.default), ("default_factory", field.default_factory))
                if word in given and kept is not MISSING
            )
            if field.default is not MISSING:
                kept = vars(cls).get(name)  # a descriptor, whose value is the default
                yield value, kept if hasattr(type(kept), "__get__") else field.default
        elif name in vars(cls):
            yield value, vars(cls)[name]


def _defaults(function: FunctionType, node: FunctionNode) -> Iterator[Expected]:
    yield from zip(reversed(node.args.defaults), reversed(function.__defaults__ or ()), strict=False)
    named = function.__kwdefaults__ or {}
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None and argument.arg in named:
            yield default, named[argument.arg]


def _check_registrations(table: PartTable, cls: type, node: ast.ClassDef, scope: Scope) -> None:
    """Refuse a class that `@Shape.register` registered with a Shape that was defined anew since."""
    for mark in node.decorator_list:
        if isinstance(mark, ast.Attribute) and mark.attr == "register" and isinstance(mark.value, ast.Name):
            base = scope.find(mark.value.id)
            if isinstance(base, ABCMeta) and cls not in registered(base):
                raise table.refusal(
                    f"{cls.__name__} was registered with {base.__name__}, which was defined anew",
                    f"define {cls.__name__} again",
                )


def _check_decorators(table: PartTable, place: str, value: object, node: FunctionNode, scope: Scope) -> None:
    """Refuse a function that a decorator made which was defined anew since."""
    if not (isinstance(value, FunctionType) and node.decorator_list):
        return
    for mark in node.decorator_list[:1]:
        root = mark.func if isinstance(mark, ast.Call) else mark
        made_by = scope.find(root.id) if isinstance(root, ast.Name) else None
        code = value.__code__
        if isinstance(made_by, FunctionType) and code.co_qualname.startswith(f"{made_by.__qualname__}.<locals>."):
            if code not in inner_codes(made_by.__code__):
                raise table.refusal(
                    f"{place} was decorated by {made_by.__name__}, which was defined anew since",
                    f"define {place} again",
                )


def _rewritten(
    table: PartTable,
    user: str,
    node: ast.stmt,
    text: str,
    expected: Callable[[ast.stmt], Iterator[Expected]],
    scope: Scope,
) -> str:
    """Return the text with each expression replaced that has another value now."""
    if not any(_has_changed(expression, value, scope) for expression, value in expected(node)):
        return text
    changes = list(expected(ast.parse(text).body[0]))  # which has the places in this text
    lines = [line.encode() for line in text.split("\n")]
    write = LiveText(table, scope, user)
    for old, value in sorted(changes, key=lambda row: (row[0].lineno, row[0].col_offset), reverse=True):
        if not _has_changed(old, value, scope):
            continue
        try:
            new = write.text(value)
        except NotWritable as error:
            raise table.refusal(
                f"{ast.unparse(old)} in {user} was {error}, and means another value by now", f"define {user} again"
            ) from None
        first, last = old.lineno - 1, (old.end_lineno or old.lineno) - 1
        end = lines[last][old.end_col_offset :]
        lines[first : last + 1] = [lines[first][: old.col_offset] + new.encode() + end]
    return b"\n".join(lines).decode()


def _has_changed(node: ast.expr, value: object, scope: Scope) -> bool:
    """Tell whether an expression has another value now, as far as that can be told without running it."""
    names = {child.id: scope.find(child.id) for child in ast.walk(node) if isinstance(child, ast.Name)}
    if not names or type(value) in FILLED:
        return False
    if isinstance(node, ast.Name):
        now = names[node.id]
        return now is not ABSENT and now is not value and not _same(now, value)
    if not all(isinstance(child, _PURE) for child in ast.walk(node)):
        return False
    if not all(type(each) in PLAIN for each in names.values()):
        return False
    try:
        now = eval(compile(ast.Expression(node), "<value>", "eval"), {"__builtins__": {}}, names)
    except (ArithmeticError, TypeError, ValueError, MemoryError):  # what operators on plain values raise
        return False
    return not _same(now, value)


def _same(one: object, other: object) -> bool:
    try:
        return type(one) is type(other) and encode(one) == encode(other)
    except EmergeError:
        return False
