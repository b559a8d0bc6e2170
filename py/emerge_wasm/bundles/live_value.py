"""Write a live value as source text whose leaves are names: `{"+": operator.add}` as `{'+': _add_1f2e3d4c}`.

A name in the text is bound by an import line, a part, a class or a constant of the bundle. Names made here say what
they stand for (a hash of it), so that classes captured together agree on them, and the same code gives the same text.
"""

from __future__ import annotations

import ast
import functools
import inspect
import logging
import operator
import re
import struct
import types
import typing
import zlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Context
from enum import Enum, Flag
from fractions import Fraction
from pathlib import PurePath
from string import Template
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from ..codec import class_name_of, encode
from ..codec.attributes import state_of
from ..codec.state import build
from ..errors import CannotShip, EmergeError
from .locate import find_function
from .locate_lambda import find_lambda
from .origin import from_import, import_line, is_builtin, is_installed
from .part_table import PartTable
from .scope import ABSENT, Scope, function_scope
from .source import FunctionNode, Unit, first_line, indent, unit_of

_DEEPEST = 50
_METHODS = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.WrapperDescriptorType)
_CACHE = type(functools.lru_cache(len))
_LITERAL = frozenset({type(None), bool, int, str, bytes, type(...), type(NotImplemented)})


class NotWritable(Exception):
    """A value has no text; the message says what it holds."""


