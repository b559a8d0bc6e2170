"""The layers of the design, read off the import graph; and that the browser's part needs nothing of the servers'."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "py" / "emerge_wasm"
LAYERS = [
    {"errors", "paths", "objects", "store", "context", "operations", "sync"},
    {"codec", "bundles", "wire"},
    {"filesystem", "query", "graphql"},
    {"stores", "clients", "blocks"},
    {"cluster", "node", "relay", "rest", "sandbox", "browser"},
    {"cli"},
]
SEPARATE = {"stores", "cluster", "node", "relay", "rest", "sandbox", "browser"}
"""Parts whose siblings in the same layer must not be imported, unless named here."""
ALLOWED = {
    ("node", "cluster"),
    ("relay", "cluster"),
    ("relay", "rest"),
    ("relay", "node"),
    ("rest", "node"),
    ("cluster", "node"),  # its server: to be injected
    ("browser", "clients"),
}
BROWSER = [
    "emerge_wasm",
    "emerge_wasm.codec",
    "emerge_wasm.bundles",
    "emerge_wasm.wire",
    "emerge_wasm.filesystem",
    "emerge_wasm.filesystem.runs.inside.execute",
    "emerge_wasm.graphql",
    "emerge_wasm.query",
    "emerge_wasm.clients",
    "emerge_wasm.classic",
    "emerge_wasm.clients.transports.local",
    "emerge_wasm.clients.transports.rest",
    "emerge_wasm.clients.transports.rest_http",
    "emerge_wasm.clients.transports.websocket",
    "emerge_wasm.clients.transports.zeromq",
    "emerge_wasm.stores",
    "emerge_wasm.stores.memory",
    "emerge_wasm.stores.indexeddb",
    "emerge_wasm.browser.kernel",
]
SERVERS = [
    "httpx",
    "zmq",
    "starlette",
    "uvicorn",
    "websockets",
    "click",
    "itsdangerous",
    "sqlite3",
    "multiprocessing",
    "ssl",
]
FORBIDDEN = {"pickle", "dill", "marshal", "cloudpickle", "shelve"}
REFUSES = {"stores/zodb/file.py"}
"""Looks into ZODB's own pickles with an Unpickler that finds no class, to refuse those that would run code."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS, 1) if part in parts)


def imported_parts(path: Path) -> set[str]:
    """The parts of emerge_wasm that a module imports, also inside functions."""
    package = ("emerge_wasm", *path.relative_to(PACKAGE).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            target = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join([*target, alias.name]) for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "emerge_wasm" and len(parts) > 1 and any(parts[1] in layer for layer in LAYERS):
                found.add(parts[1])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "classic"):  # the front doors: they import what is asked for when it is
        return
    for other in imported_parts(path) - {part}:
        down = layer_of(other) < layer_of(part)
        beside = layer_of(other) == layer_of(part) and (part not in SEPARATE or (part, other) in ALLOWED)
        assert down or beside, f"{part} (layer {layer_of(part)}) imports {other} (layer {layer_of(other)})"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_bytes_become_code(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        if str(path.relative_to(PACKAGE)) not in REFUSES:
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec"):  # classes from source; the console's cells
                assert part_of(path) in ("bundles", "browser"), f"{path}:{node.lineno}"


def test_the_browser_part_needs_no_server_package() -> None:
    code = f"""
import sys
for name in {SERVERS!r}:
    sys.modules[name] = None
import importlib
for name in {BROWSER!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
