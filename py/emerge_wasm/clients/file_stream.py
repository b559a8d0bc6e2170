"""Opened files for programs that do not await: what Python's own `open` gives, over FileReader and FileWriter."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING

from ..blocks.block import BLOCK_SIZE
from ..objects import Pointer
from ..sync import wait
from .file_reader import FileReader
from .file_writer import FileWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class RawInput(io.RawIOBase):
    """The unbuffered bytes of an opened file."""

    def __init__(self, reader: FileReader) -> None:
        self._reader = reader
        self.name = reader.pointer.full_path
        self.mode = "rb"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._reader.seekable

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        part = wait(self._reader.read_some(len(view)))
        view[: len(part)] = part
        return len(part)

    def readall(self) -> bytes:
        return wait(self._reader.read())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        self._check()
        return self._reader.tell()

    def close(self) -> None:
        super().close()
        self._reader.closed = True  # what is fetched ahead is dropped with the reader: this may be the collector's call

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


class FileInput(io.BufferedReader):
    """An opened file, of `size` bytes (-1: nobody knows yet); `pointer` is that of the version that is read."""

    def __init__(self, reader: FileReader) -> None:
        super().__init__(RawInput(reader), BLOCK_SIZE)
        self.size = reader.size
        self.pointer = reader.pointer


class FileOutput(io.RawIOBase):
    """A file that is being written. `close` makes it; where the block of a `with` raises, or it is never closed, there
    is none. `pointer` is that of the file, once it is closed."""

    def __init__(self, writer: FileWriter) -> None:
        self._writer = writer
        self.name = writer.path
        self.mode = "wb"

    @property
    def pointer(self) -> Pointer | None:
        return self._writer.pointer

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return wait(self._writer.write(memoryview(data)))

    def tell(self) -> int:
        return self._writer.tell()

    def close(self) -> None:
        if not self.closed:
            try:
                wait(self._writer.close())
            finally:
                super().close()

    def abort(self) -> None:
        """Drop it: what is at the path stays as it is."""
        if not self.closed:
            wait(self._writer.abort())
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close() if kind is None else self.abort()

    def __del__(self) -> None:
        """Make no file of what was never closed: it may be half of one."""


def open_stream(opened: FileReader | FileWriter) -> FileInput | FileOutput:
    """Make a file of Python's of an opened one."""
    return FileOutput(opened) if isinstance(opened, FileWriter) else FileInput(opened)
