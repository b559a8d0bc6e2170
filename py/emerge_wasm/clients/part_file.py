"""A file of this machine while it is fetched: `NAME.part`, with a journal of the blocks in it.

The next one to the same place goes on from it. The journal (`NAME.part.journal`) is text: a line with the root of the
file's block map and its size, then a line for each block that was verified and written. It is not believed: each block
is verified again before it counts. What came of another version is `NAME.part.old`, from which blocks that both have
are copied. All of them are gone once the file is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from ..blocks.block import LARGEST_BLOCK, block_name
from ..blocks.block_map import BlockRow
from ..errors import Conflict, Invalid

HEAD, HERE, OLD = "emerge-part", "here", "old"
"""The first words of the journal's lines: its own, that of a block in the part, and of one in the older part."""


class PlacedBlock(NamedTuple):
    """Where a block is in a file, and its size."""

    offset: int
    size: int


class PartFile:
    """The part of a file that is to be at `goal`, and that has this root and size. Opened by one at a time.

    Raises:
        Conflict: another one fetches to the same goal now.
        Invalid: it cannot be written.
    """

    def __init__(self, goal: Path, root: bytes, size: int) -> None:
        self.goal = goal
        self.path, self._old_path, self._journal_path = leftovers(goal)
        self._head = f"{HEAD} {root.hex()} {size}"
        self._size = size
        self._here: dict[bytes, PlacedBlock] = {}
        self._old: dict[bytes, PlacedBlock] = {}
        try:
            self._journal = _locked(self._journal_path)
            self._read_journal()
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
            self._old_file = self._old_path.open("rb") if self._old else None
        except OSError as error:
            raise not_writable(goal, error) from None

    @property
    def is_empty(self) -> bool:
        """Whether nothing that could be gone on with is in it."""
        return not (self._here or self._old)

    def recall(self, offset: int, row: BlockRow) -> bool:
        """Whether a block is in its place already, or could be copied there from what came before."""
        name = row.name
        kept = self._here.get(name)
        if kept is not None and (data := _read(self._file, kept, name)) is not None:
            if kept.offset != offset:
                self._write(offset, data)
            return True
        kept = self._old.get(name)
        if kept is not None and self._old_file is not None and (data := _read(self._old_file, kept, name)) is not None:
            self.write(offset, row, data)
            return True
        return False

    def write(self, offset: int, row: BlockRow, data: bytes) -> None:
        """Add a verified block."""
        self._write(offset, data)
        self._here[row.name] = PlacedBlock(offset, len(data))
        self._note(HERE, row.name, self._here[row.name])

    def finish(self) -> None:
        """Make it the file: all of it was written."""
        self._file.truncate(self._size)
        self._close()
        self.path.replace(self.goal)
        remove_leftovers(self.goal)
        self._journal.close()

    def leave(self) -> None:
        """Close it, for another one to go on with."""
        self._close()
        if self.is_empty:
            remove_leftovers(self.goal)
        self._journal.close()

    def _close(self) -> None:
        self._file.close()
        if self._old_file is not None:
            self._old_file.close()

    def _write(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)
        self._file.flush()  # before the journal says so

    def _note(self, what: str, name: bytes, kept: PlacedBlock) -> None:
        self._journal.write(f"{what} {kept.offset} {kept.size} {name.hex()}\n".encode())
        self._journal.flush()

    # --- what was there before
    def _read_journal(self) -> None:
        """Take over what came before; what is of another version becomes the older part."""
        self._journal.seek(0)
        lines = self._journal.read().decode("ascii", "replace").splitlines()
        rows = dict(_rows(lines[1:]))
        here = {name: kept for (what, name), kept in rows.items() if what == HERE and self.path.exists()}
        old = {name: kept for (what, name), kept in rows.items() if what == OLD and self._old_path.exists()}
        if lines[:1] == [self._head]:
            self._here, self._old = here, old
        elif here:
            self.path.replace(self._old_path)
            self._old = here
        else:
            self._old = old
        self._journal.seek(0)
        self._journal.truncate()
        self._journal.write(f"{self._head}\n".encode())
        for what, kept in ((HERE, self._here), (OLD, self._old)):
            for name, each in kept.items():
                self._note(what, name, each)


def leftovers(goal: Path) -> tuple[Path, Path, Path]:
    """Return what a fetch that was cut off leaves beside its target: part, part of an older version, journal."""
    names = (f"{goal.name}.part", f"{goal.name}.part.old", f"{goal.name}.part.journal")
    return goal.with_name(names[0]), goal.with_name(names[1]), goal.with_name(names[2])


def not_writable(path: Path, error: OSError) -> Invalid:
    return Invalid(f"{path} cannot be written: {error.strerror or error}", remedy="give another target")


def remove_leftovers(goal: Path) -> None:
    """Remove what an earlier fetch to the same target left."""
    for path in leftovers(goal):
        with suppress(OSError):
            path.unlink()


def _rows(lines: list[str]) -> Iterator[tuple[tuple[str, bytes], PlacedBlock]]:
    """Yield what the lines of a journal say; the last may be cut off."""
    for line in lines:
        with suppress(ValueError):
            what, offset, size, name = line.split(" ")
            kept = PlacedBlock(int(offset), int(size))
            if kept.offset >= 0 and 0 < kept.size <= LARGEST_BLOCK:
                yield (what, bytes.fromhex(name)), kept


def _read(file: IO[bytes], kept: PlacedBlock, name: bytes) -> bytes | None:
    """Return a block from a file, if it is there and right."""
    file.seek(kept.offset)
    data = file.read(kept.size)
    return data if block_name(data) == name else None


def _locked(path: Path) -> IO[bytes]:
    """Open a journal that nobody else has open. Raises Conflict."""
    while True:
        file = path.open("a+b")
        try:
            import fcntl
        except ImportError:  # where files cannot be locked: Windows, a browser
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            goal = path.name.removesuffix(".part.journal")
            raise Conflict(f"{goal} is being fetched already", remedy="wait for that, or give another target") from None
        except OSError:  # a filesystem that has no locks
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # whoever had it was done with it meanwhile
