"""Find the names that a piece of source takes from outside itself. `symtable` decides scopes, as the compiler does."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FreeNames:
    """The names that a piece of source reads and does not set itself.

    `hard` ones must resolve; `soft` ones need not (annotations, names that a class body sets as well).
    `eager` ones are read while the piece is defined, not when it is called; `annotations` holds those in annotations.
    """

    hard: frozenset[str]
    soft: frozenset[str]
    eager: frozenset[str]
    annotations: frozenset[str]


def mangled(name: str, owner: str) -> str:
    """Return the name that Python gives to a private name (`__x`) in the class `owner`: `_Owner__x`."""
    bare = owner.lstrip("_")
    private = name.startswith("__") and not name.endswith("__")
    return f"_{bare}{name}" if private and bare else name


def free_names(text: str) -> FreeNames:
    """Find the free names in the (dedented) source of a class, function or assignment."""
    tree = ast.parse(text)
    annotations = set(_annotation_names(tree))
    bare_tree = _AnnotationRemover().visit(tree)
    eager = set(_eager_names(bare_tree.body))
    bare = ast.unparse(bare_tree)
    hard: set[str] = set()
    soft: set[str] = set()
    _collect(symtable.symtable(bare, "<bundle>", "exec"), hard, soft)
    return FreeNames(frozenset(hard), frozenset((annotations | soft) - hard), frozenset(eager), frozenset(annotations))


class _AnnotationRemover(ast.NodeTransformer):
    """Removes the annotations from a tree."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _collect(table: symtable.SymbolTable, hard: set[str], soft: set[str]) -> None:
    kind = str(getattr(table.get_type(), "value", table.get_type()))
    for symbol in table.get_symbols():
        if not symbol.is_referenced():
            continue
        if kind == "module":
            (soft if symbol.is_assigned() else hard).add(symbol.get_name())
        elif _is_global(symbol):
            hard.add(symbol.get_name())
        elif kind == "class" and symbol.is_assigned():
            soft.add(symbol.get_name())
    for child in table.get_children():
        _collect(child, hard, soft)


def _is_global(symbol: symtable.Symbol) -> bool:
    """Tell whether a name in a function or class is a global one.

    symtable takes every scope named "top" for the module's own: there `is_global` and `is_local` hold for all it sets.
    """
    return symbol.is_declared_global() or (symbol.is_global() and not symbol.is_local())


def _annotation_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(annotation, ast.expr):
                yield from _names_in(annotation)


def _names_in(annotation: ast.expr) -> Iterator[str]:
    if isinstance(annotation, ast.Subscript) and _last_name(annotation.value).endswith("Literal"):
        yield from _names_in(annotation.value)
        return
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return
    if isinstance(annotation, ast.Name):
        yield annotation.id
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            yield from _names_in(child)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _eager_names(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that are read while these statements run; bodies of functions are left out."""
    todo: list[tuple[ast.AST, str]] = [(node, "") for node in body]
    while todo:
        node, owner = todo.pop()
        if isinstance(node, ast.Name):
            yield mangled(node.id, owner)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [(child, owner) for child in (*node.decorator_list, node.args)]
        elif isinstance(node, ast.Lambda):
            todo.append((node.args, owner))
        else:
            inner = node.name if isinstance(node, ast.ClassDef) else owner
            todo += [(child, inner) for child in ast.iter_child_nodes(node)]


def imported_modules(text: str) -> Iterator[tuple[str, int]]:
    """Yield (module, level) of every import statement in the source, those in functions too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level
