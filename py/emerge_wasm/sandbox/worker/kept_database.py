"""Keeps databases in memory that a package's own SQLite library reads: PROJ's, without which pyproj ends the process.

SQLite's file system in memory (`memdb`) finds databases by name, for all connections of a process; so the library finds
the kept copy where it would have opened the file. Only libraries that came with a package are changed, never the one of
Python's `sqlite3`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator

NAMES = frozenset({"proj.db"})
_READ_ONLY, _WRITE, _CREATE = 1, 2, 4


def keep_databases(folders: Iterable[str]) -> None:
    """Keep the databases of the packages in these folders whose SQLite library is loaded."""
    loaded = dict(_libraries())
    for folder in folders:
        library = loaded.get(f"{folder.rstrip('/')}.libs")
        if library is not None:
            sqlite = _SQLite(library)
            for path in _databases(folder):
                sqlite.keep(path)
            sqlite.prefer_memory()


def _libraries() -> Iterator[tuple[str, str]]:
    """Yield (folder, path) of the SQLite libraries that this process has loaded."""
    if sys.platform == "linux":
        with open("/proc/self/maps") as maps:
            for path in {line.split(maxsplit=5)[5].strip() for line in maps if "/libsqlite3" in line}:
                yield os.path.split(path)[0], path


def _databases(folder: str) -> Iterator[str]:
    for where, _, names in os.walk(folder):
        yield from (os.path.join(where, name) for name in names if name in NAMES)


class _SQLite:
    """A loaded SQLite library."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self._library.sqlite3_vfs_find.restype = ctypes.c_void_p
        self._library.sqlite3_backup_init.restype = ctypes.c_void_p

    def keep(self, path: str) -> None:
        """Copy a database into memory, under its own path. The copy stays as long as the process."""
        library = self._library
        file, copy = self._open(path, _READ_ONLY, None), self._open(path, _WRITE | _CREATE, b"memdb")
        work = ctypes.c_void_p(library.sqlite3_backup_init(copy, b"main", file, b"main"))
        library.sqlite3_backup_step(work, -1)
        if library.sqlite3_backup_finish(work) != 0:
            raise OSError(f"{path} cannot be kept in memory")
        library.sqlite3_close(file)

    def _open(self, path: str, flags: int, system: bytes | None) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        if self._library.sqlite3_open_v2(os.fsencode(path), ctypes.byref(handle), flags, system) != 0:
            raise OSError(f"{path} cannot be opened")
        return handle

    def prefer_memory(self) -> None:
        """Have this library look in memory for every database."""
        system = ctypes.c_void_p(self._library.sqlite3_vfs_find(b"memdb"))
        if system.value is not None:
            self._library.sqlite3_vfs_register(system, 1)
