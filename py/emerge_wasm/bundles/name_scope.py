"""Read statements into scopes, in one walk over their tree: what each reads, binds and declares.

Names mean what they mean to the compiler, and to `symtable`; only annotations are kept apart. `symtable` would need
the text of a definition by itself, without them: to write and parse that anew takes ten times as long.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from .syntax_tree import children

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_CAUGHT = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_NEWER = ("TypeAlias", "TypeVar", "ParamSpec", "TypeVarTuple")
_SPECIAL = frozenset(
    [*_COMPREHENSIONS, *_FUNCTIONS, *_IMPORTS, *_CAUGHT, ast.ClassDef, ast.Lambda, ast.NamedExpr, ast.AnnAssign]
    + [ast.AugAssign, ast.Global, ast.Nonlocal, ast.MatchMapping]
    + [getattr(ast, name) for name in _NEWER if hasattr(ast, name)]
)


def mangled(name: str, owner: str) -> str:
    """Return the name that Python gives to a private name (`__x`) in the class `owner`: `_Owner__x`."""
    if not name.startswith("__") or name.endswith("__"):
        return name
    bare = owner.lstrip("_")
    return f"_{bare}{name}" if bare else name


class ScopeKind(Enum):
    """What has the names of a scope."""

    MODULE = "module"
    CLASS = "class"
    FUNCTION = "function"  # and a lambda, and type parameters
    COMPREHENSION = "comprehension"


@dataclass(slots=True, eq=False)
class NameScope:
    """What one scope does with names. `around` is the scope around it.

    `written` are set by an expression, `bound` by any statement but an import; `imported` by one.
    """

    kind: ScopeKind
    around: NameScope | None = None
    owner: str = ""  # the class whose private names these are
    is_eager: bool = True  # it runs when the statements do
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    declared: dict[str, bool] = field(default_factory=dict)  # True: global, False: nonlocal

    def bind(self, name: str) -> None:
        self.bound.add(mangled(name, self.owner))

    def takes_from_module(self, name: str) -> bool:
        """Tell whether a name that is read here is one of the module."""
        scope: NameScope | None = self
        while scope is not None and scope.kind is not ScopeKind.MODULE:
            if scope is self or scope.kind is not ScopeKind.CLASS:
                if scope.declared.get(name):
                    return True
                if (name in scope.bound or name in scope.imported) and name not in scope.declared:
                    return False
            scope = scope.around
        return True


class NameReader:
    """Reads statements into `scopes`, the module's first; `annotations` are those of all of them."""

    def __init__(self, body: Iterable[ast.stmt]) -> None:
        top = NameScope(ScopeKind.MODULE)
        self.scopes = [top]
        self.annotations: list[ast.expr] = []
        self._todo: list[tuple[ast.AST, NameScope]] = [(node, top) for node in body]
        while self._todo:
            node, scope = self._todo.pop()
            if isinstance(node, ast.Name):
                name = mangled(node.id, scope.owner)
                if isinstance(node.ctx, ast.Load):
                    scope.read.add(name)
                else:
                    scope.written.add(name)
                    scope.bound.add(name)
            elif type(node) in _SPECIAL:
                self._special(node, scope)
            elif not isinstance(node, ast.Constant):
                self._todo += [(child, scope) for child in children(node)]

    def free(self) -> tuple[set[str], set[str]]:
        """Return the names that must come from the module, and those that the statements may set before."""
        top, *others = self.scopes
        hard, soft = top.read - top.bound, top.read & top.bound
        for scope in others:
            for name in scope.read - {"__class__"}:
                if scope.takes_from_module(name):
                    hard.add(name)
                elif scope.kind is ScopeKind.CLASS and name in scope.bound:
                    soft.add(name)
        return hard, soft

    def _later(self, nodes: Iterable[ast.AST | None], scope: NameScope) -> None:
        self._todo += [(node, scope) for node in nodes if node is not None]

    def _inner(self, kind: ScopeKind, around: NameScope, is_eager: bool, owner: str = "") -> NameScope:
        scope = NameScope(kind, around, owner or around.owner, is_eager and around.is_eager)
        self.scopes.append(scope)
        return scope

    def _special(self, node: ast.AST, scope: NameScope) -> None:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            self._definition(node, scope)
        elif isinstance(node, ast.Lambda):
            self._function(node.args, [node.body], scope, scope)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, _IMPORTS):
            names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            scope.imported |= {mangled(name, scope.owner) for name in names}
        elif isinstance(node, ast.Global | ast.Nonlocal):
            is_global = isinstance(node, ast.Global)
            scope.declared |= {mangled(name, scope.owner): is_global for name in node.names}
        elif isinstance(node, ast.NamedExpr | ast.AnnAssign | ast.AugAssign):
            self._assignment(node, scope)
        elif type(node).__name__ == "TypeAlias":
            written, *others = children(node)
            self._later([written], scope)
            self._later(others, self._inner(ScopeKind.FUNCTION, scope, True))
        else:  # a caught exception, what a case captures, a type parameter
            name = getattr(node, "rest", None) or getattr(node, "name", None)
            if name:
                scope.bind(name)
            self._later(children(node), scope)

    def _assignment(self, node: ast.NamedExpr | ast.AnnAssign | ast.AugAssign, scope: NameScope) -> None:
        self._later([node.value], scope)
        target = node.target
        if isinstance(node, ast.AnnAssign):
            self.annotations.append(node.annotation)
        if not isinstance(target, ast.Name):
            self._later([target], scope)
            return
        name = mangled(target.id, scope.owner)
        scope.written.add(name)
        if isinstance(node, ast.AugAssign):
            scope.read.add(name)
        if isinstance(node, ast.NamedExpr):
            while scope.kind is ScopeKind.COMPREHENSION and scope.around:
                scope = scope.around
        if not isinstance(node, ast.AnnAssign) or node.simple or node.value:
            scope.bound.add(name)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: NameScope) -> None:
        scope.bind(node.name)
        self._later(node.decorator_list, scope)
        inner = scope
        parameters: list[ast.AST] = getattr(node, "type_params", [])
        if parameters:
            is_class = isinstance(node, ast.ClassDef)
            inner = self._inner(ScopeKind.FUNCTION, scope, is_class, node.name if is_class else "")
            self._later(parameters, inner)
        if isinstance(node, ast.ClassDef):
            self._later([*node.bases, *node.keywords], inner)
            self._later(node.body, self._inner(ScopeKind.CLASS, inner, True, node.name))
        else:
            self.annotations += [node.returns] if node.returns else []
            self._function(node.args, node.body, scope, inner)

    def _function(self, args: ast.arguments, body: Iterable[ast.AST], outer: NameScope, around: NameScope) -> None:
        """Read a function: its defaults in the scope `outer`, its body in one within `around`."""
        self._later([*args.defaults, *args.kw_defaults], outer)
        scope = self._inner(ScopeKind.FUNCTION, around, False)
        for argument in (*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg):
            if argument is not None:
                scope.bind(argument.arg)
                self.annotations += [argument.annotation] if argument.annotation else []
        self._later(body, scope)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: NameScope
    ) -> None:
        inner = self._inner(ScopeKind.COMPREHENSION, scope, True)
        for number, one in enumerate(node.generators):
            self._later([one.iter], inner if number else scope)
            self._later([one.target, *one.ifs], inner)
        self._later([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner)
