"""Find the text of a class or function, in a file, a console cell or `python -c`, and cut it out.

Text is found through `linecache`, which also holds what has no file. Line numbers decide, never names alone:
one file may define the same name twice.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

from . import repl

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
DefinitionNode = ast.ClassDef | FunctionNode
UNITS_KEPT = 512
"""Parsed texts that are remembered; each may be a whole file with its tree."""


def keep_source(filename: str, text: str) -> None:
    """Remember a text that is compiled under this (unique) filename, so that its classes can be shipped."""
    linecache.cache.pop(filename, None)  # the newest is last
    linecache.cache[filename] = (len(text), None, [line + "\n" for line in text.split("\n")], filename)


@dataclass(eq=False)
class Unit:
    """One text that was compiled as a whole, with its tree."""

    filename: str
    text: str
    tree: ast.Module = field(repr=False)
    _codes: list[CodeType] | None = field(default=None, repr=False)

    @property
    def future(self) -> bool:
        """Whether annotations are text, by `from __future__ import annotations`."""
        return any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.names[0].name == "annotations"
            for node in self.tree.body
        )

    def definitions(self) -> Iterator[tuple[str, DefinitionNode]]:
        """Yield every class and function with its qualified name."""
        yield from _definitions(self.tree, "")

    def codes(self) -> list[CodeType]:
        """Compile the text, and return all code objects in it, to compare live ones with."""
        if self._codes is None:
            self._codes = list(inner_codes(compile(self.text, self.filename, "exec", dont_inherit=True)))
        return self._codes

    def cut(self, node: ast.stmt) -> str:
        """Return the text of a statement with its decorators, dedented; lines within strings keep their spaces."""
        first, last = first_line(node), node.end_lineno or node.lineno
        lines = self.text.split("\n")[first - 1 : last]
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        fixed = _string_lines(node)
        cut = [
            line if number in fixed else line.removeprefix(indent) if line.strip() else ""
            for number, line in enumerate(lines, first)
        ]
        return "\n".join(cut)


def first_line(node: ast.AST) -> int:
    """Return the first line of a statement, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    own: int = getattr(node, "lineno", 0)
    return min([own, *(decorator.lineno for decorator in decorators)])


def _string_lines(node: ast.AST) -> set[int]:
    """Return the lines that begin within a string."""
    inside: set[int] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.JoinedStr) or (
            isinstance(child, ast.Constant) and isinstance(child.value, str | bytes)
        ):
            inside.update(range(child.lineno + 1, (child.end_lineno or child.lineno) + 1))
    return inside


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, DefinitionNode]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DefinitionNode):
            yield prefix + child.name, child
            step = "." if isinstance(child, ast.ClassDef) else ".<locals>."
            yield from _definitions(child, prefix + child.name + step)
        else:
            yield from _definitions(child, prefix)


def inner_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield all code objects within one."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from inner_codes(const)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Tell whether two code objects do the same at the same lines (filenames and flags aside)."""
    if (one.co_firstlineno, one.co_code, one.co_names) != (other.co_firstlineno, other.co_code, other.co_names):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    return all(
        same_code(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else repr(a) == repr(b)
        for a, b in zip(one.co_consts, other.co_consts, strict=True)
    )


def unit_of(filename: str, namespace: dict[str, Any] | None = None) -> Unit | None:
    """Return the text known under that filename, None when there is none (or it is not Python)."""
    if filename == "<string>":
        return _command_line()
    lines = linecache.getlines(filename, namespace)
    if filename == repl.FILENAME:  # each statement was compiled by itself under this one name: see `typed_units`
        return None
    if not lines and filename.startswith("<"):
        return next((unit for unit in typed_units() if unit.filename == filename), None)
    return _unit(filename, "".join(lines))


@lru_cache(maxsize=UNITS_KEPT)
def _unit(filename: str, text: str) -> Unit | None:
    if not text:
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return Unit(filename, text, ast.parse(text))
    except (SyntaxError, ValueError):
        return None


def _command_line() -> Unit | None:
    """Return the program of `python -c`, which the interpreter keeps in its original arguments."""
    if not sys.argv or sys.argv[0] != "-c":
        return None
    index = len(sys.orig_argv) - len(sys.argv)
    text = sys.orig_argv[index] if 0 < index < len(sys.orig_argv) else ""
    if not sys.orig_argv[index - 1].endswith("c"):  # written as -c'…'
        text = text.partition("c")[2]
    if "<string>" not in linecache.cache and text:
        keep_source("<string>", text)
    return _unit("<string>", text)


def typed_units() -> Iterator[Unit]:
    """Yield the texts that were typed (console cells, the REPL, `python -c`), newest first."""
    for filename, text in reversed(list(_typed())):
        unit = _unit(filename, text)
        if unit:
            yield unit
    for text in repl.typed_definitions():
        unit = _unit(repl.FILENAME, text)
        if unit:
            yield unit
    unit = _command_line()
    if unit:
        yield unit


def _typed() -> Iterator[tuple[str, str]]:
    """Yield (filename, text) of what has no file. Newer Pythons keep the REPL's by code object, several times over."""
    kept: dict[object, Any] = getattr(linecache, "_interactive_cache", {})
    seen = set()
    for key, entry in [*kept.items(), *linecache.cache.items()]:
        if len(entry) == 4 and entry[1] is None:
            filename = key if isinstance(key, str) else entry[3]
            text = "".join(entry[2])
            if not filename.startswith("<emerge:") and (filename, text) not in seen:
                seen.add((filename, text))
                yield filename, text
