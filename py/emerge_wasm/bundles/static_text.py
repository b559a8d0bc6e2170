"""What a text says without being run: what binds a name, who calls a function, which object an expression names."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import FrameType, ModuleType

from ..codec import encode
from ..errors import EmergeError
from ..shipment import ship
from . import repl
from .bound_name import (
    Binding,
    Body,
    calls_given,
    calls_of,
    changing_bodies,
    function_bodies,
    module_bindings,
    root_name,
)
from .origin import absolute, is_installed
from .scope import ABSENT, Scope
from .source import Unit, first_line, parse_unit, typed_units, unit_of
from .syntax_tree import children

LocalNames = frozenset[str]
"""Names that a piece of text sets itself."""


def arguments_of(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(item.value for item in node.keywords)]


def annotated(node: ast.ClassDef) -> set[str]:
    """Return the names of the fields that a class statement declares."""
    items = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
    return {target.id for target in items if isinstance(target, ast.Name)}


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the children of a node without its annotations."""
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "type_params"):
            yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, ast.AST))


def bodies_around(scope: Scope) -> list[Body]:
    """Return the functions around a place, the innermost first."""
    if not scope.around:
        return []
    found = [body for body in function_bodies(scope.unit) if f"{scope.around}.".startswith(f"{body.qualname}.")]
    return sorted(found, key=lambda body: -len(body.qualname))


def bound(name: str, scope: Scope, last: bool = False) -> Iterator[tuple[Binding, Scope]]:
    """Yield all that binds a name or changes its value, with the scope of each.

    With `last`, what was bound before the last statement that binds it anew is left out: the value now is not of it.
    """
    for body in bodies_around(scope):
        if name in body.own:
            inner = replace(scope, around=body.qualname)
            yield from ((row, inner) for row in body.found.get(name, ()))
            return
    for unit in _units(name, scope):
        own = Scope(unit, scope.namespace)
        rows = module_bindings(unit).get(name, [])
        if last:
            rows = _run_rows(rows, unit, scope.namespace)
        anew = [index for index, row in enumerate(rows) if row.node in unit.top and _is_anew(name, row, own)]
        yield from ((row, own) for row in (rows[anew[-1] :] if last and anew else rows))
        for body in changing_bodies(unit).get(name, ()):
            yield from ((row, replace(own, around=body.qualname)) for row in body.found[name])
        if last and anew:
            return


def _run_rows(rows: list[Binding], unit: Unit, namespace: dict[str, object]) -> list[Binding]:
    """Return the bindings that have run, where the text is running now, as a script is that stores an object."""
    for frame in sys._current_frames().values():
        around: FrameType | None = frame
        while around is not None:
            code, line = around.f_code, around.f_lineno
            if code.co_name == "<module>" and code.co_filename == unit.filename and around.f_globals is namespace:
                late = [node for node in unit.tree.body if node.lineno > line]
                return [row for row in rows if row.node not in late]
            around = around.f_back
    return rows


def _is_anew(name: str, row: Binding, scope: Scope) -> bool:
    """Tell whether a binding takes nothing of the value before it, but by `ship`."""
    todo: list[ast.AST] = list(row.sources)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and node.id == name:
            return False
        if not (isinstance(node, ast.Call) and resolve(node.func, scope, frozenset()) is ship):
            todo += children(node)
    return row.whole


def _units(name: str, scope: Scope) -> Iterator[Unit]:
    """Yield the texts that may bind a global name: the file, or all that was typed, newest first."""
    if not scope.unit.typed:
        yield scope.unit
        if scope.namespace.get("__name__") != "__main__":
            return
    yield from typed_units(name)
    for text in repl.typed_statements(name):
        unit = parse_unit(repl.FILENAME, text)
        if unit:
            yield unit


def star_imports(name: str, scope: Scope) -> Iterator[str]:
    """Yield the modules that a name may come from by `from … import *`."""
    for node in scope.unit.tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            module = absolute(node.module or "", node.level, scope.namespace)
            if name in vars(sys.modules.get(module, builtins)):
                yield module


