"""Loads the libraries that the page serves (micropip, pyodide-http…) when a cell imports them."""

from __future__ import annotations

import ast
import importlib.util

SERVED = {"micropip": "micropip", "pyodide_http": "pyodide-http", "graphql": "graphql-core"}
"""The name in Pyodide's lock file of each module's package."""


def missing_libraries(code: str) -> list[str]:
    """Return the packages to load before this code runs; none for code that does not parse, since it fails anyway."""
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
    """Load the served libraries that this code imports."""
    await _load(missing_libraries(code))


async def load_graphql() -> None:
    """Load the library that this tab needs to answer GraphQL itself."""
    await load_libraries("import graphql")


async def _load(wanted: list[str]) -> None:
    if wanted:
        from pyodide.ffi import to_js
        from pyodide_js import loadPackage

        await loadPackage(to_js(wanted))
