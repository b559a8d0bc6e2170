"""A class whose methods import, and use what a sandbox has not."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from emerge_wasm.objects import EmergeFile


@dataclass
class Importer(EmergeFile):
    """Imports by name."""

    def fail_to_import(self, names: list[str]) -> dict[str, str]:
        failed = {}
        for name in names:
            try:
                importlib.import_module(name)
            except BaseException as error:
                failed[name] = f"{type(error).__name__}: {error}"
        return failed

    def use(self, uses: list[str]) -> dict[str, str]:
        """Run expressions whose first word is a module; return what each raised."""
        raised = {}
        for use in uses:
            module = use.partition("(")[0].rpartition(".")[0]
            scope = {module.partition(".")[0]: importlib.import_module(module.partition(".")[0])}
            try:
                if "." in module:
                    importlib.import_module(module)
                raised[use] = repr(eval(use, scope))
            except Exception as error:
                raised[use] = f"{type(error).__name__}: {error}"
        return raised

    def guarded(self) -> str:
        try:
            import no_such_module_anywhere
        except ImportError:
            return "without it"
        return str(no_such_module_anywhere)

    def compute(self) -> dict[str, Any]:
        import encodings.cp1140  # noqa: F401 - a codec is imported by its name
        import importlib.metadata
        import importlib.resources
        import locale
        import selectors
        import sqlite3
        import tempfile
        import time
        import tomllib
        import wave  # noqa: F401 - it is there

        database = sqlite3.connect(":memory:")
        database.execute("create table t (a)")
        database.execute("insert into t values (3)")
        with tempfile.SpooledTemporaryFile(max_size=100) as spooled:
            spooled.write(b"in memory")
        return {
            "zone": datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).isoformat(),
            "zones": len(available_timezones()) > 300,
            "sqlite3": database.execute("select a from t").fetchall(),
            "tomllib": tomllib.loads("a = 1"),
            "selector": selectors.DefaultSelector().select(0),
            "encoding": locale.getpreferredencoding().lower(),
            "strptime": list(time.strptime("3 Feb 2024", "%d %b %Y")[:3]),
            "codecs": ["A".encode(name).hex() for name in ("cp1140", "utf-16-le", "shift_jis", "gb18030")],
            "resource": importlib.resources.files("email").joinpath("architecture.rst").read_text()[:2],
        }

    def read(self, path: str, how: str) -> str:
        import os
        import pathlib

        ways = {
            "open": lambda: open(path).read(),
            "bytes": lambda: open(path, "rb").read(4).hex(),
            "pathlib": lambda: pathlib.Path(path).read_text(),
            "list": lambda: str(os.listdir(path)),
            "walk": lambda: str([names for _, _, names in os.walk(path)]),
            "stat": lambda: str(os.stat(path).st_size),
            "write": lambda: str(open(path, "w")),
        }
        try:
            return ways[how]()
        except OSError as error:
            return f"{type(error).__name__}: {error}"

    def ask(self, paths: list[str]) -> dict[str, bool]:
        """What os.path and pathlib say of paths, by question and module."""
        import os
        import pathlib

        told = {}
        for path in paths:
            for name in ("exists", "is_file", "is_dir", "is_symlink", "is_mount", "is_fifo", "is_socket"):
                told[f"{name} pathlib {path}"] = getattr(pathlib.Path(path), name)()
            for name in ("exists", "isfile", "isdir", "islink"):
                told[f"{name.replace('isf', 'is_f')} os.path {path}"] = getattr(os.path, name)(path)
        return told

    def overwrite(self, path: str, text: str) -> str:
        """Write into the memory that all workers were forked with."""
        import ctypes

        from emerge_wasm.sandbox.worker.memory_files import KEPT

        data = KEPT._files[path]  # private: where the bytes are that must not be shared
        if isinstance(data, bytes):
            ctypes.memmove(id(data) + bytes.__basicsize__ - 1, text.encode(), len(text))
        return KEPT.read(path)[: len(text)].decode()

    def kept(self, path: str, size: int) -> str:
        from emerge_wasm.sandbox.worker.memory_files import KEPT

        return KEPT.read(path)[:size].decode(errors="replace")
