"""Locate the definition of a live class or function in a text, or refuse, saying why there is none."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import FunctionType, MemberDescriptorType

from ..errors import CannotShip
from .bound_name import statements
from .code_object import awaits, inner_codes
from .missing_source import no_function_source
from .name_scope import mangled
from .origin import is_installed
from .source import FunctionNode, Unit, first_line, renew, typed_units, unit_of
from .syntax_tree import walk


def functions_in(value: object) -> Iterator[FunctionType]:
    """Yield the functions that an attribute of a class is made of (a property has up to three)."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        parts: list[object] = [value.fget, value.fset, value.fdel]
    else:
        parts = [getattr(value, "func", value) if isinstance(value, functools.cached_property) else value]
    for part in parts:
        if type(part) is FunctionType and not part.__dict__:
            yield part
            continue
        bare = inspect.unwrap(part) if callable(part) and not isinstance(part, type) else None
        if isinstance(bare, FunctionType):
            yield bare


def find_class(cls: type) -> tuple[Unit, ast.ClassDef] | None:
    """Find the class statement of a class, and the text it stands in; None when there is none.

    A file that was changed is read again where its text did not fit: its module may have been reloaded.

    Raises:
        CannotShip: there are several that differ, or the class differs from it.
    """
    refusal: CannotShip | None = None
    try:
        found = _find_class(cls, moved=False)
    except CannotShip as error:
        found, refusal = None, error
    if found is None:
        namespaces = [*files_of(cls).values(), vars(sys.modules.get(cls.__module__, sys))]
        renew([*files_of(cls), *(str(names.get("__file__")) for names in namespaces)])
        found = _find_class(cls, moved=True)
    if found is None and refusal:
        raise refusal
    return found


def _find_class(cls: type, *, moved: bool) -> tuple[Unit, ast.ClassDef] | None:
    for units in _units(cls):
        found = [(unit, node) for unit in units for node in _matches(cls, unit, moved)]
        texts = {unit.cut(node) for unit, node in found} if len(found) > 1 else set()
        if len(texts) > 1 and not (units[0].typed and _is_current(cls)):
            raise CannotShip(
                f"the class {cls.__name__} has {len(texts)} definitions that fit it",
                remedy="give them different names, or a method",
            )
        if found:
            _check_current(cls, *found[0])
            return found[0]
    return None


def find_other(cls: type) -> tuple[str, str] | None:
    """Find a file whose class statement of that name does not fit: (file, the method that was replaced, or "")."""
    for units in _units(cls):
        for unit in units:
            for name, node in unit.definitions if not unit.typed else ():
                if isinstance(node, ast.ClassDef) and name == cls.__qualname__:
                    methods = [item.name for item in node.body if isinstance(item, FunctionNode)]
                    return unit.filename, next((name for name in methods if _is_replaced(cls, name)), "")
    return None


def _is_replaced(cls: type, name: str) -> bool:
    value = vars(cls).get(mangled(name, cls.__name__))
    return any(function.__qualname__ != f"{cls.__qualname__}.{name}" for function in functions_in(value))


def _is_current(cls: type) -> bool:
    """Tell whether its name still means this class: then the newest typed text that fits is its own."""
    return getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls


def is_outdated(cls: type) -> bool:
    """Tell whether its name means another class by now: it was defined anew."""
    found: object = sys.modules.get(cls.__module__)
    for step in cls.__qualname__.split("."):
        found = getattr(found, step, None)
    return isinstance(found, type) and found is not cls


def files_of(cls: type) -> dict[str, dict[str, object]]:
    """Return the filenames that the methods of a class were compiled under, with their globals."""
    return {
        function.__code__.co_filename: function.__globals__
        for value in vars(cls).values()
        for function in functions_in(value)
        if function.__qualname__.rpartition(".")[0] == cls.__qualname__ and function.__module__ == cls.__module__
    }


def _units(cls: type) -> Iterator[list[Unit]]:
    """Yield groups of texts to look in, the surest first."""
    files = files_of(cls)
    yield [unit for file, namespace in files.items() if (unit := unit_of(file, namespace))]
    module = sys.modules.get(cls.__module__)
    # a file that IPython ran is no longer the module of that name, but what a dataclass was given knows it
    spaces = [*files.values(), vars(module) if module else {}]
    of_module = {str(space["__file__"]): space for space in spaces if space.get("__file__")}
    yield [unit for file, namespace in of_module.items() if (unit := unit_of(file, namespace))]
    if not of_module or cls.__module__ == "__main__":
        yield list(typed_units(cls.__name__))


