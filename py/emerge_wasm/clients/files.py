"""The client's operations on files whose bytes are in blocks: put, fetch, open, verify."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal, overload

from ..blocks.block import BLOCK_SIZE, block_name
from ..blocks.chunker import Chunking, make_chunker
from ..blocks.layout import INLINE, Layout, make_layout
from ..blocks.recipe import LARGE
from ..codec import BlockTree, decode
from ..errors import Conflict, Invalid, NotFound
from ..objects import BLOB, Pointer
from ..paths import child_path, split_path
from ..results import FileBlock, FileCheck, RepairedFile, RepairReport
from .block_holder import FileHolders
from .buffer import keep_buffers
from .download import copy, download
from .file_reader import BlockSource, ByteSource, FileReader, WholeSource, no_bytes, open_parts
from .file_writer import FileWriter
from .pointer_reads import AsOf, moment_text
from .reads import ReadOperations
from .remote import ending
from .transfer import OnProgress, TransferProgress, transfer_of

LocalPath = str | os.PathLike[str]

FileSource = LocalPath | IO[bytes]
"""A file on this machine, by its path, or opened and binary."""

OnRepair = Callable[[str, FileBlock], object]
"""Is told what became of each block: the path, and the block."""

RESHAPE_ATTEMPTS = 10

READER = "read"
"""The method of an object that gives the bytes that it is read as: bytes, text, or a list of those."""


class FileOperations(ReadOperations):
    """The operations on files."""

    async def put(
        self,
        source: FileSource,
        path: str,
        *,
        raid: int = 0,
        copies: int = 2,
        version: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
        progress: TransferProgress | None = None,
    ) -> Pointer:
        """Store a file of this machine (its path, or an opened one) at a path, in blocks; its pointer.

        A path that ends with a slash is a directory, in which it keeps its name. `raid` 1 keeps so many `copies` on as
        many nodes, 5 and 6 add parity. Nothing is to be seen of it before all of it is there. One that was interrupted
        can be put again within an hour, and what was sent is not sent again. `chunking` "fastcdc" cuts where the
        content says, so that of a file that was changed in the middle only some blocks are sent; `block_size` is then
        the usual size of a block. `progress` is told how many bytes are done. `version`: as in `store`.
        """
        where = _target(source, path)
        transfer = transfer_of(progress)
        keep_buffers()

        async def work() -> Pointer:
            with _opened(source) as file:
                layout, upload, chunker = (
                    make_layout(raid, copies=copies),
                    _upload_of(source, file),
                    make_chunker(chunking, block_size),
                )
                transfer.total = _size_of(source, file)
                async with FileWriter(
                    self._holders(), where, layout, version, perms, upload, transfer, chunker
                ) as writer:
                    for chunk in _chunks(file):
                        await writer.write(chunk)
            assert writer.pointer is not None
            return writer.pointer

        return await transfer.run(work)

    async def fetch(
        self,
        path: str,
        target: FileSource,
        *,
        version: int = 0,
        as_of: AsOf = None,
        progress: TransferProgress | None = None,
    ) -> int:
        """Write the bytes of a file to one of this machine (its path, or an opened one); how many.

        Each block is verified. A file that is given by its path is there once it is whole.
        """
        transfer = transfer_of(progress)
        keep_buffers()

        async def work() -> int:
            async with await self._open_reader(path, version, moment_text(as_of)) as reader:
                if isinstance(target, str | os.PathLike):
                    return await download(reader, target, transfer)
                return await copy(reader, target, transfer)

        return await transfer.run(work)

    @overload
    async def open(
        self, path: str, mode: Literal["rb"] = "rb", *, version: int = 0, as_of: AsOf = None
    ) -> FileReader: ...
    @overload
    async def open(
        self,
        path: str,
        mode: Literal["wb", "xb"],
        *,
        raid: int = 0,
        version: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
    ) -> FileWriter: ...
    @overload
    async def open(
        self,
        path: str,
        mode: str,
        *,
        version: int = 0,
        as_of: AsOf = None,
        raid: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
    ) -> FileReader | FileWriter: ...
    async def open(
        self,
        path: str,
        mode: str = "rb",
        *,
        version: int = 0,
        as_of: AsOf = None,
        raid: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
    ) -> FileReader | FileWriter:
        """Open a file: "rb" to read it from any place, "wb" to write it, "xb" to write one that is not there yet.

        A file that is written is there once it is closed; when the block that writes it raises, nothing has changed.
        Objects can be read too: the bytes or text in their `data`, or what their method `read` gives, which runs where
        the object lives.
        """
        if mode == "rb":
            return await self._open_reader(path, version, moment_text(as_of))
        if mode not in ("wb", "xb"):
            raise Invalid(f"a file cannot be opened as {mode!r:.20}", path=path, remedy='open it as "rb", "wb" or "xb"')
        if mode == "xb":
            await self._check_absent(path)
        chunker = make_chunker(chunking, block_size)
        return FileWriter(self._holders(), path, make_layout(raid), version, perms, chunker=chunker)

    async def verify(self, path: str, *, version: int = 0, progress: OnProgress | None = None) -> FileCheck:
        """Read all blocks of a file where they are, and compare their hashes: {"path", "size", "layout", "root",
        "blocks", "readable", "amiss": [what `blocks` says of those that lack something]}."""
        row = await self.remote.getobject(path, version)
        pointer, fields = Pointer.from_wire(row["pointer"]), decode(row["state"]) if row["state"] else {}
        tree = fields.get("content")
        check: FileCheck = {
            "path": pointer.full_path,
            "size": pointer.size,
            "layout": str(fields.get("layout", "")),
            "root": tree.root.hex() if isinstance(tree, BlockTree) else block_name(bytes(tree or b"")).hex(),
            "blocks": 0,
            "readable": True,
            "amiss": [],
        }
        async with ending(self.remote.blocks(path, True, pointer.version)) as rows:
            async for each in rows:
                check["blocks"] += 1
                check["readable"] = check["readable"] and each["state"] != "lost"
                if each["amiss"]:
                    check["amiss"].append(each)
                if progress is not None:
                    progress(each["offset"] + each["size"])
        return check

    async def reshape(self, path: str, raid: int, *, progress: OnProgress | None = None) -> Pointer:
        """Lay down the blocks of a file by another raid level, while it is read and written; its pointer.

        That is a new version with the same bytes. When the file is written meanwhile, what was written is laid down.
        One that has this level stays as it is.

        Raises:
            Conflict: it is written again and again.
        """
        for attempt in range(RESHAPE_ATTEMPTS):
            row = await self.remote.getobject(path)
            pointer, layout = Pointer.from_wire(row["pointer"]), _layout_of(row["state"], path)
            if layout.partition(" ")[0] in (f"raid{raid}", *([INLINE] if raid == 0 else [])):
                break
            try:
                return await self._reshape(pointer, make_layout(raid), progress)
            except Conflict:
                if attempt == RESHAPE_ATTEMPTS - 1:
                    raise
        return pointer

    async def _reshape(self, pointer: Pointer, layout: Layout, progress: OnProgress | None) -> Pointer:
        """Put what is in a version again, cut as it was, on condition that it is the newest."""
        path, version = pointer.full_path, pointer.version
        async with (
            await self._open_reader(path, version, "") as reader,
            FileWriter(self._holders(), path, layout, version, progress=progress) as writer,
            ending(self.remote.blocks(path, False, version)) as rows,
        ):
            async for row in rows:
                await writer.add_block(await reader.read(row["size"]))
        assert writer.pointer is not None
        return writer.pointer

    async def repair(self, path: str = "/", *, version: int = 0, progress: OnRepair | None = None) -> RepairReport:
        """Read all blocks of a file, or of all files below a directory, and make again those that are lost or damaged:
        from parity, or from copies. What cannot be had is `lost`, with its place in the file.

        `progress` is told the path and what became of each block.
        """
        report: RepairReport = {"path": path, "checked": 0, "blocks": 0, "readable": True, "files": []}
        pointer = await self.get(path, version)
        if not pointer.is_directory:
            await self._repair(pointer.full_path, version, report, progress)
            return report
        async with ending(self.tree(path)) as pointers:
            async for each in pointers:
                if each.type == BLOB or each.size >= LARGE:
                    with suppress(NotFound):  # removed meanwhile
                        await self._repair(each.full_path, 0, report, progress)
        return report

    async def _repair(self, path: str, version: int, report: RepairReport, progress: OnRepair | None) -> None:
        done: RepairedFile = {"path": path, "blocks": 0, "repaired": [], "lost": []}
        async with ending(self.remote.repair(path, version)) as rows:
            async for row in rows:
                done["blocks"] += 1
                if row["state"] == "repaired":
                    done["repaired"].append(row)
                elif row["state"] == "lost":
                    done["lost"].append(row)
                if progress is not None:
                    progress(path, row)
        report["checked"] += 1
        report["blocks"] += done["blocks"]
        report["readable"] = report["readable"] and not done["lost"]
        if done["repaired"] or done["lost"]:
            report["files"].append(done)

    async def _check_absent(self, path: str) -> None:
        with suppress(NotFound):
            await self.get(path)
            raise Invalid(f"{path} is there already", path=path, remedy='open it as "wb" to replace it')

    async def _open_reader(self, path: str, version: int, as_of: str) -> FileReader:
        row = await self.remote.getobject(path, version, as_of)
        pointer = Pointer.from_wire(row["pointer"])
        if pointer.is_directory:
            raise Invalid(f"{path} is a directory", path=path, remedy="open a file in it")
        fields = decode(row["state"])
        tree = fields.get("content")
        source: ByteSource
        if pointer.type == BLOB and isinstance(tree, BlockTree):
            source = BlockSource(FileHolders(self._holders(), path, pointer, as_of), path, tree)
        elif pointer.type == BLOB and isinstance(tree, bytes):
            source = WholeSource(tree)
        elif (data := bytes_of(fields.get("data"))) is not None:
            source = WholeSource(data)
        else:
            source = await self._read_object(pointer, path, version, as_of)
        return FileReader(source, pointer)

    async def _read_object(self, pointer: Pointer, path: str, version: int, as_of: str) -> ByteSource:
        """Return what the method of an object gives, as it is made."""
        if not pointer.bundle or READER not in [each["name"] for each in await self.methods(path)]:
            raise no_bytes(path)
        if version or as_of:
            raise Invalid(f"what {path} gives is made by its method now", path=path, remedy="open it without a version")
        try:
            return await open_parts(path, self._parts_of(path))
        except Invalid as error:
            if error.details.get("operation") != "readobject":
                raise
        data = bytes_of(await self.run(path, READER))  # a node of a release before parts
        if data is None:
            raise Invalid(
                f"the method {READER} of {path} gives no bytes", path=path, remedy="let it give bytes or text"
            )
        return WholeSource(data)

    async def _parts_of(self, path: str) -> AsyncGenerator[bytes, None]:
        async with ending(self.remote.readobject(path)) as parts:
            async for part in parts:
                yield part


def _layout_of(state: bytes, path: str) -> str:
    fields = decode(state) if state else {}
    if not isinstance(fields, dict) or "content" not in fields or not isinstance(fields.get("layout"), str):
        raise Invalid(f"{path} is not a file in blocks", path=path, remedy="name a file that was put")
    return str(fields["layout"])


def bytes_of(value: object) -> bytes | None:
    """Return bytes, text as UTF-8, or a list of those joined; None for anything else."""
    if isinstance(value, list) and value:
        parts = [bytes_of(each) for each in value]
        return None if None in parts else b"".join(part for part in parts if part is not None)
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def _target(source: FileSource, path: str) -> str:
    if not path.endswith("/"):
        return path
    name = Path(source).name if isinstance(source, str | os.PathLike) else ""
    if not name:
        raise Invalid(f"{path} is a directory", path=path, remedy="give the file a name in it")
    return child_path("/" + "/".join(split_path(path)), name)


def _size_of(source: FileSource, file: IO[bytes]) -> int:
    """The bytes of a file of this machine; 0 where one cannot say."""
    return os.fstat(file.fileno()).st_size if isinstance(source, str | os.PathLike) else 0


def _upload_of(source: FileSource, file: IO[bytes]) -> str:
    """Name the upload of a file of this machine as it is now, so that it can be gone on with; "": a new one."""
    if not isinstance(source, str | os.PathLike):
        return ""
    found = os.fstat(file.fileno())
    about = (str(Path(source).absolute()), found.st_ino, found.st_size, found.st_mtime_ns)
    return sha256(repr(about).encode()).hexdigest()[:32]


class _Borrowed:
    """An opened file, which stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> IO[bytes]:
        return self._file

    def __exit__(self, *_: object) -> None: ...


def _opened(source: FileSource) -> IO[bytes] | _Borrowed:
    if not isinstance(source, str | os.PathLike):
        return _Borrowed(source)
    try:
        return Path(source).open("rb")
    except OSError as error:
        remedy = "put it with all that is in it: puttree, emerge put -r" if Path(source).is_dir() else None
        raise Invalid(f"{source} cannot be read: {error.strerror or error}", remedy=remedy) from None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(BLOCK_SIZE):
        if not isinstance(chunk, bytes):
            raise Invalid("the file to put is not binary", remedy='open it with "rb"')
        yield chunk
