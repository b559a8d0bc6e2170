"""Looks at values without running anybody's code: no property, no `__getattr__`, `__dir__`, `__repr__` or metaclass.

So the attributes of a value are those in the dictionaries of it and its classes. Runs on CPython too.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


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
_CLASS_NAME = type.__dict__["__name__"]
CALLABLES = (
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
    return has_base(type(value), kind)


def has_base(cls: type, base: type) -> bool:
    """`issubclass`, which would ask a metaclass; so would `in`, by `==`."""
    return any(each is base for each in mro_of(cls))


def is_one(value: object, *kinds: type) -> bool:
    """Whether a value is of just one of these classes."""
    return any(type(value) is kind for kind in kinds)


def class_name(cls: type) -> str:
    return str(_CLASS_NAME.__get__(cls))


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
        if is_one(entry, types.GetSetDescriptorType, types.MemberDescriptorType):
            found = entry.__get__(value)  # type: ignore[attr-defined]  # C code
            return found if is_a(found, dict) else {}
        return {}
    return {}


def names_of(value: object) -> dict[str, object]:
    """The attributes of a value by name, as they are stored: those of its classes may be descriptors."""
    if type(value) is InstanceOf:
        return class_names(value.kind)
    if is_a(value, type):
        found = class_names(value)  # type: ignore[arg-type]  # it is a class
        for cls in mro_of(type(value)):
            if cls is not type and cls is not object:
                for name, entry in class_dict(cls).items():
                    found.setdefault(name, entry)
        return found
    if is_a(value, types.ModuleType):
        return _texts(own_dict(value))
    return {**class_names(type(value)), **_native_names(value), **_texts(own_dict(value))}


def class_names(cls: type) -> dict[str, object]:
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
        native = is_one(entry, types.MethodDescriptorType, types.WrapperDescriptorType)
        if native and class_dict(cls).get("__module__") == "pyodide.ffi":
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
        return _bound(entry, value, value.kind)
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
        if instance is None or type(instance) is InstanceOf:
            return UNKNOWN
        try:
            return entry.__get__(instance)  # type: ignore[attr-defined]  # a slot
        except AttributeError:
            return UNKNOWN
    if is_one(entry, type, *CALLABLES) or not _is_descriptor(entry):
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
    return find_node(tree.body, namespace)


def find_node(node: ast.expr, namespace: Mapping[str, object]) -> object:
    """The same of an expression that is parsed."""
    match node:
        case ast.Name(id=name):
            return namespace[name] if name in namespace else vars(builtins).get(name, UNKNOWN)
        case ast.Attribute(value=inner, attr=name):
            found = find_node(inner, namespace)
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
            return find_node(inner, namespace)
        case ast.Call(func=called):
            return _result(find_node(called, namespace))
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            return _item(find_node(inner, namespace), key)
    return UNKNOWN


def _item(container: object, key: object) -> object:
    if is_one(container, list, tuple) and type(key) is int:
        return container[key] if -len(container) <= key < len(container) else UNKNOWN  # type: ignore[index,arg-type]
    if type(container) is dict and is_one(key, str, int):
        return container.get(key, UNKNOWN) if all(is_one(each, str, int) for each in container) else UNKNOWN
    return UNKNOWN


def _result(called: object) -> object:
    """What a call gives, by the class that is called or the annotation of the function."""
    if is_a(called, type):
        return InstanceOf(called)  # type: ignore[arg-type]
    function = getattr(called, "__func__", called) if type(called) is types.MethodType else called
    if type(function) is not types.FunctionType:
        return UNKNOWN
    written = annotations_of(function).get("return")
    found = find_value(written, function.__globals__) if written else UNKNOWN
    return InstanceOf(found) if is_a(found, type) else UNKNOWN  # type: ignore[arg-type]


def annotations_of(function: types.FunctionType) -> dict[str, str]:
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
        return class_name(note)  # type: ignore[arg-type]
    if note is None:
        return "None"
    return ""
