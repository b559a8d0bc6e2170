"""A disk that is really full: a small file system in memory, mounted where a test wants it. Linux, and root, only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FREE = 3 << 20  # bytes for the engine's own files and what is stored, before it is full
_BALLAST = 8 << 20


class Disk:
    """A folder with little room. What is in the way is a file, which `make_room` removes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _BALLAST)

    def make_room(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk at this (empty) folder, filled but for FREE bytes; gone in the end.

    Skips the test where nothing can be mounted: those with RLIMIT_FSIZE run everywhere.
    """
    size = f"size={FREE + _BALLAST}"
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True)
        mounted = not done.returncode
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here: that takes root on Linux")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # at once, whoever still has a file open
