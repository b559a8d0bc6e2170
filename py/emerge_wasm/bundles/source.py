"""Find the text of a class or function, in a file, a console cell or `python -c`, and cut it out.

Text is found through `linecache`, which also holds what has no file. Line numbers decide, never names alone:
one file may define the same name twice.
"""

from __future__ import annotations

import ast
import linecache
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any, TypeVar

from . import notebook, repl
from .code_object import compilations, same_code
from .syntax_tree import statements_in, walk

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
DefinitionNode = ast.ClassDef | FunctionNode
T = TypeVar("T", bound=ast.AST)
AssignmentNode = ast.Assign | ast.AnnAssign | ast.AugAssign
_SHARED = frozenset({repl.FILENAME, *notebook.FILENAMES})
_STRINGS = frozenset({"Constant", "JoinedStr", "TemplateStr"})
"""What may begin on one line and end on another, and keeps the spaces between."""
UNITS_KEPT = 512
"""Parsed texts that are remembered; each may be a whole file with its tree."""


def keep_source(filename: str, text: str) -> None:
    """Remember a text that is compiled under this (unique) filename, so that its classes can be shipped."""
    linecache.cache.pop(filename, None)  # the newest is last
    linecache.cache[filename] = (len(text), None, [line + "\n" for line in text.split("\n")], filename)


def forget_source(filename: str) -> None:
    """Forget a text that was kept, of which nothing is left that could be shipped."""
    linecache.cache.pop(filename, None)


@dataclass(eq=False)
class Unit:
    """One text that was compiled as a whole, with its tree."""

    filename: str
    text: str
    tree: ast.Module = field(repr=False)
    _ways: list[dict[int, list[CodeType]]] = field(default_factory=list, repr=False, init=False)
    _untried: Iterator[list[CodeType]] = field(repr=False, init=False)

    def __post_init__(self) -> None:
        self._untried = compilations(self.tree, self.filename)

    @property
    def future(self) -> bool:
        """Whether annotations are text, by `from __future__ import annotations`."""
        return any(
            node.module == "__future__" and alias.name == "annotations"
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        )

    @cached_property
    def definitions(self) -> list[tuple[str, DefinitionNode]]:
        """Every class and function with its qualified name."""
        return list(_definitions(self.tree, ""))

    @cached_property
    def defined(self) -> dict[str, list[tuple[str, DefinitionNode]]]:
        """The definitions by the last part of their names."""
        found: dict[str, list[tuple[str, DefinitionNode]]] = {}
        for qualname, node in self.definitions:
            found.setdefault(node.name, []).append((qualname, node))
        return found

    @cached_property
    def top(self) -> frozenset[ast.stmt]:
        """The statements that are within no other."""
        return frozenset(self.tree.body)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _nodes(self) -> dict[type[ast.AST], list[ast.AST]]:
        found: dict[type[ast.AST], list[ast.AST]] = {}
        for node in walk(self.tree):
            found.setdefault(type(node), []).append(node)
        return found

    def nodes(self, *kinds: type[T]) -> list[T]:
        """Return all nodes of these kinds."""
        return [node for kind in kinds for node in self._nodes.get(kind, ()) if isinstance(node, kind)]

    @cached_property
    def functions(self) -> list[FunctionNode]:
        return [node for _, node in self.definitions if isinstance(node, FunctionNode)]

    @cached_property
    def lambdas(self) -> list[ast.Lambda]:
        return self.nodes(ast.Lambda)

    @cached_property
    def imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [*self.nodes(ast.Import), *self.nodes(ast.ImportFrom)]

    def imports_of(self, name: str) -> list[ast.Import | ast.ImportFrom]:
        """Return the import statements that may bind a name."""
        return [*self._importing.get(name, ()), *self._importing.get("*", ())]

    @cached_property
    def _importing(self) -> dict[str, list[ast.Import | ast.ImportFrom]]:
        found: dict[str, list[ast.Import | ast.ImportFrom]] = {}
        for node in self.imports:
            for name in {alias.asname or alias.name.partition(".")[0] for alias in node.names}:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def assignments(self) -> dict[str, list[AssignmentNode]]:
        """The statements that assign a name, by the names in their targets."""
        found: dict[str, list[AssignmentNode]] = {}
        assigning: list[AssignmentNode] = [*self.nodes(ast.Assign), *self.nodes(ast.AnnAssign)]
        for node in [*assigning, *self.nodes(ast.AugAssign)]:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in {child.id for child in walk(*targets) if isinstance(child, ast.Name)}:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def _inside(self) -> set[int]:
        return _string_lines(node for kind in self._nodes if kind.__name__ in _STRINGS for node in self._nodes[kind])

    @property
    def typed(self) -> bool:
        """Whether it was typed (a cell, a prompt, `python -c`), rather than read from a file."""
        return self.filename.startswith("<") or _is_typed(linecache.cache.get(self.filename, ()))

    def has(self, code: CodeType, line: int) -> bool:
        """Tell whether the definition at a line has this code, in whichever way its statements were compiled.

        The code itself may be at other lines: some were added above it, or IPython reloaded the function by itself.
        """
        return any(same_code(made, code) for made in self._made(line))

    def _made(self, line: int) -> Iterator[CodeType]:
        for way in self._ways:
            yield from way.get(line, ())
        for codes in self._untried:
            way = {}
            for code in codes:
                way.setdefault(code.co_firstlineno, []).append(code)
            self._ways.append(way)
            yield from way.get(line, ())

    def cut(self, node: ast.stmt) -> str:
        """Return the text of a statement with its decorators, dedented; lines within strings keep their spaces."""
        first, last = first_line(node), node.end_lineno or node.lineno
        lines = self.lines[first - 1 : last]
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        fixed = self._inside
        cut = [
            line if number in fixed else line.removeprefix(indent) if line.strip() else ""
            for number, line in enumerate(lines, first)
        ]
        return "\n".join(cut)


