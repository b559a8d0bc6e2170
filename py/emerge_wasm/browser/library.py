"""The libraries that the page serves and a cell may import, loaded when one does: micropip, pyodide-http."""

from __future__ import annotations

import ast
import importlib.util

SERVED = {"micropip": "micropip", "pyodide_http": "pyodide-http", "graphql": "graphql-core"}
"""Module: the package's name in Pyodide's lock."""


def missing_libraries(code: str) -> list[str]:
    """The packages to load before this code runs. Code that does not parse needs none: it fails by itself."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return [SERVED[name] for name in sorted(names & SERVED.keys()) if importlib.util.find_spec(name) is None]


async def load_libraries(code: str) -> None:
    """Load what this code imports of what the page serves."""
    await _load(missing_libraries(code))


async def load_graphql() -> None:
    """What this tab needs to answer GraphQL itself."""
    await load_libraries("import graphql")


async def _load(wanted: list[str]) -> None:
    if wanted:
        from pyodide.ffi import to_js
        from pyodide_js import loadPackage

        await loadPackage(to_js(wanted))
