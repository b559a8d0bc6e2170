"""Runs console cells. Each is a file in `linecache`, so that tracebacks and shipped classes find their source.

Runs on CPython too, where it is tested. Imports no js.
"""

from __future__ import annotations

import ast
import inspect
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import CodeType
from typing import Any
from weakref import ref

from ...bundles import forget_source, keep_source
from .cause import CAUSE
from .display import display, shows_itself
from .figure import show_figures
from .magic import TOOLS, Prepared, prepare
from .mime import TEXT, MimeBundle, make_bundle
from .tools import Tools

RUNNING: ContextVar[int] = ContextVar("cell", default=0)
"""The number of the cell that a task belongs to (0: none)."""


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """A cell's outcome. `value` is what its last expression is shown as; None without one, or when that is None."""

    value: MimeBundle | None
    milliseconds: float

    @property
    def text(self) -> str | None:
        """The repr of the last expression."""
        return None if self.value is None else str(self.value.data[TEXT])


class Console:
    """Runs cells in one namespace that persists between them."""

    def __init__(self, namespace: dict[str, object]) -> None:
        self.namespace = namespace
        self._files: dict[str, list[str]] = {}  # of a cell's text: the names under which it is kept
        self._code: dict[str, list[ref[CodeType]]] = {}  # by such a name
        namespace[TOOLS] = self.tools = Tools(namespace)

    def prepare(self, cell: int, code: str) -> tuple[Prepared, str]:
        """Return a cell as Python, and the name of the file that it is. Raises SyntaxError, and Invalid for a magic."""
        filename = self._remember(cell, code)
        return prepare(code, filename), filename

    async def run(self, cell: int, code: str, cause: str = "") -> CellOutcome:
        """Run a cell, in which top-level await is allowed. Its errors pass through. Its changes keep the `cause`."""
        return await self.run_prepared(cell, *self.prepare(cell, code), cause)

    async def run_prepared(self, cell: int, prepared: Prepared, filename: str, cause: str = "") -> CellOutcome:
        RUNNING.set(cell)
        CAUSE.set(cause)
        parts = compile_cell(prepared, filename)
        self._code[filename] = [ref(code) for part in parts for code in _codes_in(part)]
        started = time.perf_counter()
        value: Any = None
        try:
            with self.tools.timing() if prepared.timed else nullcontext():
                for part in parts:
                    value = eval(part, self.namespace)  # the user's own code, run at the user's request
                    if part.co_flags & inspect.CO_COROUTINE:
                        value = await value
        finally:
            show_figures()
        return CellOutcome(self._show(value), (time.perf_counter() - started) * 1000)

    def _show(self, value: object) -> MimeBundle | None:
        if value is None:
            return None
        self.namespace["_"] = value
        if shows_itself(value):
            display(value)
            return None
        return make_bundle(value)

    def _remember(self, cell: int, code: str) -> str:
        """Return a new filename for a cell, and register its source under it."""
        files = self._files[code] = [each for each in self._files.get(code, []) if not self._forget(each)]
        filename, again = f"<cell {cell}>", 1
        while filename in self._code:
            again += 1
            filename = f"<cell {cell}.{again}>"
        files.append(filename)
        self._code[filename] = []
        keep_source(filename, code)
        return filename

    def _forget(self, filename: str) -> bool:
        """Forget a text that is about to be kept once more, unless something of that run is still there."""
        if any(code() is not None for code in self._code[filename]):
            return False
        del self._code[filename]
        forget_source(filename)
        return True


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes_in(each)


def compile_cell(prepared: Prepared, filename: str) -> list[CodeType]:
    """Compile the statements, and separately the last expression, which is the cell's value (unless `;` ends it)."""
    tree = ast.Module([*prepared.tree.body], [])
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not _ends_silent(prepared.code):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]  # it is the Expr just looked at
    parts: list[tuple[Any, str]] = [(tree, "exec")] if tree.body else []
    if last is not None:
        parts.append((last, "eval"))
    return [compile(part, filename, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True) for part, mode in parts]


def cell_of(error: BaseException) -> int:
    """Return the number of the cell whose code raised this error (0: none)."""
    trace = error.__traceback__
    found = 0
    while trace is not None:
        match = re.match(r"<cell (\d+)", trace.tb_frame.f_code.co_filename)
        found = int(match[1]) if match else found
        trace = trace.tb_next
    return found


def _ends_silent(code: str) -> bool:
    lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and lines[-1].rstrip().endswith(";")
