"""What of a class can be called by name from afar: its public methods and properties, not its fields.

Pure; looks at a loaded class without running any of its code until `invoke`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from ..errors import Invalid, NotFound, PermissionDenied
from .failure import own_frames_only


@dataclass(frozen=True, slots=True)
class Method:
    """One thing of a class that can be run; `called` is False for a property, which is only read."""

    name: str
    path: str
    called: bool

    def invoke(self, instance: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call it. Invalid when the arguments do not fit; whatever the code raises comes through."""
        target = getattr(instance, self.name)
        if not self.called:
            return self._read(target, args, kwargs)
        try:
            return target(*args, **kwargs)
        except TypeError as error:
            # raised by the call itself, not inside the method: no frame of the method was entered
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


class _Text(str):
    """An annotation that is text already (`from __future__ import annotations`), shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _unquoted(signature: inspect.Signature) -> inspect.Signature:
    def text(annotation: Any) -> Any:
        return _Text(annotation) if isinstance(annotation, str) else annotation

    parameters = [p.replace(annotation=text(p.annotation)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=text(signature.return_annotation))


def find_method(cls: type, name: str, path: str) -> Method:
    """The method or property of that name. PermissionDenied for a private one, NotFound naming the public ones."""
    if name.startswith("_"):
        raise PermissionDenied(f"{name} is private", path=path, remedy=_public(cls))
    if name in _fields(cls):
        raise NotFound(f"{name} is a field of {cls.__name__}, not a method", path=path, remedy=f"cat {path}.{name}")
    try:
        found = inspect.getattr_static(cls, name)
    except AttributeError:
        raise NotFound(f"{cls.__name__} has no method {name[:80]!r}", path=path, remedy=_public(cls)) from None
    return Method(name, path, callable(found) or isinstance(found, (classmethod, staticmethod)))


def public_names(cls: type) -> list[str]:
    """The names that `find_method` finds, sorted."""
    return sorted(name for name in dir(cls) if not name.startswith("_") and name not in _fields(cls))


def _fields(cls: type) -> set[str]:
    return {field.name for field in fields(cls)} if is_dataclass(cls) else set()


def _public(cls: type) -> str:
    return f"its methods: {', '.join(public_names(cls)) or 'none'}"