class LiveText:
    """Writes values for one class's bundle; `scope` is where they are used, `user` what uses them."""

    def __init__(self, table: PartTable, scope: Scope, user: str) -> None:
        self.table, self.scope, self.user = table, scope, user
        self.depth = 0
        self.own = ""  # the name that is being written
        self.constants = True  # else instances are made in the text

    def text(self, value: object) -> str:
        """Return an expression that makes this value.

        Raises:
            NotWritable: there is none.
        """
        if type(value) in _LITERAL:
            return repr(value)
        if self.depth > _DEEPEST:
            raise NotWritable("something that nests too deep, or holds itself")
        self.depth += 1
        try:
            write = next((_WRITERS[kind] for kind in _kinds(value) if kind in _WRITERS), _other)
            return write(self, value)
        finally:
            self.depth -= 1

    def items(self, values: Iterable[object]) -> str:
        return ", ".join(map(self.text, values))

    def call(self, make: object, *args: object, **named: object) -> str:
        """Return the call of a class or function of an installed module."""
        given = [self.text(arg) for arg in args] + [f"{name}={self.text(arg)}" for name, arg in named.items()]
        return f"{self.text(make)}({', '.join(given)})"

    # --- names
    def known_name(self, value: object) -> str:
        """Return the name under which the scope has this very value, collected; "" when it has none."""
        own = getattr(value, "__name__", None)
        found = [own] if isinstance(own, str) and self.scope.find(own) is value else []
        if not found and not isinstance(value, type | FunctionType | BuiltinFunctionType):
            found = [name for name, other in self.scope.namespace.items() if other is value]
        for name in found:
            if name != self.own and name.isidentifier() and self.table.means(name, value):
                self.table.resolve(name, self.scope, self.user)
                return name
        return ""

    def made_name(self, stem: str, *identity: object) -> str:
        """Return a name for something of this identity, which is the same in every process."""
        stem = re.sub(r"\W", "", stem) or "value"
        return f"_{stem}_{zlib.crc32(repr(identity).encode()):08x}"

    def imported(self, value: object) -> str:
        """Return the name of what installed modules have, with its import line collected; "" when it is from none."""
        name = self.known_name(value)
        if name:
            return name
        own = str(getattr(value, "__name__", ""))
        if is_builtin(own, value):
            if self.scope.find(own) is ABSENT:
                return own
            name = self.made_name(own, "builtins", own)
            line: str | None = from_import("builtins", own, name)
        else:
            module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", own)
            if isinstance(value, ModuleType):
                module, qualname = value.__name__, ""
            name = self.made_name(own or qualname or str(getattr(value, "_name", "")), module, qualname)
            line = import_line(name, value, None, {}) or _public_line(name, value)
        if line is None:
            return ""
        self.table.bind(name, value)
        self.table.imports[name] = line
        return name

    # --- functions
    def function(self, value: FunctionType) -> str:
        name = self.imported(value) if is_installed(str(value.__module__)) else self.known_name(value)
        return name or self._elsewhere(value) or self.made_function(value)

    def _elsewhere(self, value: FunctionType) -> str:
        """Return the name of a function of another module, or of another cell, under which its own globals have it."""
        name, names = value.__name__, value.__globals__
        if names.get(name) is not value or names is self.scope.namespace or not self.table.means(name, value):
            return ""
        unit = unit_of(value.__code__.co_filename, names)
        if unit is None or self.scope.find(name) is not ABSENT:
            return ""
        self.table.resolve(name, Scope(unit, names), self.user)
        return name

    def made_function(self, value: Callable[..., object]) -> str:
        """Add a lambda, an inner function, or one of several functions of a name, under a name made for it."""
        known = self.table.made.get(id(value))
        if known:
            return known[0]
        bare = inspect.unwrap(value)
        if not isinstance(bare, FunctionType):
            raise NotWritable(f"a {type(value).__name__}, which cannot travel")
        unit, node = _find(bare)
        decorated = bare is not value and isinstance(node, FunctionNode) and bool(node.decorator_list)
        if not decorated and isinstance(value, FunctionType) and not _of_library(value):
            bare = value
            unit, node = _find(value)
        scope = function_scope(bare, unit, Scope(unit, bare.__globals__))
        writer = LiveText(self.table, scope, self.user)
        writer.depth = self.depth
        if bare is value:
            text = writer.definition(bare, unit, node)
        elif decorated:
            text = _decorated(bare, unit, node)
        else:
            text = f"{_PLACE} = {writer.wrapped(value)}"
        name = self.made_name(bare.__name__, text)
        self.table.made[id(value)] = name, value
        own = bare.__code__.co_name
        if f"\n{_PLACE} = {own}" in text and not text.startswith(f"def {_PLACE}("):
            self.table.shadows[name] = own
        self.table.bind(name, value)
        self.table.add_text("function", name, text.replace(_PLACE, name), scope, node.lineno, future=unit.future)
        return name

    def wrapped(self, value: Callable[..., object]) -> str:
        """Return the call of the standard library that made a callable of another one."""
        inner = self.text(inspect.unwrap(value, stop=lambda each: each is not value))
        if isinstance(value, _CACHE):
            given = ", ".join(f"{name}={item!r}" for name, item in value.cache_parameters().items())
            return f"{self.text(functools.lru_cache)}({given})({inner})"
        if hasattr(value, "dispatch") and hasattr(value, "registry"):
            return f"{self.text(functools.singledispatch)}({inner})"
        raise NotWritable(f"a {type(value).__name__}, which cannot travel")

    def definition(self, value: FunctionType, unit: Unit, node: ast.Lambda | ast.stmt) -> str:
        """Return the text that defines a function as `_PLACE`, with the values its variables and defaults have now."""
        cells = {
            name: cell.cell_contents
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
            if cell.cell_contents is not value and name != "__class__"
        }
        if isinstance(node, ast.Lambda):
            text = f"{_PLACE} = {self._with_defaults(value, node)}"
        else:
            inner = "<locals>" in value.__code__.co_qualname
            text = self._with_defaults(value, node) if inner else _undecorated(unit, node)
            text += f"\n{_PLACE} = {value.__code__.co_name}"
        if hasattr(value, "__wrapped__"):
            update = self.text(functools.update_wrapper)
            text += f"\n{_PLACE} = {update}({_PLACE}, {self.text(vars(value)['__wrapped__'])})"
        if not cells:
            return text
        given = ", ".join(self.text(item) for item in cells.values())
        names = ", ".join(cells)
        return f"def {_PLACE}({names}):\n{indent(text)}\n    return {_PLACE}\n{_PLACE} = {_PLACE}({given})"

    def _with_defaults(self, value: FunctionType, node: ast.Lambda | ast.stmt) -> str:
        node = ast.parse(ast.unparse(node)).body[0]
        target = node.value if isinstance(node, ast.Expr) else node
        assert isinstance(target, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef)
        if not isinstance(target, ast.Lambda):
            target.decorator_list = []
        target.args.defaults = [self._tree(item) for item in value.__defaults__ or ()]
        named = value.__kwdefaults__ or {}
        target.args.kw_defaults = [
            self._tree(named[item.arg]) if item.arg in named else None for item in target.args.kwonlyargs
        ]
        return ast.unparse(ast.fix_missing_locations(node))

    def _tree(self, value: object) -> ast.expr:
        return ast.parse(self.text(value), mode="eval").body

    # --- classes and instances
    def cls(self, value: type) -> str:
        if value is type(None):
            return "type(None)"
        if is_installed(value.__module__):
            name = self.imported(value)
            if name:
                return name
        head, *steps = class_name_of(value).split(".")
        if steps and "<locals>" not in value.__qualname__:
            owner = getattr(self.scope, "namespace", {}).get(head)
            if isinstance(owner, type) and operator.attrgetter(".".join(steps))(owner) is value:
                return ".".join([self.cls(owner), *steps])
        name = self.known_name(value)
        if not name:
            name = head if self.table.means(head, value) and self.scope.find(head) is ABSENT else ""
            name = name or self.made_name(head, value.__module__, class_name_of(value))
            while not self.table.means(name, value):  # several of one name, defined anew
                name += "_"
            self.table.bind(name, value)
            self.table.classes[name] = value
        return name

    def constant(self, value: object) -> str:
        """Return the name of a constant with this value, which the codec writes."""
        held: set[type] = set()

        def note(cls: type) -> str:
            held.add(cls)
            return ""

        try:
            data = encode(value, bundle_of=note)
        except EmergeError:
            raise NotWritable(f"a {type(value).__name__}, which cannot travel") from None
        name = self.made_name(type(value).__name__, data, sorted(map(class_name_of, held)))
        if self.table.means(name, value):
            self.table.bind(name, value)
        self.table.constants[name] = value
        self.table.held |= held
        return name

    def instance(self, value: object) -> str:
        """Return the text of an instance of a class of the user's: an Enum member, a sentinel, a dataclass."""
        name = self.known_name(value)
        if name or self.constants:
            return name or self.constant(value)
        names = getattr(value, "_fields", ())  # of a named tuple
        fields = dict(zip(names, value, strict=True)) if isinstance(value, tuple) else state_of(value)
        self.table.bind("_build", build)
        self.table.imports["_build"] = from_import(build.__module__, "build", "_build")
        return f"_build({self.cls(type(value))}, {_dict(self, fields)})"


