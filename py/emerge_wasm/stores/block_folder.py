"""Blocks in files of a folder, which is made when the first is put. Must not be imported in a browser.

A file is written under another name, flushed, and then given its own: so it is whole or not there. The folder belongs
to one process at a time, as the store beside it does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from typing import TypeVar

from ..errors import EmergeError, LimitExceeded, Unavailable
from .check import BLOCK_FILE, check_block_file

T = TypeVar("T")

FLUSHED_AT_ONCE, OPENED_AT_ONCE = 8, 32
"""Files of one call."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BlockFolder:
    """Files by name, in folders of 256 by the first two letters. Work on the disk is done in threads."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._own = f".{os.urandom(6).hex()}"  # what the names of files that are being written begin with
        self._number = 0
        self._flushers = ThreadPoolExecutor(FLUSHED_AT_ONCE, "emerge-flush")

    async def put(self, files: Mapping[str, bytes]) -> None:
        work: list[tuple[str, str, bytes]] = []
        for name, data in files.items():
            self._number += 1
            folder, path = self._place(name)
            work.append((os.path.join(folder, f"{self._own}-{self._number}"), path, data))
        await asyncio.to_thread(self._put, work)

    async def get(self, names: Sequence[str]) -> list[bytes | None]:
        return await asyncio.to_thread(lambda: [self._get(name) for name in names])

    async def has(self, names: Sequence[str]) -> list[bool]:
        return await asyncio.to_thread(lambda: [self._has(name) for name in names])

    async def delete(self, names: Collection[str]) -> None:
        await asyncio.to_thread(self._delete, list(names))

    async def page(self, after: str = "", limit: int = 1000) -> list[str]:
        return await asyncio.to_thread(self._page, after, limit)

    def room(self) -> int:
        """Return the bytes that are free on the disk."""
        try:
            return shutil.disk_usage(os.path.dirname(os.path.abspath(self.path))).free
        except OSError:  # it is gone
            return 0

    def _place(self, name: str) -> tuple[str, str]:
        """Return the folder and the path of a file."""
        check_block_file(name)
        folder = os.path.join(self.path, name[:2])
        return folder, os.path.join(folder, name)

    def _put(self, work: list[tuple[str, str, bytes]]) -> None:
        folders = {os.path.dirname(path) for _, path, _ in work}
        with self._mapped():
            self._make(folders)
            try:
                for begin in range(0, len(work), OPENED_AT_ONCE):
                    self._write(work[begin : begin + OPENED_AT_ONCE])
                for fresh, path, _ in work:
                    os.rename(fresh, path)
            except BaseException:
                for fresh, _, _ in work:
                    with suppress(OSError):
                        os.unlink(fresh)
                raise
            self._each(_flush, folders)

    def _write(self, work: list[tuple[str, str, bytes]]) -> None:
        """Write files under their first names, and flush them together."""
        with ExitStack() as stack:
            files = [stack.enter_context(_written(fresh, data)) for fresh, _, data in work]
            self._each(os.fsync, [file.fileno() for file in files])

    def _each(self, work: Callable[[T], None], things: Collection[T]) -> None:
        """Flush or remove several at once, which a journal makes one of: each waits for the disk as long as all."""
        if len(things) > 1:
            for _ in self._flushers.map(work, things):
                pass
            return
        for each in things:
            work(each)

    def _make(self, folders: Collection[str]) -> None:
        missing = [folder for folder in folders if not os.path.isdir(folder)]
        if not missing:
            return
        if not os.path.isdir(self.path):
            os.makedirs(self.path, exist_ok=True)
            _flush(os.path.dirname(os.path.abspath(self.path)))
        for folder in missing:
            os.makedirs(folder, exist_ok=True)
        _flush(self.path)

    def _get(self, name: str) -> bytes | None:
        with self._mapped():
            try:
                with open(self._place(name)[1], "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return b""  # the medium has lost it: damaged, and to be written again

    def _has(self, name: str) -> bool:
        with self._mapped():
            try:
                os.stat(self._place(name)[1])
            except FileNotFoundError:
                return False
            return True

    def _delete(self, names: list[str]) -> None:
        with self._mapped():
            self._each(_unlink, [self._place(name)[1] for name in names])

    def _page(self, after: str, limit: int) -> list[str]:
        found: list[str] = []
        with self._mapped():
            for folder in self._folders():
                if folder < after[:2]:
                    continue
                for name in sorted(os.listdir(os.path.join(self.path, folder))):
                    if name.startswith(".") and not name.startswith(self._own):  # of a process that was killed
                        with suppress(FileNotFoundError):
                            os.unlink(os.path.join(self.path, folder, name))
                    elif name > after and BLOCK_FILE.fullmatch(name):
                        found.append(name)
                if len(found) >= limit:
                    break
        return found[:limit]

    def _folders(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.path) if len(name) == 2)
        except FileNotFoundError:  # nothing was ever put
            return []

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _mapped_error(self.path, error) from error


def _mapped_error(path: str, error: OSError) -> EmergeError:
    if error.errno in _FULL:
        return LimitExceeded(
            f"no room is left for {path}", remedy="free some disk space, then try again", limit="disk space"
        )
    return Unavailable(
        f"{error.filename or path}: {error.strerror or error}",
        remedy="look at the disk and the rights of this folder",
        file=path,
    )


@contextmanager
def _written(path: str, data: bytes) -> Iterator[FileIO]:
    """A new file with this in it, which is on its way to the disk."""
    with FileIO(path, "xb") as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        if hasattr(os, "posix_fadvise"):  # begins to write it, where several are flushed
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        yield file


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _flush(folder: str) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
