"""Collect what one class needs, by resolving the free names of its source and of the functions it uses.

A name becomes an import line, a constant, a part (the source of a function or assignment), another class, or a refusal.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType, ModuleType
from typing import TypeGuard

from ..codec import class_name_of, encode
from ..errors import CannotShip, EmergeError
from .code_object import awaits
from .definition_time import class_as_defined, function_as_defined
from .effect import add_class_effects, add_function_effects, add_subclasses
from .functional_class import find_functional
from .guarded_import import find_guards, guarded_modules
from .home import module_name, module_of
from .live_part import FILLED, add_live
from .live_value import NotWritable
from .locate import files_of, find_assignment, find_class, find_decorated, find_function, find_other
from .missing_decorator import check_decorator
from .missing_source import no_source
from .name import imported_modules
from .origin import absolute, import_line, is_builtin, is_installed
from .part_table import PartTable
from .provenance import Foreign, foreign_argument, foreign_closure, foreign_source
from .scope import ABSENT, Scope, class_scope, find_owner, function_scope
from .source import FunctionNode, Unit, unit_of

Check = Callable[[str, Scope], Foreign | None]
_GIVEN = frozenset({"__name__", "__doc__", "__builtins__", "__debug__", "__class__", "__annotations__", "__spec__"})
_ALIASES = (
    typing.TypeVar,
    typing.ParamSpec,
    typing.NewType,
    types.GenericAlias,
    types.UnionType,
    type(typing.List[int]),  # noqa: UP006  # the type of such aliases has no public name
    type(typing.Optional[int]),  # noqa: UP045  # likewise
)


@dataclass(eq=False)
class Collector(PartTable):
    """Collects all that one class needs. `classes` and `aliases` are name -> class, name -> part."""

    aliases: dict[str, str] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)  # modules imported within functions
    owner: type | None = None  # the class that has this one in its text
    near: tuple[str, Scope] | None = None  # a name of the class, and where it is used
    class_name: str = ""  # in the bundle: the name that its statement binds, after those of the classes around it
    module: str = ""
    nears: dict[type, tuple[str, Scope]] = field(default_factory=dict)
    sources: dict[tuple[object, ...], Foreign | None] = field(default_factory=dict)
    """Where the values of names come from, found for any class of the same capture."""

    @property
    def needed(self) -> set[type]:
        """The other classes that it needs."""
        return {*self.classes.values(), *self.held, *([self.owner] if self.owner else [])} - {self.cls}

    def add_class(self) -> None:
        """Start with the class's own text; a class within a class is in the text of its owner."""
        self.watch.attributes(self.cls)
        self.class_name, self.module = class_name_of(self.cls), module_of(self.cls)
        if "." in self.class_name:
            self.owner = find_owner(self.cls)
            if self.owner is None:
                raise self.refusal("the class around it cannot be found", "define it outside")
            return
        found = find_class(self.cls)
        if found is None:
            self._add_functional()
            return
        unit, node = found
        check_decorator(self.cls, node)
        future = unit.future or _text_annotations(self.cls)
        self._values[node.name] = self.cls
        scope = class_scope(self.cls, unit)
        written = self._cut(node.name, unit, node)
        text = class_as_defined(self, self.cls, node, written, scope)
        self.add_text("class", node.name, text, scope, node.lineno, future, node if text is written else None)
        add_class_effects(self, self.cls, node.name, node, scope)
        add_subclasses(self, [self.cls, *self.classes.values()], scope)

    def _add_functional(self) -> None:
        found = find_functional(self.cls, self.near)
        if found is None:
            raise no_source(self.cls, files_of(self.cls), find_other(self.cls))
        self.class_name, self.owner = found.name, found.owner
        self.module = module_name(str(found.scope.namespace.get("__name__", self.module)))
        if found.node is not None:
            unit = found.scope.unit
            self._values[found.name] = self.cls
            self._check_source(found.name, found.scope, self.cls.__name__)
            self.add_part("class", found.name, unit, found.node, found.scope, unit.future)

    def add_part(self, kind: str, name: str, unit: Unit, node: ast.stmt, scope: Scope, future: bool) -> None:
        """Add a piece of source, with all that it names."""
        self.add_text(kind, name, self._cut(name, unit, node), scope, node.lineno, future, node)

    def _cut(self, name: str, unit: Unit, node: ast.stmt) -> str:
        text = unit.cut(node)
        if ("await" in text or "async" in text) and awaits(node):
            raise self.refusal(f"{name} awaits while it is defined", "await before: value = ship(await …)")
        return text

    def check_imports(self, name: str, text: str, body: list[ast.stmt], scope: Scope) -> None:
        if "import" not in text:
            return
        optional = {absolute(module, level, scope.namespace) for module, level in guarded_modules(*body)}
        for module, level in imported_modules(*body):
            full = absolute(module, level, scope.namespace)
            if level or (full in sys.modules and not is_installed(full)):
                raise self.refusal(
                    f"{name} imports {'.' * level}{module} within a function, which is not installed elsewhere",
                    "import it at the top of the file, by `from … import …`",
                )
            if full not in optional:
                self.inner.add(full)

    def resolve(self, name: str, scope: Scope, user: str) -> None:
        """Collect what a name means in a scope. Raises CannotShip for what cannot travel; `user` is what names it."""
        value = scope.find(name)
        scope.watch(name, self.watch)
        if name not in self._values and self._add_guarded_import(name, value, scope):
            return
        if name in self._values:
            if value is not ABSENT and value is not self._values[name] and not _same(value, self._values[name]):
                raise self.refusal(f"two things named {name} are used", "give them different names")
            return
        if value is ABSENT:
            if name in _GIVEN or hasattr(builtins, name):
                return
            raise self.refusal(f"{user} uses {name}, which is not defined", "define it before storing an object")
        if name in _GIVEN or is_builtin(name, value):
            return
        self._values[name] = value
        try:
            self._place(name, value, scope, user)
        except CannotShip:
            self.forget(name)
            raise

    def _add_guarded_import(self, name: str, value: object, scope: Scope) -> bool:
        """Add the whole statement when it binds the name by an import that may fail, of an installed module."""
        guards = find_guards(name, scope.unit) if name not in _GIVEN else []
        for module, level in (found for guard in guards for found in guarded_modules(guard)):
            full = absolute(module, level, scope.namespace)
            if level or (full in sys.modules and not is_installed(full)):
                return False
        if guards:
            self._values[name] = value
            text = "\n".join(map(scope.unit.cut, guards))
            self.add_text("assignment", name, text, scope, guards[0].lineno, scope.unit.future)
        return bool(guards)

    def _place(self, name: str, value: object, scope: Scope, user: str) -> None:
        line = import_line(name, value, scope.unit, scope.namespace)
        if line is not None:
            self.imports[name] = line
        elif isinstance(value, ModuleType):
            raise self.refusal(
                f"{user} uses the module {name}, which is not installed elsewhere",
                f"import what it uses by name: from {value.__name__} import …",
            )
        elif isinstance(value, type):
            self.classes[name] = value
            self.nears.setdefault(value, (name, scope))
        elif not self._add_constant(name, value, scope, user):
            self._add_other(name, value, scope, user)

    def _check_source(self, name: str, scope: Scope, user: str, by: Check = foreign_source) -> None:
        """Refuse a value that comes from outside the text, unless the user said that it may travel."""
        key = (by, name, scope.unit, id(scope.namespace), scope.around)
        if key not in self.sources or any(scope.inner):
            self.sources[key] = by(name, scope)
        found = self.sources[key]
        if found:
            raise self.refusal(
                f"{user} uses {name}, whose value comes from {found}",
                f"pass it as a field or an argument; if it may travel, say so: {name} = ship(…),"
                " with from emerge_wasm import ship",
            )

    def _add_other(self, name: str, value: object, scope: Scope, user: str) -> None:
        """Add a function, or a value that is no constant: by its text where that is sure, else as it is now."""
        reason = ""
        by_text = _is_lambda(value) or (isinstance(value, _ALIASES) and not scope.unit.typed)
        if by_text and self._add_assignment(name, value, scope):
            return
        if hasattr(value, "__wrapped__") or (isinstance(value, FunctionType) and not _is_lambda(value)):
            if not _was_returned(name, value, scope) and self._add_function(name, value, scope, user):
                return
        try:
            if add_live(self, name, value, scope, user):
                if hasattr(value, "__wrapped__"):
                    add_function_effects(self, name, value, scope)
                else:
                    self._check_source(name, scope, user)
                    self._check_source(name, scope, user, by=foreign_closure)
                return
        except NotWritable as error:
            reason = "" if str(error).startswith(f"a {type(value).__name__},") else f" that holds {error}"
        tried = isinstance(value, FILLED) or hasattr(value, "__wrapped__")
        if tried or not (self._add_function(name, value, scope, user) or self._add_assignment(name, value, scope)):
            raise self.refusal(
                f"{user} uses {name}, a {type(value).__name__}{reason or ', which cannot travel'}",
                "make it within the method, or pass it as an argument",
            )

    def _add_constant(self, name: str, value: object, scope: Scope, user: str) -> bool:
        held: set[type] = set()

        def note(cls: type) -> str:
            held.add(cls)
            return ""

        try:
            encode(value, bundle_of=note)
        except EmergeError:
            return False
        if not (isinstance(value, Enum) and value.name == name):
            self._check_source(name, scope, user)
        self.constants[name] = value
        self.places[name] = scope
        self.held |= held
        return True

    def _add_function(self, name: str, value: object, scope: Scope, user: str) -> bool:
        outer = scope
        decorated = None if isinstance(value, Enum) else find_decorated(name, scope.unit)
        bare = _unwrap(value)
        if isinstance(bare, FunctionType) and bare.__name__ != "<lambda>" and (bare.__name__ == name or not decorated):
            unit, node = find_function(bare)
            if value is not bare and self._made_by_call(name, value, bare, node, scope):
                return self._add_assignment(name, value, scope)
            scope = function_scope(bare, unit, scope)
            future = unit.future or _text_annotations(bare)
        elif decorated:
            unit, node, future = scope.unit, decorated, scope.unit.future
        else:
            return self._add_elsewhere(name, value, scope, user)
        if node.name != name:
            if isinstance(bare, FunctionType) and bare.__closure__:
                self._check_source(name, outer, user, by=foreign_argument)
            if self._values.setdefault(node.name, value) is not value:
                raise self.refusal(f"two things named {node.name} are used", "give them different names")
            self.aliases[name] = node.name
        if node.name not in self.parts:
            text = written = self._cut(node.name, unit, node)
            if isinstance(bare, FunctionType) and bare.__name__ == node.name:
                text = function_as_defined(self, bare, value, node, text, scope)
            self.add_text("function", node.name, text, scope, node.lineno, future, node if text is written else None)
            add_function_effects(self, node.name, value, scope)
        return True

    @staticmethod
    def _made_by_call(name: str, value: object, bare: FunctionType, node: FunctionNode, scope: Scope) -> bool:
        """Tell whether no decorator made a value of this function but a call: `fast = lru_cache(slow)`."""
        if any(names.get(node.name) is value for names in (*scope.inner, scope.namespace, bare.__globals__)):
            return False
        return name != node.name or not node.decorator_list

    def _add_elsewhere(self, name: str, value: object, scope: Scope, user: str) -> bool:
        """Add a function or value that the user's own module imported from another module of theirs."""
        for node in scope.unit.imports_of(name):
            if isinstance(node, ast.Import):
                continue
            module = sys.modules.get(absolute(node.module or "", node.level, scope.namespace))
            for alias in node.names:
                original = name if alias.name == "*" else alias.name
                if (alias.asname or original) != name or module is None or is_installed(module.__name__):
                    continue
                unit = unit_of(module.__file__ or "", vars(module)) if getattr(module, "__file__", "") else None
                if unit and vars(module).get(original) is value:
                    return self._move(name, original, value, Scope(unit, vars(module)), user)
        return False

    def _move(self, name: str, original: str, value: object, scope: Scope, user: str) -> bool:
        if original != name:
            if self._values.setdefault(original, value) is not value:
                raise self.refusal(f"two things named {original} are used", "give them different names")
            self.aliases[name] = original
        return self._add_function(original, value, scope, user) or self._add_assignment(original, value, scope)

    def _add_assignment(self, name: str, value: object, scope: Scope) -> bool:
        bare = value if _is_lambda(value) else None
        wrapped = hasattr(value, "__wrapped__")
        if not (bare or wrapped or isinstance(value, _ALIASES)):
            return False
        unit = scope.unit
        if bare:
            unit = unit_of(bare.__code__.co_filename, bare.__globals__) or unit
        node = find_assignment(name, unit)
        if node is not None and bare and not _one_lambda(node, bare):
            node = None
        if node is None:
            return False
        self.add_part("assignment", name, unit, node, scope, unit.future)
        add_function_effects(self, name, value, scope)
        return True

    def refusal(self, what: str, remedy: str) -> CannotShip:
        return CannotShip(f"the class {self.cls.__name__} cannot be stored: {what}", remedy=remedy)


