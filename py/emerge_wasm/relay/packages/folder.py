"""A folder of wheels, looked at again whenever it is asked: what was not changed since is not read again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from packaging.utils import canonicalize_name

from ...errors import Unavailable
from .locked import LockEntry, file_name, lock_entries
from .package_file import PackageFile
from .wheel import BrowserPython, WheelContents, WheelName, parse_wheel, read_wheel

log = logging.getLogger("emerge.relay.packages")

LOCK = "pyodide-lock.json"
PACKED = ".gz"
"""The form that the wheels of an installed page have."""

Stamp = tuple[int, ...]


class FolderWheel(NamedTuple):
    """A wheel that is in a folder."""

    path: Path
    parsed: WheelName
    file: PackageFile
    contents: WheelContents


class WheelFolder:
    """The wheels of one folder that a browser can use."""

    def __init__(self, path: Path, python: BrowserPython) -> None:
        self.path = path
        self._python = python
        self._tags = python.tags()
        self._seen: dict[str, tuple[Stamp, FolderWheel | str]] = {}

    def locked(self) -> dict[str, LockEntry]:
        """The packages of a Pyodide's distribution, if its lock file is there, whose files are there too. Blocks.

        Raises:
            Unavailable: it is of another Pyodide.
        """
        lock = read_lock(self.path)
        entries = lock_entries(lock, self._python) if lock is not None else {}
        return {name: entry for name, entry in entries.items() if (self.path / file_name(entry)).is_file()}

    def wheels(self) -> list[FolderWheel]:
        """All others, newest version first. Blocks: the folder is read, and what is new in it."""
        found: dict[str, tuple[Stamp, FolderWheel | str]] = {}
        try:
            entries = list(os.scandir(self.path))
        except OSError as error:
            log.warning("the wheels in %s cannot be read: %s", self.path, error)
            return []
        for entry in entries:
            name = entry.name.removesuffix(PACKED)
            if not name.endswith(".whl"):
                continue
            try:
                stamp = _stamp(entry.stat())
                known = self._seen.get(entry.name)
                found[entry.name] = known if known and known[0] == stamp else (stamp, self._read(name, Path(entry)))
            except OSError as error:  # it is being moved or written
                log.warning("%s cannot be read: %s", entry.path, error)
        self._seen = found
        unique = {wheel.file.sha256: wheel for _, wheel in found.values() if isinstance(wheel, FolderWheel)}
        try:
            locked = {str(entry["sha256"]) for entry in self.locked().values()}
        except Unavailable:
            locked = set()
        unique = {sha256: wheel for sha256, wheel in unique.items() if sha256 not in locked}
        return sorted(unique.values(), key=lambda wheel: wheel.parsed.version, reverse=True)

    def left_out(self) -> dict[str, str]:
        """The wheels that no browser can use, as `wheels` found them: by package, which file it is and why."""
        return {
            canonicalize_name(name.partition("-")[0]): f"{name.removesuffix(PACKED)}, which {why}"
            for name, (_, why) in sorted(self._seen.items())
            if isinstance(why, str)
        }

    def read(self, path: Path, sha256: str) -> bytes | None:
        """The bytes of a file; None when it is not what it was."""
        try:
            with open_packed(path) as file:
                data = file.read()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def _read(self, name: str, path: Path) -> FolderWheel | str:
        """Look into a file; why no browser can use it, and a line in the log, when that is so."""
        parsed = parse_wheel(name)
        if parsed is None or not parsed.tags & self._tags:
            return self._leave(
                path, "has not the name of a wheel" if parsed is None else "is for another Python or machine"
            )
        with open_packed(path) as file:
            data = file.read()
        try:
            contents = read_wheel(io.BytesIO(data))
        except ValueError as error:
            return self._leave(path, f"is broken ({error})")
        file_info = PackageFile(
            filename=name,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            requires_python=contents.requires_python,
            metadata=hashlib.sha256(contents.metadata).hexdigest(),
        )
        return FolderWheel(path, parsed, file_info, contents)

    def _leave(self, path: Path, why: str) -> str:
        log.warning("%s is left out: it %s", path, why)
        return why


def open_packed(path: Path) -> BinaryIO:
    """Open a file, or what is packed in it."""
    return gzip.open(path) if path.suffix == PACKED else path.open("rb")  # type: ignore[return-value]  # as a binary file


def read_lock(folder: Path) -> dict[str, object] | None:
    """The lock file of a Pyodide in a folder; None without one."""
    for name in (LOCK, LOCK + PACKED):
        try:
            with open_packed(folder / name) as file:
                found = json.load(file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", folder / name, error)
            continue
        return found if isinstance(found, dict) else None
    return None


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_mtime_ns, found.st_size, found.st_ino)