_PLACE = "__made__"


def _public_line(name: str, value: object) -> str | None:
    """Return the line that imports what the interpreter itself made, and does not say where: MappingProxyType."""
    for module in types, typing:
        for public, other in vars(module).items():
            if other is value and not public.startswith("_"):
                return from_import(module.__name__, public, name)
    return None


def _of_library(value: FunctionType) -> bool:
    """Tell whether a function of an installed module made this one, whatever it says itself."""
    return is_installed(str(value.__globals__.get("__name__")))


def _find(value: FunctionType) -> tuple[Unit, ast.Lambda | FunctionNode]:
    try:
        return find_lambda(value) if value.__code__.co_name == "<lambda>" else find_function(value)
    except CannotShip as error:
        raise NotWritable(f"a function without a text ({error.message})") from None


def _decorated(value: FunctionType, unit: Unit, node: ast.AST) -> str:
    """Return the text of a function that decorators made, which do so again."""
    if "<locals>" in value.__qualname__ or not isinstance(node, FunctionNode) or not node.decorator_list:
        raise NotWritable(f"{value.__name__}, a decorated function that no name leads to")
    return f"{unit.cut(node)}\n{_PLACE} = {value.__name__}"


def _undecorated(unit: Unit, node: ast.stmt) -> str:
    """Return the text of a function as it is before its decorators."""
    lines = unit.cut(node).split("\n")
    return "\n".join(lines[node.lineno - first_line(node) :])