def _unwrap(value: object) -> object:
    seen = 0
    while hasattr(type(value), "__wrapped__") or "__wrapped__" in getattr(value, "__dict__", {}):
        value, seen = getattr(value, "__wrapped__"), seen + 1  # noqa: B009  # object has no such attribute
        if seen > 50:
            break
    return value


def _was_returned(name: str, value: object, scope: Scope) -> bool:
    """Tell whether a call returned this function: two of these share their names, and not their variables."""
    if not isinstance(value, FunctionType) or hasattr(value, "__wrapped__") or not value.__closure__:
        return False
    return scope.find(value.__name__) is not value and not find_decorated(name, scope.unit)


def _is_lambda(value: object) -> TypeGuard[FunctionType]:
    return isinstance(value, FunctionType) and value.__name__ == "<lambda>"


def _one_lambda(node: ast.stmt, value: FunctionType) -> bool:
    found = [child for child in ast.walk(node) if isinstance(child, ast.Lambda)]
    return len(found) == 1 and found[0].lineno == value.__code__.co_firstlineno


def _same(one: object, other: object) -> bool:
    """Tell whether two constants are the same value."""
    try:
        return encode(one) == encode(other)
    except EmergeError:
        return False


def _text_annotations(thing: type | FunctionType) -> bool:
    """Tell whether a class or function has its annotations as text although its own unit does not ask for it."""
    if sys.version_info >= (3, 14):
        return False
    annotations: dict[str, object] = vars(thing).get("__annotations__") or {}
    if not isinstance(thing, type):
        annotations = thing.__annotations__
    return bool(annotations) and all(isinstance(value, str) for value in annotations.values())