def _matches(cls: type, unit: Unit, moved: bool) -> Iterator[ast.ClassDef]:
    for name, node in unit.defined.get(cls.__qualname__.rpartition(".")[2], ()):
        if (
            isinstance(node, ast.ClassDef)
            and name == cls.__qualname__
            and _fits(cls, node, unit if moved and not unit.typed else None)
        ):
            yield node


def _fits(cls: type, node: ast.ClassDef, unit: Unit | None) -> bool:
    """Tell whether a live class fits this definition: lines, methods, fields, documentation, defaults.

    `unit`: its lines may be others, if the text has its code.
    """
    own = vars(cls)
    if not unit and "__firstlineno__" in own and own["__firstlineno__"] != first_line(node):
        return False
    doc = ast.get_docstring(node, clean=False)
    if doc is not None and sys.flags.optimize < 2 and _clean(own.get("__doc__")) != _clean(doc):
        return False
    fields = {
        mangled(item.target.id, node.name): item.value
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    if list(fields) != list(_own_annotations(cls)):
        return False
    last = {item.name: item for item in node.body if isinstance(item, FunctionNode)}
    if not all(_method_fits(own, mangled(name, node.name), item, unit) for name, item in last.items()):
        return False
    return all(_default_fits(cls, name, value) for name, value in fields.items())


def _clean(doc: object) -> str:
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _own_annotations(cls: type) -> list[str]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return list(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))
    return list(vars(cls).get("__annotations__", ()))


def _method_fits(own: Mapping[str, object], name: str, item: FunctionNode, unit: Unit | None) -> bool:
    if name.startswith("__"):
        return True
    if name not in own:
        return False
    codes = [function.__code__ for function in functions_in(own[name])]
    if not codes or item.decorator_list:  # a decorator may have put anything there
        return True
    line = first_line(item)
    return any(unit.has(code, line) if unit else code.co_firstlineno == line for code in codes)


def _default_fits(cls: type, name: str, value: ast.expr | None) -> bool:
    if value is None or not is_dataclass(cls) or "__dataclass_fields__" not in vars(cls):
        return True  # the fields are those of a base
    if name not in cls.__dataclass_fields__:
        return True
    return _is_default(value, cls.__dataclass_fields__[name].default)


def _check_current(cls: type, unit: Unit, node: ast.ClassDef) -> None:
    """Refuse a class that differs from its text."""
    defined: dict[str, list[FunctionNode]] = {}
    fields: set[str] = set()
    for item in statements(node.body):
        if isinstance(item, FunctionNode):
            defined.setdefault(mangled(item.name, node.name), []).append(item)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            fields.add(mangled(item.target.id, node.name))
    for name, value in vars(cls).items():
        if name in defined:
            _check_method(cls, unit, defined[name], value)
        elif name not in fields and _was_added(cls, node, name, value) and name not in _names_in(node):
            raise CannotShip(
                f"the class {cls.__name__} got its attribute {name} after its definition",
                remedy="write it in the class",
            )


def _names_in(node: ast.ClassDef) -> set[str]:
    """Return the names that a class may have set, and those that its methods use."""
    found = {child.id for child in walk(node) if isinstance(child, ast.Name)}
    for item in statements(node.body):
        if isinstance(item, ast.ClassDef):
            found.add(item.name)
        elif isinstance(item, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in item.names}
    return found | {mangled(name, node.name) for name in found}


def _check_method(cls: type, unit: Unit, nodes: list[FunctionNode], value: object) -> None:
    node = nodes[-1]
    marks = {ast.unparse(mark) for item in nodes for mark in item.decorator_list}
    if marks - {"property", "staticmethod", "classmethod"}:
        return
    for function in functions_in(value):
        code = function.__code__
        if (
            code.co_filename != unit.filename
            and function.__globals__.get("__file__") != unit.filename
            and not unit.typed
        ):
            raise CannotShip(
                f"{cls.__name__}.{node.name} was replaced after the class's definition", remedy="write it in the class"
            )
        if not any(_is_of(function, unit, item) for item in nodes):
            if _is_replaced(cls, node.name):
                raise CannotShip(
                    f"{cls.__name__}.{node.name} was replaced after the class's definition",
                    remedy="write it in the class",
                )
            raise CannotShip(
                f"{unit.filename} was changed after it was imported: {cls.__name__}.{node.name} differs from it",
                remedy="import it again",
            )


