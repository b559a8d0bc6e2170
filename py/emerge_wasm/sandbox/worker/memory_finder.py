"""Imports modules whose files were kept in memory, and says of any other module why it is missing and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source, spec_from_file_location
from types import ModuleType

from ...bundles.absent_module import ADDED, absence
from .memory_files import MemoryFiles, compiled_from


class MemoryFinder:
    """An import finder for `sys.meta_path`, the last one.

    `installed` are the top-level modules that are there for the node, whether they were loaded or not. `prepare` is
    called with every module after its import.
    """

    find_distributions = staticmethod(PathFinder.find_distributions)  # reads by functions that know the kept files

    def __init__(
        self,
        files: MemoryFiles,
        paths: Sequence[str],
        installed: frozenset[str],
        prepare: Callable[[ModuleType], None],
    ) -> None:
        self._files = files
        self._paths = paths
        self._installed = installed
        self._prepare = prepare

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        last = name.rpartition(".")[2]
        for folder in self._paths if path is None else path:
            for file in (os.path.join(folder, last, "__init__.py"), os.path.join(folder, f"{last}.py")):
                if file in self._files or cache_from_source(file) in self._files:
                    return spec_from_file_location(name, file, loader=_Loader(name, file, self._files, self._prepare))
        if sys._getframe(2).f_globals.get("__name__") == "importlib.util":  # find_spec only checks for the module
            return None
        if path is not None and name not in ADDED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        raise absence(name, sandbox=True, installed=name.partition(".")[0] in self._installed)


class _Loader(SourceFileLoader):
    """Loads a module from memory: from its compiled form, or else its text."""

    def __init__(self, name: str, path: str, files: MemoryFiles, prepare: Callable[[ModuleType], None]) -> None:
        super().__init__(name, path)
        self._files = files
        self._prepare = prepare

    def path_stats(self, path: str) -> dict[str, int]:
        compiled = cache_from_source(path)
        if compiled not in self._files:
            raise OSError(f"{path} has no compiled form here")
        return compiled_from(self._files.read(compiled)[:16])

    def get_data(self, path: str) -> bytes:
        key = self._files.find(path)
        if key is None or key not in self._files:
            raise OSError(f"{path} was not kept")
        return self._files.read(key)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._prepare(module)


def installed_modules(paths: Sequence[str]) -> frozenset[str]:
    """Return the names of the top-level modules in these folders, without importing any."""
    found: set[str] = set()
    for path in paths:
        try:
            names = os.listdir(path)
        except OSError:
            continue
        found.update(name.partition(".")[0] for name in names if not name.endswith((".dist-info", ".egg-info", ".pth")))
    return frozenset(found)
