"""Looks at values without running anybody's code: no property, no `__getattr__`, `__dir__`, `__repr__` or metaclass.

So the attributes of a value are those in the dictionaries of it and its classes. Runs on CPython too.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["function", "class", "module", "property", "value", "keyword", "parameter", "path", "key"]


class _Missing:
    """No value, or one that cannot be told without running code."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Missing()


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """A value of which only the class is known."""

    kind: type


_MRO = type.__dict__["__mro__"]
_CLASS_DICT = type.__dict__["__dict__"]
_SAFE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)


def is_a(value: object, kind: type) -> bool:
    """`isinstance`, which would ask the value for its `__class__`."""
    return kind in mro_of(type(value))


def mro_of(cls: type) -> tuple[type, ...]:
    found: tuple[type, ...] = _MRO.__get__(cls)
    return found


def class_dict(cls: type) -> Mapping[str, object]:
    found: Mapping[str, object] = _CLASS_DICT.__get__(cls)
    return found


def own_dict(value: object) -> dict[str, object]:
    """The attributes of a value itself; none where its class hides them behind code."""
    if is_a(value, type):
        return {}
    for cls in mro_of(type(value)):
        entry = class_dict(cls).get("__dict__")
        if entry is None:
            continue
        if type(entry) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            found = entry.__get__(value)  # type: ignore[attr-defined]  # C code
            return found if is_a(found, dict) else {}
        return {}
    return {}


def names_of(value: object) -> dict[str, object]:
    """The attributes of a value by name, as they are stored: those of its classes may be descriptors."""
    if type(value) is InstanceOf:
        return _class_names(value.kind)
    if is_a(value, type):
        found = _class_names(value)  # type: ignore[arg-type]  # it is a class
        for cls in mro_of(type(value)):
            if cls is not type and cls is not object:
                for name, entry in class_dict(cls).items():
                    found.setdefault(name, entry)
        return found
    if is_a(value, types.ModuleType):
        return _texts(own_dict(value))
    return {**_class_names(type(value)), **_native_names(value), **_texts(own_dict(value))}


def _class_names(cls: type) -> dict[str, object]:
    found: dict[str, object] = {}
    for each in mro_of(cls):
        for name, entry in class_dict(each).items():
            found.setdefault(name, entry)
        for name in _annotated(each):
            found.setdefault(name, UNKNOWN)
    return _texts(found)


def _annotated(cls: type) -> list[str]:
    """The names that a class declares without a value (`x: int`), where they are already there."""
    entry = class_dict(cls).get("__annotations__", class_dict(cls).get("__annotations_cache__"))
    names = [*entry] if type(entry) is dict else []
    fields = class_dict(cls).get("__dataclass_fields__")
    return [*names, *fields] if type(fields) is dict else names


def _native_names(value: object) -> dict[str, object]:
    """What a type that is written in C lists itself, as a proxy of a JavaScript object does."""
    for cls in mro_of(type(value)):
        entry = class_dict(cls).get("__dir__")
        if entry is None or cls is object:
            continue
        if type(entry) in (types.MethodDescriptorType, types.WrapperDescriptorType) and cls.__module__ == "pyodide.ffi":
            return dict.fromkeys(entry.__get__(value)(), UNKNOWN)  # type: ignore[attr-defined]
        return {}
    return {}


def _texts(found: Mapping[str, object]) -> dict[str, object]:
    pairs = dict.items(found) if is_a(found, dict) else found.items()  # type: ignore[arg-type]
    return {name: value for name, value in pairs if type(name) is str}


# --- finding values
def find_attribute(value: object, name: str) -> object:
    """The value of an attribute, or UNKNOWN where only running code tells it."""
    names = names_of(value)
    if name not in names:
        return UNKNOWN
    entry = names[name]
    if type(value) is InstanceOf:
        return _bound(entry, None, value.kind)
    if is_a(value, types.ModuleType) or name in own_dict(value):
        return entry
    if is_a(value, type):
        return _bound(entry, None, value)  # type: ignore[arg-type]
    return _bound(entry, value, type(value))


def _bound(entry: object, instance: object | None, owner: type) -> object:
    """What an entry of a class is as an attribute."""
    kind = type(entry)
    if kind is staticmethod:
        return entry.__func__  # type: ignore[attr-defined]
    if kind is classmethod:
        return types.MethodType(entry.__func__, owner)  # type: ignore[attr-defined]
    if kind is types.FunctionType:
        return entry if instance is None else types.MethodType(entry, instance)  # type: ignore[arg-type]
    if kind is types.MemberDescriptorType:
        try:
            return UNKNOWN if instance is None else entry.__get__(instance)  # type: ignore[attr-defined]  # a slot
        except AttributeError:
            return UNKNOWN
    if kind in _SAFE or kind is type or not _is_descriptor(entry):
        return entry
    return UNKNOWN


def _is_descriptor(entry: object) -> bool:
    return any("__get__" in class_dict(cls) for cls in mro_of(type(entry)))


