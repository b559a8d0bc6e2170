"""Which modules code imports, and the libraries that the page brings for some of them (micropip, pyodide-http…)."""

from __future__ import annotations

import ast
import importlib.util
import sys
from contextvars import ContextVar

SERVED = {"micropip": "micropip", "pyodide_http": "pyodide-http", "graphql": "graphql-core"}
"""The name in Pyodide's lock file of each module's package."""


LOOKING: ContextVar[bool] = ContextVar("looking", default=False)
"""Whether somebody only looks whether a module is there: nothing is loaded for that."""


def imported_modules(code: str) -> set[str]:
    """The top-level modules that this code imports anywhere; none for code that does not parse: it fails anyway."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def is_importable(module: str) -> bool:
    """Whether a top-level module is there."""
    if module in sys.modules:
        return True
    token = LOOKING.set(True)
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
    finally:
        LOOKING.reset(token)


def missing_libraries(code: str) -> list[str]:
    """Return the packages that the page brings and that must be loaded before this code runs."""
    return [SERVED[name] for name in sorted(imported_modules(code) & SERVED.keys()) if not is_importable(name)]


async def load_libraries(code: str) -> None:
    """Load the libraries of the page that this code imports."""
    await _load(missing_libraries(code))


async def load_graphql() -> None:
    """Load the library that this tab needs to answer GraphQL itself."""
    await load_libraries("import graphql")


async def _load(wanted: list[str]) -> None:
    if wanted:
        from pyodide.ffi import to_js
        from pyodide_js import loadPackage

        await loadPackage(to_js(wanted))