def _kinds(value: object) -> tuple[type, ...]:
    """Return the types whose way of writing fits a value: its own; for paths, classes and aliases a base too."""
    kind = type(value)
    return kind.__mro__ if isinstance(value, type | PurePath | ModuleType) else (kind,)


def _other(write: LiveText, value: object) -> str:
    if isinstance(value, Flag) and not is_installed(type(value).__module__):
        return f"{write.cls(type(value))}({value.value!r})"
    if isinstance(value, Enum):
        return f"{write.cls(type(value))}[{value.name!r}]"
    if type(value).__module__ == "typing" or type(value).__module__ == "types":
        name = write.imported(value)
        if name:
            return name
    return write.instance(value)


def _set(write: LiveText, value: set[object] | frozenset[object]) -> str:
    """Write a set, in an order that is the same in every process."""
    items = ", ".join(sorted(map(write.text, value)))
    if type(value) is frozenset:
        return f"{write.text(frozenset)}([{items}])"
    return f"{{{items}}}" if items else f"{write.text(set)}()"


def _dict(write: LiveText, value: Mapping[Any, object]) -> str:
    return "{" + ", ".join(f"{write.text(key)}: {write.text(item)}" for key, item in value.items()) + "}"


def _deque(write: LiveText, value: deque[object]) -> str:
    return write.call(deque, list(value), *([] if value.maxlen is None else [value.maxlen]))


def _float(write: LiveText, value: float) -> str:
    text = repr(value)
    return text if text.lstrip("-")[0].isdigit() else f"{write.text(float)}({text!r})"


def _bound(write: LiveText, value: BuiltinFunctionType | MethodType) -> str:
    """Write a method bound to a class or a plain value, or a function of an installed module."""
    owner = value.__self__
    if isinstance(value, BuiltinFunctionType) and (owner is None or isinstance(owner, ModuleType)):
        name = write.imported(value)
        if not name:
            raise NotWritable(f"{value.__name__}, a builtin of no module")
        return name
    if not isinstance(owner, type) and type(owner) not in (str, bytes, int, float, tuple, frozenset):
        name = write.known_name(owner)
        if not name:
            raise NotWritable(f"{value.__name__}, a method of a {type(owner).__name__}")
        return f"{name}.{value.__name__}"
    text = write.text(owner)
    return f"{text if isinstance(owner, type) else f'({text})'}.{value.__name__}"


def _reduced(write: LiveText, value: object) -> str:
    """Write a value of a type of the standard library by the call that copies it."""
    made: tuple[object, tuple[object, ...]] = value.__reduce__()  # type: ignore[assignment]
    return write.call(made[0], *made[1])


def _partial(write: LiveText, value: functools.partial[object]) -> str:
    given = [write.text(item) for item in (value.func, *value.args)]
    given += [f"**{_dict(write, dict(value.keywords))}"] if value.keywords else []
    return f"{write.text(functools.partial)}({', '.join(given)})"


def _path(write: LiveText, value: PurePath) -> str:
    kind = next(base for base in type(value).__mro__ if base.__name__ in ("Path", "PurePosixPath", "PureWindowsPath"))
    kind = next((base for base in type(value).__mro__ if base.__name__ == "Path"), kind)
    return write.call(kind, str(value))


def _zone(write: LiveText, value: ZoneInfo) -> str:
    if not value.key:
        raise NotWritable("a ZoneInfo without a key")
    return write.call(ZoneInfo, value.key)


def _context(write: LiveText, value: Context) -> str:
    names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    traps = [signal for signal, on in value.traps.items() if on]
    return write.call(Context, **{name: getattr(value, name) for name in names}, traps=traps)


