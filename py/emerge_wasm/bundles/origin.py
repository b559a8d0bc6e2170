"""Tell what can be imported elsewhere too, and by which line, from the user's own code, which travels as source."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import sys
import sysconfig
import typing
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any

from .absent_module import ADDED, REMOVED
from .alias import real_name
from .source import Unit

OURS = "emerge_wasm"
_SERVED = frozenset({OURS, "msgpack", "micropip", "pyodide_http", "pyodide", "pyodide_js", "js"})
_NODE_ONLY = frozenset({"threading", "multiprocessing", "socket", "subprocess", "ssl", "socketserver", "_thread"})
_ABSENT = object()


def is_installed(module: str) -> bool:
    """Tell whether any machine with the package can import a module: stdlib, site-packages, Emerge itself."""
    return _is_installed(real_name(module))


@lru_cache(maxsize=1024)
def _is_installed(module: str) -> bool:
    top = module.partition(".")[0]
    if top == OURS or top in sys.builtin_module_names or top in sys.stdlib_module_names - {"__main__"}:
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or _namespace_file(top)
    return bool(file) and _in_packages(os.path.abspath(file))


def _namespace_file(top: str) -> str:
    """Return a directory of a namespace package (which has no file), else ""."""
    return next(iter(getattr(sys.modules.get(top), "__path__", ())), "")


def _in_packages(file: str) -> bool:
    if {"site-packages", "dist-packages"} & set(file.replace(os.sep, "/").split("/")):
        return True
    return any(file.startswith(path + os.sep) for path in (_library("purelib"), _library("platlib")))


@lru_cache(maxsize=4)
def _library(name: str) -> str:
    return os.path.abspath(sysconfig.get_paths()[name])


def third_party(module: str) -> bool:
    """Tell whether a module is from a package index, not the standard library nor Emerge."""
    top = real_name(module).partition(".")[0]
    return not (top in sys.stdlib_module_names or top in ADDED or top in REMOVED) and top != OURS


def needs_node(module: str) -> bool:
    """Tell whether a browser tab cannot import a module: threads, sockets, processes, a package it is not served."""
    top = real_name(module).partition(".")[0]
    return top in _NODE_ONLY or (third_party(module) and top not in _SERVED)


def import_line(name: str, value: object, unit: Unit | None, namespace: dict[str, Any]) -> str | None:
    """Return the line that binds `name` to this very object elsewhere: the one written, else one made from its module.

    None when the object is not from an installed module, or is a constant that no written line imports.
    """
    lines = list(_written_lines(name, value, unit, namespace)) if unit else []
    if lines:
        return "\n".join(sorted(set(lines)))
    if isinstance(value, ModuleType):
        return _import(value.__name__, name) if is_installed(value.__name__) else None
    if type(value).__module__.partition(".")[0] == OURS and name in getattr(sys.modules[OURS], "__all__", ()):
        return f"from {OURS} import {name}"
    return next(_made_lines(name, value), None)


def _import(module: str, name: str) -> str:
    return f"import {module}" if module == name else f"import {module} as {name}"


def _written_lines(name: str, value: object, unit: Unit, namespace: dict[str, Any]) -> Iterator[str]:
    for node in unit.imports_of(name):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                target = sys.modules.get(alias.name if alias.asname else bound)
                if bound == name and target is value and is_installed(alias.name):
                    yield f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node.module or "", node.level, namespace)
            if not is_installed(module) or module == "__future__":
                continue
            for alias in node.names:
                if name in (alias.asname or alias.name, alias.name if alias.name != "*" else name):
                    original = name if alias.name == "*" else alias.name
                    if (alias.asname or original) == name and _member(module, original) is value:
                        yield from_import(module, original, name)


def absolute(module: str, level: int, namespace: dict[str, Any]) -> str:
    """Return the full name of a module in an import statement, relative or not; "" when it cannot be told."""
    if not level:
        return module
    try:
        return importlib.util.resolve_name("." * level + module, namespace.get("__package__") or None)
    except ImportError:
        return ""


def from_import(module: str, original: str, name: str) -> str:
    return f"from {module} import {original}" + ("" if original == name else f" as {name}")


def _member(module: str, name: str) -> object:
    found: object = getattr(sys.modules.get(module), name, _ABSENT)
    return sys.modules.get(f"{module}.{name}", _ABSENT) if found is _ABSENT else found


def _made_lines(name: str, value: object) -> Iterator[str]:
    """Yield import lines made from the module and name that an object states, the shortest module first."""
    module = getattr(value, "__module__", None)
    original = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or getattr(value, "_name", None)
    if isinstance(value, type | typing.TypeVar) is False and isinstance(module, str) and module == "typing":
        original = getattr(value, "_name", None) or original
    if not isinstance(module, str) or not isinstance(original, str) or not is_installed(module):
        return
    steps = module.split(".")
    for count in range(1, len(steps) + 1):
        public = ".".join(steps[:count])
        if public != "builtins" and original.isidentifier() and _member(public, original) is value:
            yield from_import(public, original, name)


def is_builtin(name: str, value: object) -> bool:
    """Tell whether every Python has this value under that name."""
    return getattr(builtins, name, _ABSENT) is value
