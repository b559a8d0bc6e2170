"""A ZODB in a file of its own: `FileStorage`, held to what a store promises.

It appends, so it grows with every commit, until `pack` rewrites it. Must not import asyncio.
"""

from __future__ import annotations

import errno
import os
import pickle
from contextlib import suppress
from typing import BinaryIO, NoReturn

from zc.lockfile import LockError, LockFile
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import CorruptedError, FileStorageFormatError, FileStorageQuotaError, TempFormatter

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from .location import ZODBLocation

_MAGIC = (b"FS21", b"FS30")
_TEMPORARY = 1 << 20  # bytes that the file of a commit's records may keep
FAILURES: tuple[type[Exception], ...] = (OSError, ValueError)  # the latter of a file that closed itself
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DurableFileStorage(FileStorage):  # type: ignore[misc]  # ZODB has no types
    """A FileStorage whose packed file is on disk before it takes the place of the old one.

    It also survives a full disk: what was refused leaves nothing behind, neither in its files nor in their buffers.
    """

    _file: BinaryIO
    _tfile: BinaryIO

    def is_closed(self) -> bool:
        """Return whether it closed itself, as it does when the disk fails at the end of a commit."""
        return self._file.closed

    def let_go(self) -> None:
        """Close what was opened so far: FileStorage does not when it cannot open the rest."""
        for name in ("_tfile", "_file", "_files", "_lock_file"):
            part = vars(self).get(name)
            if part is not None:
                with suppress(OSError):  # the disk is full, and a buffer cannot be written
                    part.close()

    def tpc_vote(self, transaction: object) -> object:
        try:
            return super().tpc_vote(transaction)
        except OSError:
            with self._files.write_lock(), self._lock:
                self._forget_tail()
            raise

    def _forget_tail(self) -> None:
        """Drop what is in the buffer, which would be written later, and what of it came into the file."""
        with suppress(OSError):
            self._file.close()
        self._file = open(self.getName(), "r+b")
        self._file.truncate(self._pos)
        self._files.empty()

    def _clear_temp(self) -> None:
        """Make room for the next commit's records, and give back what those of a large one took."""
        try:
            super()._clear_temp()
            if os.fstat(self._tfile.fileno()).st_size <= _TEMPORARY:
                return
        except OSError:  # the disk is full, and its buffer holds something still
            pass
        with suppress(OSError):
            self._tfile.close()
        self._tfile = open(f"{self.getName()}.tmp", "w+b")
        self._tfmt = TempFormatter(self._tfile)

    @staticmethod
    def packer(storage: FileStorage, references: object, stop: bytes, gc: bool) -> object:
        packed = FileStorage.packer(storage, references, stop, gc)
        if packed is not None:
            _sync(storage.getName() + ".pack")
        return packed

    def _restore_index(self) -> object:
        """Read the index beside the file, a pickle; it is made anew when loading it could run code."""
        index = f"{self.getName()}.index"
        if os.path.exists(index) and not is_plain(index):
            os.remove(index)
        return super()._restore_index()


def open_storage(location: ZODBLocation) -> DurableFileStorage:
    """Own and open a file, making it and its directory."""
    path = os.path.realpath(location.address)
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    if os.path.isdir(path):
        raise Invalid(f"{path} is a directory, not a file", remedy="name a file in it")
    _check(path)
    _take_back(path)
    storage = DurableFileStorage.__new__(DurableFileStorage)
    try:
        storage.__init__(path, pack_keep_old=False)  # type: ignore[misc]
    except BaseException:
        storage.let_go()
        raise
    _sync(folder)
    return storage


def _take_back(path: str) -> None:
    """Restore the old file when whoever packed it was killed while the packed one took its place.

    Raises LockError when its owner is alive, and just about to rename the packed one.
    """
    if os.path.exists(path) or not os.path.exists(f"{path}.old"):
        return
    lock = LockFile(f"{path}.lock")
    try:
        if not os.path.exists(path) and os.path.exists(f"{path}.old"):
            os.rename(f"{path}.old", path)
    finally:
        lock.close()


def refused(error: Exception) -> bool:
    """Return False: a file cannot tell whether a commit that failed late is in it."""
    return False


def to_emerge_error(error: Exception, location: ZODBLocation) -> EmergeError | None:
    """Return the EmergeError for a file's own errors: of its owner, its format, its disk."""
    match error:
        case LockError():
            return _owned(os.path.realpath(location.address))
        case FileStorageFormatError():
            return Invalid(f"{location.name} is not an Emerge store", remedy="name another file")
        case CorruptedError():
            return Invalid(f"{location.name} is damaged: {error}", remedy="restore it from a backup")
        case ValueError() if "closed file" not in str(error):
            return Invalid(f"{location.name} is damaged: {error}", remedy="restore it from a backup")
        case FileStorageQuotaError():
            return _full(location)
        case OSError() if error.errno in _NO_ROOM:
            return _full(location)
        case OSError():
            return Unavailable(
                f"{location.name}: {error.strerror or error}",
                remedy="choose a place that can be written",
                file=location.name,
            )
    return None


def _full(location: ZODBLocation) -> EmergeError:
    return LimitExceeded(
        f"no room is left for {location.name}", remedy="free some disk space, then try again", limit="disk space"
    )


def _owned(path: str) -> EmergeError:
    """Return the error of a file that another process (or another store of this one) has open."""
    with open(f"{path}.lock", "rb") as file:
        pid = file.read(20).strip().decode("ascii", "replace")
    return Unavailable(
        f"{path} is in use by process {pid}",
        remedy="one process at a time can have a ZODB file: end that one, name another file, or share it by ZEO",
        file=path,
        pid=int(pid) if pid.isdigit() else None,
    )


def _check(path: str) -> None:
    """Refuse a file that is not a FileStorage before anything is made beside it."""
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read(4) not in (b"", *_MAGIC):
                raise Invalid(f"{path} is not an Emerge store", remedy="name another file")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name}")


def is_plain(path: str) -> bool:
    """Return whether this file's pickles hold plain data only."""
    try:
        with open(path, "rb") as file:
            while _PlainUnpickler(file).load():
                pass
        return True
    except Exception:  # a class, or damage of whatever kind
        return False


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
