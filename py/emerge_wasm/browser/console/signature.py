"""What functions, classes and other values say of themselves, without running anybody's code: their parameters, their
documentation, their source.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import types
from collections.abc import Iterator, Mapping
from functools import cached_property

from ..protocol.option import CompletionKind
from .inspection import (
    CALLABLES,
    UNKNOWN,
    InstanceOf,
    annotations_of,
    class_dict,
    class_name,
    class_names,
    is_a,
    is_one,
    mro_of,
    own_dict,
)

_FLAGS = type.__dict__["__flags__"]
_MADE_BY_CODE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def kind_of(value: object) -> CompletionKind:
    """What to call a value, in one word."""
    if value is UNKNOWN or type(value) is InstanceOf:
        return "value"
    if is_a(value, type):
        return "class"
    if is_a(value, types.ModuleType):
        return "module"
    if is_one(value, property, cached_property, types.GetSetDescriptorType):
        return "property"
    if is_one(value, staticmethod, classmethod, *CALLABLES):
        return "function"
    return "value"


def signature_of(value: object, name: str = "") -> list[str] | None:
    """The parameters of a function or class, each as it is written; None if it cannot be called, or is not known."""
    if is_a(value, type):
        found = class_names(value)  # type: ignore[arg-type]
        made = found.get("__init__")
        if type(made) is not types.FunctionType:
            made = _unwrapped(found.get("__new__"))
        if type(made) is types.FunctionType:
            return _parameters(made)[1:]
        return _text_parameters(value)
    value = _unwrapped(value)
    if type(value) is types.MethodType:
        function = value.__func__
        if type(function) is types.FunctionType:
            return _parameters(function)[1:]
        return (_text_parameters(function) or [])[1:] if type(function) is not types.MethodType else None
    if type(value) is types.FunctionType:
        return _parameters(value)
    if is_one(value, *CALLABLES):
        return _text_parameters(value)
    if value is UNKNOWN or type(value) is InstanceOf:
        return None
    called = class_names(type(value)).get("__call__")
    return _parameters(called)[1:] if type(called) is types.FunctionType else None


def _unwrapped(value: object) -> object:
    return value.__func__ if is_one(value, staticmethod, classmethod) else value  # type: ignore[attr-defined]


def _text_parameters(value: object) -> list[str] | None:
    """The parameters of what is written in C."""
    if type(value) is type and _FLAGS.__get__(value) & _MADE_BY_CODE:
        return [] if len(mro_of(value)) == 2 else None
    if not is_one(value, type, *CALLABLES):
        return None
    try:
        found = inspect.signature(value)  # type: ignore[arg-type]  # reads its __text_signature__
    except (ValueError, TypeError):
        return None
    made = [str(parameter) for parameter in found.parameters.values()]
    kinds = [parameter.kind for parameter in found.parameters.values()]
    only = kinds.count(inspect.Parameter.POSITIONAL_ONLY)
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        made.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    return [*made[:only], "/", *made[only:]] if only else made


def _parameters(function: types.FunctionType) -> list[str]:
    """The parameters of a function, by its code; the names of those that take the rest with their stars."""
    code = function.__code__
    names, count, only = code.co_varnames, code.co_argcount, code.co_kwonlyargcount
    notes = annotations_of(function)
    defaults = function.__defaults__ or ()
    made = []
    for at, name in enumerate(names[:count]):
        default = at - (count - len(defaults))
        made.append(_parameter(name, notes, defaults[default] if default >= 0 else UNKNOWN))
        if at + 1 == code.co_posonlyargcount:
            made.append("/")
    rest = count + only
    if code.co_flags & inspect.CO_VARARGS:
        made.append(_parameter(names[rest], notes, UNKNOWN, "*"))
        rest += 1
    elif only:
        made.append("*")
    given = function.__kwdefaults__ or {}
    made.extend(_parameter(name, notes, given.get(name, UNKNOWN)) for name in names[count : count + only])
    if code.co_flags & inspect.CO_VARKEYWORDS:
        made.append(_parameter(names[rest], notes, UNKNOWN, "**"))
    return made


def _parameter(name: str, notes: Mapping[str, str], default: object, stars: str = "") -> str:
    note = notes.get(name, "")
    shown = f"{stars}{name}" + (f": {note}" if note else "")
    if default is UNKNOWN:
        return shown
    return f"{shown} = {show_plain(default)}" if note else f"{shown}={show_plain(default)}"


def show_plain(value: object) -> str:
    """A value as text if that runs no code of its class, else `…`."""
    if is_one(value, int, float, complex, bool, type(None), bytes, str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    if is_one(value, tuple, list) and len(value) <= 6:  # type: ignore[arg-type]
        inner = ", ".join(map(show_plain, value))  # type: ignore[call-overload]
        return f"({inner}{',' * (len(value) == 1)})" if type(value) is tuple else f"[{inner}]"
    if type(value) is dict and not value:
        return "{}"
    if is_a(value, type):
        return class_name(value)  # type: ignore[arg-type]
    return "…"


def doc_of(value: object) -> str:
    """The documentation of a function, class, module or instance of a class, its indentation taken away."""
    value = _unwrapped(value)
    if type(value) is types.MethodType:
        value = value.__func__
    if is_one(value, types.FunctionType, property, *CALLABLES):
        found: object = value.__doc__
    elif type(value) is InstanceOf or is_a(value, type):
        found = _class_doc(value.kind if type(value) is InstanceOf else value)  # type: ignore[arg-type]
    elif is_a(value, types.ModuleType):
        found = own_dict(value).get("__doc__")
    elif value is UNKNOWN:
        return ""
    else:
        found = _class_doc(type(value))
    return inspect.cleandoc(found) if type(found) is str else ""


def _class_doc(cls: type) -> object:
    entry = class_dict(cls).get("__doc__")
    if type(entry) is str or type(cls) is not type:
        return entry
    return cls.__doc__ if type(entry) is types.GetSetDescriptorType else entry  # of a class in C


def source_of(value: object) -> str:
    """The source of a function or class, "" where there is none."""
    value = _unwrapped(value)
    if type(value) is types.MethodType:
        value = value.__func__
    if type(value) is types.FunctionType:
        lines = linecache.getlines(value.__code__.co_filename)
        first = value.__code__.co_firstlineno - 1
        return "".join(inspect.getblock(lines[first:])) if 0 <= first < len(lines) else ""
    if type(value) is type:
        functions = [entry for entry in class_dict(value).values() if type(entry) is types.FunctionType]
        for name in {function.__code__.co_filename for function in functions}:
            found = _class_source(name, type.__dict__["__qualname__"].__get__(value))
            if found:
                return found
    return ""


def _class_source(filename: str, qualname: str) -> str:
    text = "".join(linecache.getlines(filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    for node, name in _classes(tree, ""):
        if name == qualname:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
            return "\n".join(text.split("\n")[first : node.end_lineno])
    return ""


def _classes(tree: ast.AST, prefix: str) -> Iterator[tuple[ast.ClassDef, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield node, f"{prefix}{node.name}"
            yield from _classes(node, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _classes(node, f"{prefix}{node.name}.<locals>.")
