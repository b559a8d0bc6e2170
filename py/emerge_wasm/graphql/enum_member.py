"""The members of an Enum or Flag: read from its class statements, and named in filters. No code of a class is run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping

from graphql import EnumValueNode, GraphQLEnumType, GraphQLError, StringValueNode, ValueNode

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: lambda left, right: left << right if right < 64 else left,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
}
_NO_MEMBER = frozenset({"nonmember", "property", "staticmethod", "classmethod", "partial", "lambda"})


class EnumName(str):
    """The name of an Enum's member, as a filter has it."""


class FlagValue(int):
    """The value of a Flag's member, as a filter has it."""


def joined_flags(filter: dict[str, object]) -> dict[str, object]:
    """Return a Flag's filter with one value for each list of members."""
    return {
        operator: [_joined(each) for each in given] if operator == "in" and isinstance(given, list) else _joined(given)
        for operator, given in filter.items()
    }


def _joined(members: object) -> object:
    if not isinstance(members, list):
        return members
    found = 0
    for each in members:
        found |= int(each or 0)
    return FlagValue(found)


class MemberType(GraphQLEnumType):
    """The members of one class. Text is taken as well as a name; an unknown member's error names all there are."""

    def parse_value(self, input_value: object) -> object:
        found = self.values.get(input_value) if isinstance(input_value, str) else None
        if found is None:
            raise GraphQLError(f"{str(input_value)[:80]!r} is no member of {self.name}: {', '.join(self.values)}")
        return found.value

    def parse_literal(self, value_node: ValueNode, _variables: dict[str, object] | None = None) -> object:
        return self.parse_value(
            value_node.value if isinstance(value_node, EnumValueNode | StringValueNode) else value_node.kind
        )


def enum_names(nodes: Iterable[ast.ClassDef]) -> dict[str, str]:
    """Return the names of an Enum's members, each with the one it is stored by: an alias has that of the first."""
    names: dict[str, str] = {}
    first: dict[str, str] = {}
    for name, value in _assigned(nodes):
        text = ast.unparse(value)
        same = names.get(text) if isinstance(value, ast.Name) else first.get(text)
        names[name] = same if same is not None and "(" not in text else name
        first.setdefault(text, name)
    return names


def flag_values(nodes: Iterable[ast.ClassDef]) -> dict[str, int]:
    """Return the values of a Flag's members, by name; nothing when one of them is not plain."""
    values: dict[str, int] = {}
    for name, node in _assigned(nodes):
        value = _value(node, values)
        if value is None:
            return {}
        values[name] = value
    return values


def made_enum(body: Iterable[ast.stmt], name: str) -> ast.ClassDef | None:
    """Return a class statement for a class that a call made: `Status = Enum("Status", "OPEN DONE")`."""
    for item in body:
        match item:
            case ast.Assign(
                targets=[ast.Name(id=target)], value=ast.Call(func=base, args=[ast.Constant(value=str()), given, *_])
            ) if target == name:
                pairs = _pairs(given)
                made = [ast.Assign([ast.Name(member, ast.Store())], value) for member, value in pairs]
                statement = ast.ClassDef(name, [base], [], list[ast.stmt](made), [])
                return ast.fix_missing_locations(statement) if pairs else None
    return None


def _pairs(given: ast.expr) -> list[tuple[str, ast.expr]]:
    """Read the names and values of members that are given in a call; nothing when they are not plain."""
    auto = ast.Call(ast.Name("auto", ast.Load()), [], [])
    rows: list[tuple[ast.expr | None, ast.expr]]
    match given:
        case ast.Constant(value=str() as text):
            return [(name, auto) for name in text.replace(",", " ").split()]
        case ast.Dict(keys=keys, values=values):
            rows = list(zip(keys, values, strict=True))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            rows = [
                (each.elts[0], each.elts[1])
                if isinstance(each, ast.List | ast.Tuple) and len(each.elts) == 2
                else (each, auto)
                for each in items
            ]
        case _:
            return []
    named = [(key.value, value) for key, value in rows if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return named if len(named) == len(rows) else []


def _assigned(nodes: Iterable[ast.ClassDef]) -> Iterable[tuple[str, ast.expr]]:
    for node in nodes:
        for item in node.body:
            if not isinstance(item, ast.Assign | ast.AnnAssign):
                continue
            targets, value = item.targets if isinstance(item, ast.Assign) else [item.target], item.value
            if value is None or _is_other(value):
                continue
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("_"):
                    yield target.id, value


def _is_other(value: ast.expr) -> bool:
    """Tell whether an assigned value makes no member."""
    called = ast.unparse(value.func).rpartition(".")[2] if isinstance(value, ast.Call) else ""
    return isinstance(value, ast.Lambda) or called in _NO_MEMBER


def _value(node: ast.expr, known: Mapping[str, int]) -> int | None:
    match node:
        case ast.Constant(value=int() as value):
            return int(value)
        case ast.Name(id=name):
            return known.get(name)
        case ast.Call(func=function, args=[]) if ast.unparse(function).rpartition(".")[2] == "auto":
            highest = max([0, *known.values()])
            return 1 << highest.bit_length()
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            one, other = _value(left, known), _value(right, known)
            return None if one is None or other is None else _OPERATORS[type(op)](one, other)
    return None
