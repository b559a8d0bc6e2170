"""The layers of the design, read off the import graph; and that the browser's part needs nothing of the servers'.

An import counts wherever it stands, in a function or for types only. The lists of what is not so yet only shrink.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

from tests.imports import circles, graph, imports, modules, tree_of

LAYERS = [
    {
        "errors",
        "paths",
        "objects",
        "notebook",
        "ipynb",
        "built_in",
        "saved_query",
        "store",
        "context",
        "shipment",
        "straight",
        "block_files",
        "operations",
        "results",
        "sync",
        "private_file",
        "version",
    },
    {"codec", "bundles", "wire", "blocks"},
    {"filesystem", "query", "graphql", "replication"},
    {"stores", "clients"},
    {"cluster", "node", "relay", "rest", "sandbox", "browser", "flows"},
    {"cli"},
]
SEPARATE = {"stores", "cluster", "node", "relay", "rest", "sandbox", "browser", "flows"}
"""Parts whose siblings in the same layer must not be imported, unless named here."""
ALLOWED = {
    ("node", "cluster"),
    ("relay", "cluster"),
    ("relay", "rest"),
}
FRONT = {"", "front", "classic"}
"""The front doors: they import what is asked for when it is."""

FILESYSTEM = [
    {"layout", "blocks"},
    {"runner", "change", "keyed_lock", "lease", "time_slice"},
    {"core"},
    {"execution"},
    {"indexes", "quota"},
    {"commit"},
    {"tree"},
    {"objects"},
    {"versions", "transactions"},
    {"runs"},
    {"files"},
    {"searches", "archives", "check", "handover"},
    {"repair"},
    {"filesystem"},
]
"""The folders of the filesystem and its own modules, from the bottom."""

BROWSER = [
    "emerge_wasm",
    "emerge_wasm.codec",
    "emerge_wasm.bundles",
    "emerge_wasm.wire",
    "emerge_wasm.blocks.recipe",
    "emerge_wasm.filesystem",
    "emerge_wasm.filesystem.runs.inside.here",
    "emerge_wasm.graphql",
    "emerge_wasm.replication.follower",
    "emerge_wasm.replication.leader",
    "emerge_wasm.query",
    "emerge_wasm.clients",
    "emerge_wasm.classic",
    "emerge_wasm.front",
    "emerge_wasm.clients.transports.local",
    "emerge_wasm.clients.transports.rest",
    "emerge_wasm.clients.transports.rest_http",
    "emerge_wasm.clients.transports.websocket",
    "emerge_wasm.clients.transports.zeromq",
    "emerge_wasm.stores",
    "emerge_wasm.stores.memory",
    "emerge_wasm.stores.indexeddb",
    "emerge_wasm.browser.kernel",
    "emerge_wasm.flows",
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
REFUSES = {"stores.zodb.file"}
"""Looks into ZODB's own pickles with an Unpickler that finds no class, to refuse those that would run code."""


def part_of(module: str) -> str:
    return module.partition(".")[0]


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS, 1) if part in parts)


def rank_of(module: str) -> tuple[str, int]:
    """A folder or a module of the filesystem itself, and its place in the order."""
    name = module.split(".")[1]
    return name, next(number for number, names in enumerate(FILESYSTEM) if name in names)


def test_every_part_has_its_layer() -> None:
    parts = {part_of(module) for module in modules()} - FRONT
    assert set().union(*LAYERS) == parts
    assert sum(map(len, LAYERS)) == len(parts)


def upward(module: str) -> Iterator[str]:
    """What a module imports that is above it, or beside it and none of its business."""
    part = part_of(module)
    for other in {part_of(imported) for imported in imports(modules()[module])} - {part} - FRONT:
        down = layer_of(other) < layer_of(part)
        beside = layer_of(other) == layer_of(part) and (part not in SEPARATE or (part, other) in ALLOWED)
        if not (down or beside):
            yield f"{module} (layer {layer_of(part)}) imports {other} (layer {layer_of(other)})"


def upward_in_the_filesystem(module: str) -> Iterator[str]:
    name, rank = rank_of(module)
    for imported in imports(modules()[module]):
        if imported.startswith("filesystem."):
            other, below = rank_of(imported)
            if below >= rank and name != other:
                yield f"{name} imports {other}: {module} imports {imported}"


def test_imports_run_downward() -> None:
    """One test for all modules: there are some five hundred, and a test of its own takes longer than what it does."""
    faults = [fault for module in modules() if part_of(module) not in FRONT for fault in upward(module)]
    assert not faults, "\n".join(faults)


def test_imports_run_downward_in_the_filesystem() -> None:
    below = [module for module in modules() if module.startswith("filesystem.")]
    faults = [fault for module in below for fault in upward_in_the_filesystem(module)]
    assert not faults, "\n".join(faults)


def test_no_modules_import_each_other() -> None:
    assert circles(graph()) == []


def makes_code(module: str) -> Iterator[str]:
    """Where a module imports what reads code from bytes, or runs text though it is not its part to."""
    for node in ast.walk(tree_of(modules()[module])):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        if module not in REFUSES and (found := FORBIDDEN & {name.split(".")[0] for name in names}):
            yield f"{module} imports {', '.join(found)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            if part_of(module) not in ("bundles", "browser"):  # classes from source; the console's cells
                yield f"{module}:{node.lineno} calls {node.func.id}"


def test_no_bytes_become_code() -> None:
    faults = [fault for module in modules() for fault in makes_code(module)]
    assert not faults, "\n".join(faults)


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


def test_the_command_line_starts_with_what_a_client_needs() -> None:
    """Importing the filesystem takes as long as all else that a command does before it asks the node."""
    code = """
import sys, emerge_wasm.cli.main as cli
for name in cli.MODULES:
    cli.main.get_command(None, name)
print(*sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], timeout=60, check=True, capture_output=True, text=True).stdout
    assert not {"emerge_wasm.filesystem", "emerge_wasm.query", "emerge_wasm.node", "zmq", "tempfile"} & {*said.split()}
