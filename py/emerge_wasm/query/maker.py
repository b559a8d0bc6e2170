"""How each kind of node in an expression is compiled: the table that every `Compiler` is given."""

from __future__ import annotations

import ast

from .call import compile_call
from .compile import Compiler, Makers
from .row import fixed

MAKERS: Makers = {
    ast.Constant: lambda _, node: fixed(node.value),
    ast.Name: Compiler.name,
    ast.Attribute: Compiler.attribute,
    ast.BoolOp: Compiler.boolean,
    ast.Compare: Compiler.compare,
    ast.BinOp: Compiler.binary,
    ast.UnaryOp: Compiler.unary,
    ast.IfExp: Compiler.choice,
    ast.List: Compiler.sequence,
    ast.Tuple: Compiler.sequence,
    ast.Set: Compiler.sequence,
    ast.Dict: Compiler.mapping,
    ast.Subscript: Compiler.subscript,
    ast.Slice: Compiler.slice,
    ast.JoinedStr: Compiler.joined,
    ast.Call: compile_call,
}