def find_value(text: str, namespace: Mapping[str, object]) -> object:
    """The value of an expression of names, attributes, literals, items of plain containers and calls of classes."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return UNKNOWN
    return _find(tree.body, namespace)


def _find(node: ast.expr, namespace: Mapping[str, object]) -> object:
    match node:
        case ast.Name(id=name):
            return namespace[name] if name in namespace else vars(builtins).get(name, UNKNOWN)
        case ast.Attribute(value=inner, attr=name):
            found = _find(inner, namespace)
            return UNKNOWN if found is UNKNOWN else find_attribute(found, name)
        case ast.Constant(value=value):
            return value
        case ast.JoinedStr():
            return InstanceOf(str)
        case ast.List() | ast.ListComp():
            return InstanceOf(list)
        case ast.Dict() | ast.DictComp():
            return InstanceOf(dict)
        case ast.Set() | ast.SetComp():
            return InstanceOf(set)
        case ast.Tuple():
            return InstanceOf(tuple)
        case ast.Await(value=inner):
            return _find(inner, namespace)
        case ast.Call(func=called):
            return _result(_find(called, namespace))
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            return _item(_find(inner, namespace), key)
    return UNKNOWN


def _item(container: object, key: object) -> object:
    if type(container) in (list, tuple) and type(key) is int:
        return container[key] if -len(container) <= key < len(container) else UNKNOWN  # type: ignore[index,arg-type]
    if type(container) is dict and type(key) in (str, int):
        return container.get(key, UNKNOWN) if all(type(each) in (str, int) for each in container) else UNKNOWN
    return UNKNOWN


def _result(called: object) -> object:
    """What a call gives, by the class that is called or the annotation of the function."""
    if is_a(called, type):
        return InstanceOf(called)  # type: ignore[arg-type]
    function = getattr(called, "__func__", called) if type(called) is types.MethodType else called
    if type(function) is not types.FunctionType:
        return UNKNOWN
    written = _annotations(function).get("return")
    found = find_value(written, function.__globals__) if written else UNKNOWN
    return InstanceOf(found) if is_a(found, type) else UNKNOWN  # type: ignore[arg-type]


# --- what they are
def kind_of(value: object) -> Kind:
    """What to call a value, in one word."""
    if value is UNKNOWN or type(value) is InstanceOf:
        return "value"
    if is_a(value, type):
        return "class"
    if is_a(value, types.ModuleType):
        return "module"
    if type(value) in (property, types.GetSetDescriptorType) or type(value).__name__ == "cached_property":
        return "property"
    if type(value) in _SAFE or type(value) in (staticmethod, classmethod):
        return "function"
    return "value"


def signature_of(value: object, name: str = "") -> list[str] | None:
    """The parameters of a function or class, each as it is written; None if it cannot be called, or is not known."""
    if is_a(value, type):
        found = _class_names(value)  # type: ignore[arg-type]
        made = found.get("__init__")
        if type(made) is not types.FunctionType:
            made = _unwrapped(found.get("__new__"))
        if type(made) is types.FunctionType:
            return _parameters(made)[1:]
        return _text_parameters(value)
    value = _unwrapped(value)
    if type(value) is types.MethodType:
        function = value.__func__
        return _parameters(function)[1:] if type(function) is types.FunctionType else _text_parameters(value)
    if type(value) is types.FunctionType:
        return _parameters(value)
    if type(value) in _SAFE:
        return _text_parameters(value)
    if value is UNKNOWN or type(value) is InstanceOf:
        return None
    called = _class_names(type(value)).get("__call__")
    return _parameters(called)[1:] if type(called) is types.FunctionType else None


def _unwrapped(value: object) -> object:
    return value.__func__ if type(value) in (staticmethod, classmethod) else value  # type: ignore[attr-defined]


def _text_parameters(value: object) -> list[str] | None:
    """The parameters of what is written in C."""
    if type(value) not in _SAFE and type(value) is not type:
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
    notes = _annotations(function)
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


def _annotations(function: types.FunctionType) -> dict[str, str]:
    """The annotations of a function as they are written. On Python 3.14 they are not evaluated for it."""
    try:
        import annotationlib  # type: ignore[import-not-found,unused-ignore]  # of Python 3.14

        found = annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
    except ImportError:
        found = function.__annotations__
    except Exception:
        return {}
    return {name: text for name, note in found.items() if (text := _annotation(note))}


def _annotation(note: object) -> str:
    if type(note) is str:
        return note
    if is_a(note, type) and type(note) is not types.GenericAlias:
        return str(type.__dict__["__name__"].__get__(note))
    if note is None:
        return "None"
    return ""


def show_plain(value: object) -> str:
    """A value as text if that runs no code of its class, else `…`."""
    if type(value) in (int, float, complex, bool, type(None), bytes, str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    if type(value) in (tuple, list) and len(value) <= 6:  # type: ignore[arg-type]
        inner = ", ".join(map(show_plain, value))  # type: ignore[call-overload]
        return f"({inner}{',' * (len(value) == 1)})" if type(value) is tuple else f"[{inner}]"
    if type(value) is dict and not value:
        return "{}"
    if is_a(value, type):
        return str(type.__dict__["__name__"].__get__(value))
    return "…"


def doc_of(value: object) -> str:
    """The documentation of a function, class, module or instance of a class, its indentation taken away."""
    value = _unwrapped(value)
    if type(value) is types.MethodType:
        value = value.__func__
    if type(value) is types.FunctionType or type(value) in _SAFE or type(value) is property:
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
