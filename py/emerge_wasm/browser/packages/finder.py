"""Loads packages at the `import` itself, also deep inside a function, where this browser's Python can wait (JSPI)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from ..library import LOOKING
from .loader import PackageLoader


class PackageFinder:
    """Finds modules of packages that the catalogue has, by loading them, while a cell runs (`is_running`). It comes
    after Python's own finders."""

    def __init__(self, loader: PackageLoader, is_running: Callable[[], bool]) -> None:
        self._loader = loader
        self._is_running = is_running
        self._under_way: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or "." in fullname or fullname in self._under_way or LOOKING.get():
            return None
        if not self._is_running() or not self._loader.offers(fullname):
            return None
        from pyodide.ffi import can_run_sync, run_sync

        if not can_run_sync():
            return None
        self._under_way.add(fullname)
        try:
            run_sync(self._loader.load([fullname]))
        finally:
            self._under_way.discard(fullname)
        return PathFinder.find_spec(fullname)

    def install(self) -> None:
        sys.meta_path.append(self)
