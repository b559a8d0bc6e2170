"""The names that a piece of source takes from outside are those that the compiler's symbol table says."""

from __future__ import annotations

import ast
import symtable
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from emerge_wasm.bundles.name import free_names

from ..scale import examples

STANDARD = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
CASES = {
    "def f(a, *b, c=D, **e): return a, b, c, e, g": ({"D", "g"}, {"D"}),
    "def f():\n    global n\n    n += 1": ({"n"}, set()),
    "def f():\n    global n\n    def g(): return n": ({"n"}, set()),
    "def f(n):\n    def g():\n        nonlocal n\n        n = m\n    return g": ({"m"}, set()),
    "class A:\n    x = y\n    def x2(self): return x": ({"y", "x"}, {"x", "y"}),
    "class A:\n    a = [b for c in d for e in f if g(c)]": ({"b", "d", "f", "g"}, set("abcdefg")),
    "class _A:\n    def f(self): return __g, __h__": ({"_A__g", "__h__"}, set()),
    "def f():\n    return [y := g(x) for x in z], y": ({"g", "z"}, set()),
    "def f(v):\n    match v:\n        case [P(q=a), *b] | {'k': a, **b} if a: return b": ({"P"}, set()),
    "def f():\n    try: import a.b\n    except E as e: return a, e": ({"E"}, set()),
    "class A(metaclass=M):\n    def f(self): return super().f(), __class__": ({"M", "super"}, {"M"}),
    "f = lambda a, b=c: (a, b, d)": ({"c", "d"}, {"f", "c"}),
}
NEWER = {
    "class A[T: B](C[T]):\n    def f[U](self: U, x: T) -> U: return T, U, V": ({"B", "C", "V"}, {"B", "C", "T"}),
    "type X[T] = list[T] | Y": ({"list", "Y"}, {"X", "T", "list", "Y"}),
}


class _Bare(ast.NodeTransformer):
    """Removes the annotations, and lets a changed name be read, which a symbol table does not say."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            return self.generic_visit(node)
        read = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return self.generic_visit(ast.Assign([node.target], read, lineno=node.lineno))


def globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    """The global names that functions and classes below a table read."""
    for child in table.get_children():
        for symbol in child.get_symbols():
            if symbol.is_referenced() and symbol.get_name() != "__class__":
                if symbol.is_declared_global() or (symbol.is_global() and not symbol.is_local()):
                    yield symbol.get_name()
        yield from globals_of(child)


def definitions(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield ast.unparse(node)


@pytest.mark.filterwarnings("ignore")
def test_names_of_functions_and_classes_are_those_of_the_compiler() -> None:
    """Over the definitions of the standard library: all of them at a large scale, else of one module in twenty."""
    count = 0
    for path in STANDARD[:: max(1, 40 // examples(2))]:
        for text in definitions(path):
            bare = ast.unparse(ast.fix_missing_locations(_Bare().visit(ast.parse(text))))
            module = symtable.symtable(bare, "<test>", "exec")
            top = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_referenced()}
            assert free_names(text).hard - top - {"__class__"} == set(globals_of(module)) - top, text
            count += 1
    assert count > 50


@pytest.mark.parametrize("text", [*CASES, *(NEWER if sys.version_info >= (3, 12) else {})])
def test_names_and_when_they_are_read(text: str) -> None:
    hard, eager = {**CASES, **NEWER}[text]
    found = free_names(text)
    assert (found.hard - {"__class__"}, found.eager) == (hard, eager)
