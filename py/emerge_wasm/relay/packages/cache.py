"""A bounded folder of files by key: only whole ones, each written beside its place and renamed. Blocks for the disk."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

LEFT = ".part"  # the ending of what is being written


class FileCache:
    """Files of at most `limit` bytes together; those that were used longest ago go first. Keys are file names."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit

    def find(self, key: str) -> Path | None:
        """The file of a key, which counts as used now; None when there is none."""
        path = self.folder / key
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def begin(self) -> Path:
        """A name for a file that is being written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{secrets.token_hex(8)}{LEFT}"

    def keep(self, key: str, written: Path) -> Path:
        """Give a whole file its place, and let go of others if they are too many."""
        path = self.folder / key
        written.replace(path)
        self._shrink(path)
        return path

    def write(self, key: str, data: bytes) -> None:
        written = self.begin()
        try:
            written.write_bytes(data)
            self.keep(key, written)
        finally:
            written.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what was being written when a relay died."""
        for path in self.folder.glob(f"*{LEFT}"):
            path.unlink(missing_ok=True)

    def _shrink(self, fresh: Path) -> None:
        found: list[tuple[float, int, Path]] = []
        for entry in os.scandir(self.folder):
            with suppress(OSError):
                stat = entry.stat()
                if not entry.name.endswith(LEFT):
                    found.append((stat.st_mtime, stat.st_size, Path(entry)))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                return
            if path != fresh:
                path.unlink(missing_ok=True)
                total -= size
