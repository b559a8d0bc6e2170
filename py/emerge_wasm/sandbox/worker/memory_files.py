"""Files that a confined worker can still read: the zygote reads them before it forks, and all workers share the memory.

Only for what a worker's code may know anyway: modules, time zones, data files of packages. Must be used before the
process is confined. What a worker writes into these bytes changes its own copy alone.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import mmap
import os
import stat
from collections.abc import Callable, Container, Iterator
from importlib.util import cache_from_source
from types import TracebackType

LARGE = 1 << 18
"""Files from this size on are mapped, which takes no memory; smaller ones are read, which leaves no mapping to fork."""
_LEFT_OUT = (".so", ".pyc", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".hpp", ".c", ".cc", ".cpp", ".a", ".o")
"""Ends of names that nothing reads in a worker; a module's compiled form is kept by `_add_module`."""


class MemoryFiles:
    """Files and folders by absolute path."""

    def __init__(self) -> None:
        self._files: dict[str, bytes | mmap.mmap] = {}
        self._folders: dict[str, set[str]] = {}
        self._whole: list[str] = []
        self.serving = False
        """Whether the functions answer from here: not before all files are kept."""

    # --- before confinement
    def add_tree(self, folder: str, skip: Container[str] = frozenset()) -> None:
        """Keep all files below a folder, except folders with these names and what nothing reads in a worker."""
        for where, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in skip and name != "__pycache__"]
            self._folders[where] = {*folders, *names}
            for name in names:
                path = os.path.join(where, name)
                if name.endswith(".py"):
                    self._add_module(path)
                elif not name.endswith(_LEFT_OUT) and ".so." not in name:
                    self.add(path)

    def add_absence(self, folder: str) -> None:
        """Have what is below a folder, and is not kept, be missing: code looks for files there that need not exist."""
        self._whole.append(os.path.join(folder, ""))

    def add_name(self, path: str) -> None:
        """Have the folder above a path show its name, which `importlib.metadata` looks for."""
        self._folders.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))

    def _add_module(self, path: str) -> None:
        """Keep a module's compiled form when it belongs to its text, else its text."""
        compiled = cache_from_source(path)
        if self.add(compiled):
            about, now = compiled_from(self._files[compiled]), os.stat(path)
            if about == {"mtime": int(now.st_mtime) & 0xFFFFFFFF, "size": now.st_size & 0xFFFFFFFF}:
                return
            del self._files[compiled]
        self.add(path)

    def add(self, path: str) -> bool:
        """Keep one file. Return False when it cannot be read."""
        try:
            with io.FileIO(path) as file:
                size = os.fstat(file.fileno()).st_size
                self._files[path] = (
                    mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ)
                    if size >= LARGE
                    else file.readall()
                )
        except (OSError, ValueError):
            return False
        self.add_name(path)
        return True

    # --- in the worker
    def find(self, path: object) -> str | None:
        """Return the key of a file or folder that is kept, else None."""
        if not self.serving or not isinstance(path, str | os.PathLike):
            return None
        key = os.path.normpath(os.fspath(path))
        return key if key in self._files or key in self._folders or self._listed(key) else None

    def _check_absence(self, path: object) -> None:
        """Raise FileNotFoundError for a path that is below a folder of which all is known."""
        if self.serving and isinstance(path, str | os.PathLike):
            key = os.path.normpath(os.fspath(path))
            if any(key.startswith(folder) for folder in self._whole):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)

    def _listed(self, key: str) -> bool:
        """Whether a name is known whose bytes nothing reads, such as a module's whose compiled form is kept."""
        folder, name = os.path.split(key)
        return name in self._folders.get(folder, ())

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def install(self) -> None:
        """Have `open`, `os.stat`, `os.listdir` and `os.scandir` answer for what is kept, once it is being served."""
        replaced = {
            "stat": self._answering(os.stat, self.status),
            "lstat": self._answering(os.lstat, self.status),
            "listdir": self._answering(os.listdir, self.names),
            "scandir": self._answering(os.scandir, self.entries),
        }
        vars(os).update(replaced)
        vars(builtins)["open"] = vars(io)["open"] = self._opening(io.open)

    def _answering(self, function: Callable[..., object], answer: Callable[[str], object]) -> Callable[..., object]:
        @functools.wraps(function)
        def call(path: object = ".", *args: object, **kwargs: object) -> object:
            key = self.find(path)
            if key is not None:
                return answer(key)
            self._check_absence(path)
            return function(path, *args, **kwargs)

        return call

    def _opening(self, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def call(
            file: object,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Callable[[str, int], int] | None = None,
        ) -> object:
            key = self.find(file)
            if key is None and not set(mode) & set("wax+"):
                self._check_absence(file)
            if key not in self._files or set(mode) & set("wax+"):
                return function(file, mode, buffering, encoding, errors, newline, closefd, opener)
            kept = _KeptFile(self._files[key], key)
            return kept if "b" in mode else io.TextIOWrapper(kept, encoding, errors, newline)

        return call

    def read(self, key: str) -> bytes:
        """Return the bytes of a file that is kept. Raises KeyError otherwise."""
        return bytes(self._files[key])

    def names(self, key: str) -> list[str]:
        """Return the names in a folder that is kept. Raises KeyError otherwise."""
        return sorted(self._folders[key])

    def status(self, key: str) -> os.stat_result:
        """Return what `os.stat` says of a file or folder that is kept: its kind and size; the rest is made up."""
        kind = stat.S_IFDIR | 0o555 if key in self._folders else stat.S_IFREG | 0o444
        return os.stat_result((kind, 0, 0, 1, 0, 0, len(self._files.get(key, b"")), 0, 0, 0))

    def entries(self, key: str) -> KeptEntries:
        """Return what `os.scandir` gives for a folder that is kept. Raises KeyError otherwise."""
        return KeptEntries([KeptEntry(key, name, self) for name in self.names(key)])


KEPT = MemoryFiles()
"""The files of this process."""


class KeptEntry:
    """What `os.scandir` tells of a name, as `os.DirEntry` does."""

    def __init__(self, folder: str, name: str, files: MemoryFiles) -> None:
        self.name = name
        self.path = os.path.join(folder, name)
        self._status = files.status(self.path)

    def __fspath__(self) -> str:
        return self.path

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return self._status

    def inode(self) -> int:
        return 0

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self._status.st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self.is_dir()

    def is_symlink(self) -> bool:
        return False

    def is_junction(self) -> bool:
        return False


class KeptEntries:
    """An iterator that can be closed, as `os.scandir` returns."""

    def __init__(self, entries: list[KeptEntry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[KeptEntry]:
        return self._entries

    def __next__(self) -> KeptEntry:
        return next(self._entries)

    def __enter__(self) -> KeptEntries:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


class _KeptFile(io.BytesIO):
    """A file that is kept, open for reading."""

    def __init__(self, data: bytes | mmap.mmap, name: str) -> None:
        super().__init__(data)
        self.name = name


def compiled_from(data: bytes | mmap.mmap) -> dict[str, int]:
    """Return the time and size of the text that a compiled module was made from, as its head says; {} for one that is
    checked otherwise."""
    if len(data) < 16 or int.from_bytes(data[4:8], "little"):
        return {}
    return {"mtime": int.from_bytes(data[8:12], "little"), "size": int.from_bytes(data[12:16], "little")}
