"""The public methods and properties of a class, which clients can call by name. Fields are not among them.

Inspects a loaded class and runs none of its code until `invoke`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ....bundles.description import DISPLAYS
from ....errors import Invalid, NotFound, PermissionDenied
from .failure import own_frames_only

Given = Mapping[str, Callable[[], Any]]
"""Makers of default arguments by parameter name: `fs`, the filesystem with the caller's rights, and `afs`, its async
client. A method gets them for parameters that the caller left out."""

Arguments = tuple[list[Any], dict[str, Any]]


@dataclass(slots=True)
class Method:
    """A method or property of a class; `called` is False for a property, which is only read."""

    name: str
    path: str
    called: bool

    def invoke(self, instance: Any, args: list[Any], kwargs: dict[str, Any], given: Given | None = None) -> Any:
        """Call the method. Errors of its code pass through.

        Raises:
            Invalid: the arguments do not fit.
        """
        target = getattr(instance, self.name)
        if not self.called:
            return self._read(target, args, kwargs)
        if given:
            args, kwargs = fill_in(target, args, kwargs, _faced(instance, given))
        try:
            return target(*args, **kwargs)
        except TypeError as error:
            # no frame of the method was entered: the arguments did not fit
            if own_frames_only(error) and (usage := self._misfit(target, args, kwargs)):
                raise Invalid(f"{error}", path=self.path, remedy=f"it is {usage}") from None
            raise

    def _read(self, value: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if args or kwargs:
            raise Invalid(f"{self.name} is a property: it takes no arguments", path=self.path)
        return value

    def _misfit(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> str:
        try:
            signature = inspect.signature(target)
        except (TypeError, ValueError):
            return ""
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            return f"{self.name}{_unquoted(signature)}"
        return ""


def _faced(instance: Any, given: Given) -> Given:
    """Give `fs` with the call forms that the class wants (those of the older project: `classic.core.objects`)."""
    face = getattr(type(instance), "_emerge_face", None)
    return given if face is None or "fs" not in given else {**given, "fs": lambda: face(given["fs"]())}


_PARTIAL = (functools.partial, functools.partialmethod, functools.singledispatchmethod)


def takes(target: Any, names: Collection[str]) -> bool:
    """Return whether a function has a parameter of one of these names."""
    while isinstance(target, _PARTIAL):
        target = target.func
    function = getattr(target, "__func__", target)
    code = getattr(inspect.unwrap(function) if hasattr(function, "__wrapped__") else function, "__code__", None)
    if code is None:
        return False
    return any(name in names for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def fill_in(target: Any, args: list[Any], kwargs: dict[str, Any], given: Given) -> Arguments:
    """Add the `given` arguments that the caller left out, by position where they stand among positional ones, else by
    name. Return the arguments unchanged if they fit in no other way."""
    if not takes(target, given):
        return args, kwargs
    signature = inspect.signature(target)
    handed = {name: given[name]() for name in given if name in signature.parameters and name not in kwargs}
    placed = list(args)
    for at, name in enumerate(signature.parameters):
        if name in handed and at <= len(placed):
            placed.insert(at, handed[name])
    for positional, named in ((placed, kwargs), (args, {**handed, **kwargs}), (args, kwargs)):
        try:
            bound = signature.bind(*positional, **named).arguments
        except TypeError:
            continue
        return positional, {**{name: value for name, value in handed.items() if name not in bound}, **named}
    return args, kwargs


class _Text(str):
    """An annotation that is already text (`from __future__ import annotations`), shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _unquoted(signature: inspect.Signature) -> inspect.Signature:
    def text(annotation: Any) -> Any:
        return _Text(annotation) if isinstance(annotation, str) else annotation

    parameters = [p.replace(annotation=text(p.annotation)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=text(signature.return_annotation))


_BOUND = (classmethod, staticmethod, functools.partialmethod, functools.singledispatchmethod)
"""What is not callable itself, and gives something to call."""


def find_method(cls: type, name: str, path: str) -> Method:
    """Return the method or property of that name.

    Raises:
        PermissionDenied: the name is private, and none by which values show themselves.
        NotFound: there is none; the error names the public ones.
    """
    if name.startswith("_") and name not in DISPLAYS:
        raise PermissionDenied(f"{name} is private", path=path, remedy=_public(cls))
    if name in getattr(cls, "__dataclass_fields__", ()) and name in _fields(cls):
        raise NotFound(f"{name} is a field of {cls.__name__}, not a method", path=path, remedy=f"cat {path}.{name}")
    try:
        found = _static_attribute(cls, name)
    except AttributeError:
        raise NotFound(f"{cls.__name__} has no method {name[:80]!r}", path=path, remedy=_public(cls)) from None
    return Method(name, path, callable(found) or isinstance(found, _BOUND))


_mro_of = type.__dict__["__mro__"].__get__
_names_of = type.__dict__["__dict__"].__get__


def _static_attribute(cls: type, name: str) -> object:
    """Return what a class has under a name, as `inspect.getattr_static` does."""
    for base in _mro_of(cls):
        names = _names_of(base)
        if name in names:
            return names[name]
    return inspect.getattr_static(cls, name)


def public_names(cls: type) -> list[str]:
    """Return the names that `find_method` finds, sorted."""
    return sorted(name for name in dir(cls) if not name.startswith("_") and name not in _fields(cls))


def _fields(cls: type) -> set[str]:
    return {field.name for field in fields(cls)} if is_dataclass(cls) else set()


def _public(cls: type) -> str:
    return f"its methods: {', '.join(public_names(cls)) or 'none'}"