def indent(text: str) -> str:
    """Return a text indented by four spaces; lines within strings keep their spaces."""
    fixed = _string_lines(walk(ast.parse(text)))
    lines = text.split("\n")
    return "\n".join(line if number in fixed or not line else f"    {line}" for number, line in enumerate(lines, 1))


def first_line(node: ast.AST) -> int:
    """Return the first line of a statement, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    own: int = getattr(node, "lineno", 0)
    return min([own, *(decorator.lineno for decorator in decorators)])


def _string_lines(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the lines that begin within one of these that is a string."""
    inside: set[int] = set()
    for child in nodes:
        if type(child).__name__ in _STRINGS:
            first: int = getattr(child, "lineno", 0)
            inside.update(range(first + 1, getattr(child, "end_lineno", first) + 1))
    return inside


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, DefinitionNode]]:
    for child in statements_in(node):
        if isinstance(child, DefinitionNode):
            yield prefix + child.name, child
            step = "." if isinstance(child, ast.ClassDef) else ".<locals>."
            yield from _definitions(child, prefix + child.name + step)
        else:
            yield from _definitions(child, prefix)


def unit_of(filename: str, namespace: dict[str, Any] | None = None) -> Unit | None:
    """Return the text known under that filename, None when there is none (or it is not Python)."""
    if filename == "<string>":
        return _command_line()
    lines = linecache.getlines(filename, namespace)
    if filename in _SHARED:  # many texts are compiled under this one name: see `typed_units`
        return None
    if not lines and filename.startswith("<"):
        return next((unit for unit in typed_units() if unit.filename == filename), None)
    return parse_unit(filename, "".join(lines))


@lru_cache(maxsize=UNITS_KEPT)
def parse_unit(filename: str, text: str) -> Unit | None:
    """Parse a text, None when it is empty or not Python; the texts used last are remembered."""
    if not text:
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():  # whoever compiled it was warned
            warnings.simplefilter("ignore")
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
    return parse_unit("<string>", text)


def typed_units(word: str = "") -> Iterator[Unit]:
    """Yield the texts with that word that were typed (console cells, the REPL, `python -c`), newest first."""
    for filename, text in _typed_texts():
        unit = parse_unit(filename, text) if word in text or not text.isascii() else None
        if unit:
            yield unit
            if "get_ipython" in text:
                inner = [parse_unit(min(notebook.FILENAMES), body) for body in notebook.magic_texts(unit.tree)]
                yield from (one for one in inner if one)
    unit = _command_line()
    if unit:
        yield unit


def _typed_texts() -> Iterator[tuple[str, str]]:
    typed = list(_typed())
    typed.reverse()
    typed.sort(key=_age, reverse=True)
    yield from typed
    yield from ((repl.FILENAME, text) for text in repl.typed_definitions())


def _age(kept: tuple[str, str]) -> int:
    filename, _ = kept
    return notebook.run_number(filename)


def _typed() -> Iterator[tuple[str, str]]:
    """Yield (filename, text) of what has no file. Newer Pythons keep the REPL's by code object, several times over."""
    kept: dict[object, Any] = getattr(linecache, "_interactive_cache", {})
    seen = set()
    for key, entry in [*kept.items(), *linecache.cache.items()]:
        if _is_typed(entry):
            filename = key if isinstance(key, str) else entry[3]
            text = "".join(entry[2])
            if not filename.startswith("<emerge:") and (filename, text) not in seen:
                seen.add((filename, text))
                yield filename, text


def _is_typed(entry: tuple[object, ...]) -> bool:
    """Tell whether an entry of linecache is of a text that has no file."""
    return len(entry) == 4 and entry[1] is None


def renew(filenames: Iterable[str]) -> bool:
    """Let files be read again that were changed since their text was kept; tell whether there were any."""
    kept = {filename for filename in filenames if filename in linecache.cache}
    for filename in kept:
        linecache.checkcache(filename)
    return not kept <= linecache.cache.keys()