def _was_added(cls: type, node: ast.ClassDef, name: str, value: object) -> bool:
    if name.startswith("__annot") or (name.startswith("_") and not any(functions_in(value))):
        return False  # Python's own: the function that makes the annotations, and the like
    if type(cls) is not type and not any(functions_in(value)):
        return False  # a metaclass (Enum, ABC) adds what it likes
    if isinstance(value, MemberDescriptorType) or any(decorates(item) for item in node.decorator_list):
        return False
    functions = list(functions_in(value))
    added = any(
        not (is_installed(str(function.__module__)) or function.__code__.co_filename.startswith("<"))
        or function.__name__ == "<lambda>"
        for function in functions
        if not (name.startswith("__") and function.__code__.co_filename == "<string>")
    ) and any(function.__module__ != "dataclasses" for function in functions)
    if not (added if functions else not hasattr(value, "__get__")):
        return False
    return set_by_hooks(cls).isdisjoint((name, "setattr"))


def set_by_hooks(cls: type) -> set[str]:
    """Return the names in the code that Python runs when it makes the class: it sets them again wherever it is made."""
    metas = type.mro(type(cls))
    hooks: list[object] = [vars(base).get("__init_subclass__") for base in cls.__mro__[1:]]
    hooks += [vars(meta).get(name) for meta in metas for name in ("__new__", "__init__", "__prepare__")]
    hooks += [getattr(type(value), "__set_name__", None) for value in vars(cls).values()]
    own = [function for hook in hooks for function in functions_in(hook) if not is_installed(function.__module__)]
    codes = [function.__code__ for function in own]
    return {name for code in codes for inner in (code, *inner_codes(code)) for name in inner.co_names}


def decorates(node: ast.expr) -> bool:
    """Tell whether this decorator may add attributes of the user's making."""
    mark = node.func if isinstance(node, ast.Call) else node
    name = getattr(mark, "attr", getattr(mark, "id", ""))
    return name not in ("dataclass", "final", "runtime_checkable", "total_ordering")


def find_function(function: FunctionType) -> tuple[Unit, FunctionNode]:
    """Find the text of a function, and its place there.

    Raises:
        CannotShip: its source is not there, or has changed.
    """
    found = _find_function(function, moved=False)
    if found is None:
        renew([function.__code__.co_filename])
        found = _find_function(function, moved=True)
    if found is None:
        raise no_function_source(function)
    return found


def _find_function(function: FunctionType, *, moved: bool) -> tuple[Unit, FunctionNode] | None:
    code = function.__code__
    named = unit_of(code.co_filename, function.__globals__)
    for unit in [named] if named else typed_units(code.co_name):
        for name, node in unit.defined.get(code.co_name, ()):
            if isinstance(node, FunctionNode):
                there = first_line(node) == code.co_firstlineno or (moved and name == function.__qualname__)
                if there and _is_of(function, unit, node):
                    return unit, node
    return None


def _is_of(function: FunctionType, unit: Unit, node: FunctionNode) -> bool:
    """Tell whether a function is what its text says, but for assertions: pytest compiles these in its own way."""
    if "@pytest_ar" in function.__globals__ and any(isinstance(child, ast.Assert) for child in ast.walk(node)):
        return True
    return unit.has(function.__code__, first_line(node)) and _defaults_fit(function, node)


def _defaults_fit(function: FunctionType, node: FunctionNode) -> bool:
    """Tell whether the defaults of a function are those in its text, as far as they are literals there."""
    live = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    written = [*node.args.defaults, *(value for value in node.args.kw_defaults if value)]
    return len(live) == len(written) and all(map(_is_default, written, live))


def _is_default(written: ast.expr, live: object) -> bool:
    try:
        return repr(ast.literal_eval(written)) == repr(live)
    except (ValueError, TypeError, SyntaxError):
        return True


def find_assignment(name: str, unit: Unit) -> ast.stmt | None:
    """Find the one statement of a text that assigns a global name, None when there is not just one, or it awaits."""
    found = unit.assignments.get(name, [])
    if len(found) != 1 or isinstance(found[0], ast.AugAssign) or not found[0].value or awaits(found[0]):
        return None
    [node] = found
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return node if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def find_type_alias(name: str, unit: Unit) -> tuple[Unit, ast.stmt] | None:
    """Find the one `type` statement of that name in a text, or in the texts that were typed."""
    for units in [unit], typed_units():
        for one in units:
            found = [node for node in one.tree.body if type(node).__name__ == "TypeAlias" and _alias_name(node) == name]
            if len(found) == 1:
                return one, found[0]
    return None


def _alias_name(node: ast.stmt) -> str:
    return str(getattr(getattr(node, "name", None), "id", ""))


def find_decorated(name: str, unit: Unit) -> FunctionNode | None:
    """Find the one decorated function of that name in a text, whatever its decorators made of it."""
    found = [node for _, node in unit.defined.get(name, ()) if isinstance(node, FunctionNode)]
    return found[0] if len(found) == 1 and found[0].decorator_list else None
