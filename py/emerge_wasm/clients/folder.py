"""The client's operations on folders of this machine: a whole tree of files there, and back.

Small files go and come by the hundred in one call; each other one by blocks, as with `put` and `fetch`.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .. import sync
from ..blocks.block import BLOCK_SIZE, INLINE_SIZE
from ..blocks.chunker import Chunking
from ..codec import decode
from ..errors import Invalid, LimitExceeded
from ..objects import BLOB, Pointer
from ..operations import Operations
from ..paths import check_name, child_path, join_path, split_path
from ..results import ObjectPage, ObjectRow, TreeReport
from .file_writer import InlineFile, inline_file
from .files import FileOperations, LocalPath, bytes_of
from .pointer_reads import PAGE, AsOf, moment_text
from .remote import ending
from .transfer import OnProgress
from .writes import BATCH, BATCH_BYTES


class LocalFile(NamedTuple):
    """A file of a folder, with its path below it."""

    source: Path
    below: str
    size: int


class FolderOperations(FileOperations):
    """The operations on folders."""

    async def puttree(
        self,
        source: LocalPath,
        path: str,
        *,
        raid: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
        progress: OnProgress | None = None,
    ) -> TreeReport:
        """Store all files of a folder of this machine below a path: {"path", "files", "bytes", "skipped": []}.

        A path that ends with a slash is a directory, in which the folder keeps its name. What cannot be stored (a
        socket, a name that is none) is told before anything is sent. Files that are there get another version; one that
        is not in the folder stays. It is no single commit: when it fails, some files are stored, each as a whole.
        """
        folder = Path(source)
        top = _top(folder, path)
        files, empty = _read_folder(folder)
        report: TreeReport = {"path": top, "files": 0, "bytes": 0, "skipped": []}
        sending = _Batches(self.remote)
        try:
            for each in files:
                small = each.size <= INLINE_SIZE and not raid
                data = _read_small(each.source) if small else None
                if data is not None:
                    await sending.add(inline_file(child_path(top, each.below), data, 0, perms), len(data))
                    size = len(data)
                else:
                    where = child_path(top, each.below)
                    put = await self.put(
                        each.source, where, raid=raid, perms=perms, chunking=chunking, block_size=block_size
                    )
                    size = put.size
                report["files"] += 1
                report["bytes"] += size
                if progress is not None:
                    progress(report["bytes"])
            await sending.end()
        finally:
            await sending.stop()
        for below in empty:
            await self.remote.mkdir(child_path(top, below) if below else top)
        return report

    async def fetchtree(
        self,
        path: str,
        target: LocalPath,
        *,
        as_of: AsOf = None,
        progress: OnProgress | None = None,
    ) -> TreeReport:
        """Write all files below a directory to a folder of this machine, which is made if it is not there: {"path",
        "files", "bytes", "skipped": [paths of objects that have no bytes]}.

        Objects with bytes or text in `data` are files too. No code is run for it.
        """
        top = await self.get(path, as_of=as_of)
        if not top.is_directory:
            raise Invalid(f"{path} is no directory", path=path, remedy="fetch the file")
        root = top.full_path
        report: TreeReport = {"path": root, "files": 0, "bytes": 0, "skipped": []}
        async with ending(self.tree(path, as_of)) as pointers:
            directories = [root, *[each.full_path async for each in pointers if each.is_directory]]
        for directory in directories:
            folder = _folder_for(Path(target), directory, root)
            async with ending(self._rows(directory, moment_text(as_of))) as rows:
                async for row in rows:
                    await self._fetch_row(row, folder, as_of, report)
                    if progress is not None:
                        progress(report["bytes"])
        return report

    async def _fetch_row(self, row: ObjectRow, folder: Path, as_of: AsOf, report: TreeReport) -> None:
        pointer, fields = Pointer.from_wire(row["pointer"]), decode(row["state"])
        content = fields.get("content") if pointer.type == BLOB else None
        data = content if isinstance(content, bytes) else bytes_of(fields.get("data"))
        name = _local_name(pointer)
        if data is not None:
            _write_small(folder, name, data)
            size = len(data)
        elif pointer.type == BLOB:
            size = await self.fetch(pointer.full_path, folder / name, as_of=as_of)
        else:
            report["skipped"].append(pointer.full_path)
            return
        report["files"] += 1
        report["bytes"] += size

    async def _rows(self, directory: str, moment: str) -> AsyncIterator[ObjectRow]:
        """Yield the objects of a directory, a page of them ahead."""
        page: ObjectPage | None = await self.remote.objects(directory, "", PAGE, moment)
        while page is not None:
            following = self.remote.objects(directory, page["cursor"], PAGE, moment) if page["cursor"] else None
            ahead = asyncio.ensure_future(following) if following and sync.drive is not sync.run_straight else None
            try:
                for row in page["objects"]:
                    yield row
                page = await (ahead or following) if following else None
            finally:
                if ahead is not None:
                    ahead.cancel()


class _Batches:
    """Stores small files by the batch, one batch on its way while the next is read."""

    def __init__(self, remote: Operations) -> None:
        self._remote = remote
        self._rows: list[InlineFile] = []
        self._size = 0
        self._sending: asyncio.Task[None] | None = None

    async def add(self, row: InlineFile, size: int) -> None:
        self._rows.append(row)
        self._size += size
        if len(self._rows) == BATCH or self._size > BATCH_BYTES:
            await self._begin()

    async def end(self) -> None:
        """Send what is left."""
        if self._rows:
            await self._begin()
        await self._sent()

    async def stop(self) -> None:
        """Drop what is on its way, if anything is."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending

    async def _begin(self) -> None:
        await self._sent()
        rows, self._rows, self._size = self._rows, [], 0
        work = self._store(rows)
        if sync.drive is sync.run_straight:
            await work
        else:
            self._sending = asyncio.ensure_future(work)

    async def _store(self, rows: list[InlineFile]) -> None:
        try:
            await self._remote.storeall([list(row) for row in rows])
        except LimitExceeded as error:  # a store of smaller commits
            if error.details.get("limit") != "largest_batch" or len(rows) == 1:
                raise
            half = len(rows) // 2
            await self._store(rows[:half])
            await self._store(rows[half:])

    async def _sent(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending


def _top(folder: Path, path: str) -> str:
    name = folder.resolve().name if path.endswith("/") else ""
    return child_path(join_path(*split_path(path)), name) if name else path


def _read_folder(folder: Path) -> tuple[list[LocalFile], list[str]]:
    """Return the files of a folder in order, and the folders in it that hold nothing, by their paths below it.

    Raises:
        Invalid: something in it cannot be stored, or read.
    """
    files: list[LocalFile] = []
    empty: list[str] = []
    pending = [("", folder)]
    while pending:
        below, path = pending.pop()
        names: dict[str, str] = {}
        for name, entry in _entries(path):
            if other := names.get(name):
                raise Invalid(f"{entry.path} and {other} have the same name in Unicode's NFC", remedy="rename one")
            names[name] = entry.path
            inner = f"{below}/{name}" if below else name
            if entry.is_dir(follow_symlinks=False):
                pending.append((inner, Path(entry.path)))
            else:
                files.append(LocalFile(Path(entry.path), inner, _size_of(entry)))
        if not names:
            empty.append(below)
    return files, empty


def _entries(path: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what a folder holds, by name, with the names that it is to have."""
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from None
    for entry in entries:
        try:
            yield check_name(entry.name), entry
        except Invalid as error:
            raise Invalid(
                f"{os.fsencode(entry.path)!r}: {error.message}", remedy="rename it, or move it away"
            ) from None


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        found = entry.stat()
    except OSError as error:
        raise Invalid(f"{entry.path} cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a link to a folder" if stat.S_ISDIR(found.st_mode) else "neither a file nor a folder"
        raise Invalid(f"{entry.path} is {what}, which cannot be stored", remedy="move it away, or put the rest")
    return found.st_size


def _read_small(path: Path) -> bytes | None:
    """Return the bytes of a file; None if it has grown meanwhile."""
    try:
        with path.open("rb", buffering=0) as file:
            data = file.read(INLINE_SIZE + 1) or b""
            return data if len(data) <= INLINE_SIZE else None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from None


def _folder_for(target: Path, directory: str, root: str) -> Path:
    """Make the folder for a directory below the root."""
    names = split_path(directory)[len(split_path(root)) :]
    folder = target.joinpath(*names)
    if folder.parts[len(target.parts) :] != names:
        raise Invalid(f"{directory} has a name that this machine's files cannot have", path=directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"{folder} cannot be made: {error.strerror or error}") from None
    return folder


def _local_name(pointer: Pointer) -> str:
    if Path(pointer.name).parts != (pointer.name,):
        path = pointer.full_path
        raise Invalid(
            f"{path} has a name that this machine's files cannot have", path=path, remedy="fetch it by itself"
        )
    return pointer.name


def _write_small(folder: Path, name: str, data: bytes) -> None:
    part = folder / f".{os.urandom(8).hex()}.part"  # no name of a file that comes
    try:
        with part.open("wb", buffering=0) as file:
            file.write(data)
        part.replace(folder / name)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise Invalid(f"{folder / name} cannot be written: {error.strerror or error}") from None
