"""Rows in a file of the relay's data folder that only its owner can read, written by whoever is alone with it.

The command line writes such files beside a running relay, which reads them again when they have changed. Only the
standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import Unavailable
from ..operations import Wire
from ..private_file import replace_private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class PrivateRows:
    """The rows of a JSON file, under the one key that it has: `what` they are."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        self.path = path
        self._what = what
        self._remedy = remedy
        self._read: tuple[int, ...] | None = None

    def stamp(self) -> tuple[int, ...] | None:
        """What is another when the file is; None where there is none."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self, take: Callable[[list[Wire]], None]) -> None:
        """Hand the rows to `take`, if they are others than it had.

        Raises:
            Unavailable: the file is no such file.
        """
        stamp = self.stamp()
        if stamp == self._read:
            return
        try:
            take(json.loads(self.path.read_text(encoding="utf-8"))[self._what] if stamp is not None else [])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise Unavailable(f"{self.path} cannot be read: {error}", remedy=self._remedy) from None
        self._read = stamp

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from writing the file between reading and writing it, where the system can.

        Raises:
            Unavailable: the folder cannot be written.
        """
        if fcntl is None:
            yield
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def write(self, rows: list[Wire]) -> None:
        """Put other rows in their place, whole or not at all.

        Raises:
            Unavailable: the folder cannot be written.
        """
        try:
            replace_private(self.path, json.dumps({self._what: rows}, indent=1).encode())
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> Unavailable:
        return Unavailable(f"{self._what} cannot be kept: {error}", remedy="give it a writable --dir")
