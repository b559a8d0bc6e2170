"""The package as its source says: its modules, and what each imports. Nothing of it is imported here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "py" / "emerge_wasm"


def paths() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name below the package; its own `__init__` has none."""
    relative = path.relative_to(PACKAGE).with_suffix("")
    return ".".join(part for part in relative.parts if part != "__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in paths()}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of the package that a module imports, also in functions and for types only."""
    known = modules()
    found: set[str] = set()
    for base, name in _targets(path):
        module = f"{base}.{name}".strip(".")
        found.add(module if module in known else base)
    return frozenset(found & set(known) - {name_of(path)})


def _targets(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of each import from the package."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, _, rest = alias.name.partition(".")
                if top == PACKAGE.name:
                    yield rest, ""
        elif isinstance(node, ast.ImportFrom):
            names = (node.module or "").split(".") if node.module else []
            if node.level:
                base = [*package[: len(package) - node.level + 1], *names]
            elif names[:1] == [PACKAGE.name]:
                base = names[1:]
            else:
                continue
            for alias in node.names:
                yield ".".join(base), alias.name


def graph() -> dict[str, frozenset[str]]:
    return {name: imports(path) for name, path in modules().items()}


def circles(arrows: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """The sets of modules that reach each other (Tarjan's strongly connected components), each sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in arrows[name]:
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in arrows:
        if name not in order:
            visit(name)
    return sorted(found)