def callers(body: Body, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
    """Yield the calls in the user's modules, by its name, that may be of a function, with the scope of each."""
    for call, inside in calls_of(body.node.name, scope.unit):
        yield call, replace(scope, around=inside)
    for name, module in list(sys.modules.items()):
        function = vars(module).get(body.node.name) if isinstance(module, ModuleType) else None
        code = getattr(function, "__code__", None)
        if code is None or (code.co_filename, code.co_firstlineno) != (scope.unit.filename, first_line(body.node)):
            continue
        unit = unit_of(str(getattr(module, "__file__", "")), vars(module))
        for one in [unit] if unit else typed_units() if name == "__main__" else ():
            if one is not scope.unit:
                for call, inside in calls_of(body.node.name, one):
                    yield call, Scope(one, vars(module), around=inside)


def calls_with(name: str, scope: Scope) -> Iterator[tuple[ast.Call, int, Scope]]:
    """Yield the calls that have a name as an argument, with its index and the scope of each."""
    for call, index, inside in calls_given(name, scope.unit):
        yield call, index, replace(scope, around=inside)


def written_value(name: str, node: ast.AST) -> ast.expr | None:
    """Return the value in `name = value`, None for any other statement."""
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets):
        return node.value
    return node.value if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else None


def is_written(value: object, written: ast.expr) -> bool | None:
    """Tell whether a value is that of a literal; None: it is not written as one."""
    try:
        return encode(ast.literal_eval(written)) == encode(value)
    except (EmergeError, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def is_method_call(name: str, sources: tuple[ast.expr, ...]) -> bool:
    """Tell whether a binding is the call of a method of the name's value, which may change it."""
    source = sources[0]
    return (
        len(sources) == 1
        and isinstance(source, ast.Call)
        and isinstance(source.func, ast.Attribute)
        and (root_name(source.func.value) == name)
    )


def imported_object(name: str, node: ast.Import | ast.ImportFrom, scope: Scope) -> object:
    """Return what an import statement within a function binds to a name."""
    for alias in node.names:
        if (alias.asname or alias.name.partition(".")[0]) == name:
            if isinstance(node, ast.Import):
                return sys.modules.get(alias.name if alias.asname else name, sys)
            module = absolute(node.module or "", node.level, scope.namespace)
            return getattr(sys.modules.get(module), alias.name, sys)
    return sys


def meaning(name: str, scope: Scope) -> object:
    """Return what a name stands for, also where a function around imports it; ABSENT when it cannot be told."""
    value = scope.find(name)
    body = next((body for body in bodies_around(scope) if name in body.own), None) if value is ABSENT else None
    found = imports_in(body.found.get(name, ())) if body else []
    return imported_object(name, found[0], scope) if found else value


def imports_in(rows: Iterable[Binding]) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements that bind a name; what else binds it is looked at as any expression."""
    return [row.node for row in rows if isinstance(row.node, ast.Import | ast.ImportFrom)]


def resolve(node: ast.expr, scope: Scope, local: LocalNames) -> object:
    """Return what a name, or an attribute of a module or class, stands for; ABSENT when it cannot be told."""
    if isinstance(node, ast.Name):
        value = ABSENT if node.id in local else meaning(node.id, scope)
        return getattr(builtins, node.id, ABSENT) if value is ABSENT and node.id not in local else value
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, scope, local)
        if isinstance(owner, ModuleType):
            return vars(owner).get(node.attr, sys.modules.get(f"{owner.__name__}.{node.attr}", ABSENT))
        if isinstance(owner, type):
            found = inspect.getattr_static(owner, node.attr, ABSENT)
            if found is not ABSENT and is_installed(owner.__module__) and callable(found):
                return getattr(owner, node.attr)
            return getattr(found, "__func__", found) if isinstance(found, staticmethod | classmethod) else found
    return ABSENT


def kind_of(node: ast.expr, scope: Scope, local: LocalNames) -> type | None:
    """Return the type of an expression's value, where it can be told."""
    if isinstance(node, ast.Constant):
        return type(node.value)
    if isinstance(node, ast.JoinedStr):
        return str
    for kind, shown in ((list, ast.List), (dict, ast.Dict), (set, ast.Set), (tuple, ast.Tuple)):
        if isinstance(node, shown):
            return kind
    if isinstance(node, ast.Call):
        made = resolve(node.func, scope, local)
        return made if isinstance(made, type) else None
    value = resolve(node, scope, local)
    return None if value is ABSENT else type(value)