def _alias(write: LiveText, value: types.GenericAlias) -> str:
    """Write list[int], Box[int], Literal["a"], Callable[[int], str] …"""
    origin: object = typing.get_origin(value)
    args = typing.get_args(value)
    if origin is typing.Annotated or not args:
        raise NotWritable(f"{value}, an alias")
    name = str(getattr(value, "_name", "")) if type(value).__module__ == "typing" else ""
    special = getattr(typing, name, origin) if origin is not typing.Union else origin
    head = write.text(special)
    parts = [f"[{write.items(arg)}]" if isinstance(arg, list) else write.text(arg) for arg in args]
    return f"{head}[{', '.join(parts)}]"


def _type_variable(write: LiveText, value: typing.TypeVar) -> str:
    given = {"covariant": value.__covariant__, "contravariant": value.__contravariant__}
    named: dict[str, object] = {name: True for name, on in given.items() if on}
    if value.__bound__ is not None:
        named["bound"] = value.__bound__
    if getattr(value, "__infer_variance__", False):
        raise NotWritable("a type variable of a generic class")
    return write.call(typing.TypeVar, value.__name__, *value.__constraints__, **named)


def _namespace(write: LiveText, value: types.SimpleNamespace) -> str:
    return f"{write.text(types.SimpleNamespace)}(**{_dict(write, vars(value))})"


def _pattern(write: LiveText, value: re.Pattern[str]) -> str:
    flags = value.flags & ~re.UNICODE.value if isinstance(value.pattern, str) else value.flags
    return write.call(re.compile, value.pattern, *([flags] if flags else []))


_WRITERS: dict[type, Callable[[LiveText, Any], str]] = {
    float: _float,
    list: lambda w, v: f"[{w.items(v)}]",
    tuple: lambda w, v: f"({w.items(v)}{',' if len(v) == 1 else ''})",
    set: _set,
    frozenset: _set,
    dict: _dict,
    deque: _deque,
    defaultdict: lambda w, v: w.call(defaultdict, v.default_factory, dict(v)),
    OrderedDict: lambda w, v: w.call(OrderedDict, list(v.items())),
    Counter: lambda w, v: w.call(Counter, dict(v)),
    types.MappingProxyType: lambda w, v: w.call(types.MappingProxyType, dict(v)),
    types.SimpleNamespace: _namespace,
    range: lambda w, v: w.call(range, v.start, v.stop, v.step),
    slice: lambda w, v: w.call(slice, v.start, v.stop, v.step),
    bytearray: lambda w, v: w.call(bytearray, bytes(v)),
    Fraction: lambda w, v: w.call(Fraction, v.numerator, v.denominator),
    PurePath: _path,
    ZoneInfo: _zone,
    Template: lambda w, v: w.call(Template, v.template),
    Context: _context,
    re.Pattern: _pattern,
    struct.Struct: lambda w, v: w.call(struct.Struct, v.format),
    logging.Logger: lambda w, v: w.call(logging.getLogger, v.name),
    functools.partial: _partial,
    operator.itemgetter: _reduced,
    operator.attrgetter: _reduced,
    operator.methodcaller: _reduced,
    types.GenericAlias: _alias,
    types.UnionType: lambda w, v: " | ".join("None" if a is type(None) else w.text(a) for a in v.__args__),
    type(list[int]): _alias,
    type(typing.List[int]): _alias,  # noqa: UP006  # the type of such aliases has no public name
    type(typing.Optional[int]): _alias,  # noqa: UP045  # likewise
    type(typing.Literal[1]): _alias,
    type(typing.Callable[[int], int]): _alias,
    type(Callable[[int], int]): _alias,
    typing.TypeVar: _type_variable,
    typing.NewType: lambda w, v: w.call(typing.NewType, v.__name__, v.__supertype__),
    type: LiveText.cls,
    FunctionType: LiveText.function,
    _CACHE: lambda w, v: w.known_name(v) or w.made_function(v),
    BuiltinFunctionType: _bound,
    MethodType: _bound,
    ModuleType: lambda w, v: w.imported(v) or _no_module(v),
    **dict.fromkeys(_METHODS, lambda w, v: f"{w.text(v.__objclass__)}.{v.__name__}"),
}


def _no_module(value: ModuleType) -> str:
    raise NotWritable(f"the module {value.__name__}, which is not installed elsewhere")
