"""Archives: a whole tree in one zip file, verified by hash before any of it is stored.

manifest.json           {"format", "root", "records", "members": {name: sha256}}
records/00000001 …      encoded lists of the encoded records that the operation `export` streams
bundles/<hash>          class bundles
blocks/<hash>           blocks of files, and the nodes of their maps (archive_files.py); only in `emerge archive 2`

Written and read in batches, so that a tree need not fit into memory. `filesystem/archives/archive_record.py` defines
the records.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import IO, TypedDict
from uuid import uuid4

from ..bundles import parse
from ..codec import SIZE_LIMIT, decode, encode
from ..codec.value import too_large
from ..errors import Invalid
from ..operations import Values, Wire
from .archive_files import ReadBlock, put_files, send_files
from .class_loader import Bundles, ClassLoader
from .files import FileOperations
from .node_links import HolderCalls
from .writes import WriteOperations

ArchiveFile = str | os.PathLike[str] | IO[bytes]
"""The path of a file, or a binary file that can be read or written."""

FORMAT = "emerge archive 1"
FORMAT_WITH_FILES = "emerge archive 2"
MANIFEST = "manifest.json"
RECORDS = "records/"
BUNDLES = "bundles/"
BLOCKS = "blocks/"
MEMBER_RECORDS = 1000
MEMBER_BYTES = 4 << 20
"""Largest member in bytes (unless a single record is larger): a member is loaded in one call."""

MEMBER_LIMIT = 2 * SIZE_LIMIT
"""Bytes of one member of an archive that is read."""

BROKEN: tuple[type[Exception], ...] = (
    KeyError, TypeError, ValueError, OSError, EOFError, OverflowError, NotImplementedError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile raises for what is no zip file, or one that it cannot read."""

_CHUNK = 1 << 20
_SAMPLE = 4 << 10


class Manifest(TypedDict):
    """An archive's table of contents: the number of records, and the SHA-256 of each member."""

    format: str
    root: str
    records: int
    members: dict[str, str]


class _MemberWriter:
    """Writes records, and the bundles that they need, into members of a zip file."""

    def __init__(self, zip: zipfile.ZipFile) -> None:
        self.zip = zip
        self.members: dict[str, str] = {}
        self.records = 0
        self._batch: list[bytes] = []
        self._size = 0
        self._number = 0

    def add(self, record: Wire) -> None:
        data = encode(record)
        if self._batch and (len(self._batch) >= MEMBER_RECORDS or self._size + len(data) > MEMBER_BYTES):
            self.flush()
        self.records += 1
        self._batch.append(data)
        self._size += len(data)

    def flush(self) -> None:
        if self._batch:
            self._number += 1
            self.put(f"{RECORDS}{self._number:08}", encode(self._batch))
            self._batch, self._size = [], 0

    def put(self, name: str, data: bytes) -> None:
        self.members[name] = hashlib.sha256(data).hexdigest()
        self.zip.writestr(name, data, zipfile.ZIP_DEFLATED if _compresses(data) else zipfile.ZIP_STORED)

    def put_block(self, name: bytes, data: bytes) -> None:
        self.put(BLOCKS + name.hex(), data)

    def has_block(self, name: bytes) -> bool:
        return BLOCKS + name.hex() in self.members

    @property
    def format(self) -> str:
        return FORMAT_WITH_FILES if any(name.startswith(BLOCKS) for name in self.members) else FORMAT


async def write(client: FileOperations, file: ArchiveFile, root: str, records: AsyncIterator[Wire]) -> Manifest:
    """Write an archive of these records; return its manifest. On failure, remove a file that was given by its path."""
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zip:
            writer = _MemberWriter(zip)
            async for record in records:
                for hash in record["bundles"]:
                    await _put_bundle(client, writer, hash)
                await put_files(client, writer, root, record)
                writer.add(record)
            writer.flush()
            manifest: Manifest = {
                "format": writer.format,
                "root": root,
                "records": writer.records,
                "members": writer.members,
            }
            zip.writestr(MANIFEST, json.dumps(manifest, indent=1))
    except OSError as error:
        _remove(file)
        raise Invalid(f"{_name(file)} cannot be written: {error.strerror or error}") from None
    except BaseException:
        _remove(file)
        raise
    return manifest


async def _put_bundle(client: ClassLoader, writer: _MemberWriter, hash: str) -> None:
    if BUNDLES + hash not in writer.members:
        for needed, data in (await client.fetch_bundles(hash)).items():
            if BUNDLES + needed not in writer.members:
                writer.put(BUNDLES + needed, data)


async def read(client: WriteOperations, calls: HolderCalls, file: ArchiveFile, path: str) -> int:
    """Verify an archive, load its records below a directory, one commit a member; return the number of objects."""
    try:
        zip = zipfile.ZipFile(file)
    except BROKEN as error:
        raise Invalid(f"{_name(file)} is not an archive: {error}", remedy="give a file that export wrote") from None
    with zip:
        members = verify(zip, _name(file))["members"]
        count, upload = 0, uuid4().hex
        for name in sorted(name for name in members if name.startswith(RECORDS)):
            records = [decode(data) for data in decode(read_member(zip, name))]
            for record in records:
                await send_files(calls, _block_reader(zip), path, record, upload)
            count += await client.load_records(path, records, _bundles_of(zip, records), upload)
        return count


def _block_reader(zip: zipfile.ZipFile) -> ReadBlock:
    def read_block(name: bytes) -> bytes:
        try:
            return read_member(zip, BLOCKS + name.hex())
        except KeyError:
            raise Invalid(f"the archive lacks {BLOCKS}{name.hex()}", remedy="export it again") from None

    return read_block


def _bundles_of(zip: zipfile.ZipFile, records: Values) -> Bundles:
    """Return the bundles that records need, with all that these require."""
    wanted = [hash for record in records for hash in record["bundles"]]
    found: Bundles = {}
    while wanted:
        hash = wanted.pop()
        if hash not in found:
            try:
                found[hash] = read_member(zip, BUNDLES + hash)
            except KeyError:
                raise Invalid(f"the archive lacks {BUNDLES + hash}", remedy="export it again") from None
            wanted += parse(found[hash], hash).requires
    return found


def verify(zip: zipfile.ZipFile, shown: str) -> Manifest:
    """Return the manifest after checking every member against it.

    Raises:
        Invalid: a member does not match; the error names it.
        LimitExceeded: one is larger than any that `write` makes.
    """
    for info in zip.infolist():
        if info.file_size > MEMBER_LIMIT:
            raise too_large(f"{info.filename[:80]!r} of {shown} has {info.file_size} bytes", MEMBER_LIMIT)
    try:
        manifest: Manifest = json.loads(read_member(zip, MANIFEST))
        format, members = manifest["format"], dict(manifest["members"])
    except BROKEN as error:
        raise Invalid(f"{shown} has no manifest that can be read: {error}", remedy="export it again") from None
    if format not in (FORMAT, FORMAT_WITH_FILES):
        known = f"{FORMAT!r} and {FORMAT_WITH_FILES!r}"
        raise Invalid(f"{shown} has the format {str(format)[:40]!r}; this Emerge reads {known}")
    for name in sorted({*members, *zip.namelist()} - {MANIFEST}):
        if members.get(name) != _digest(zip, name):
            raise Invalid(f"{name} of {shown} is damaged", remedy="nothing was stored; use another copy of the archive")
    return manifest


def _digest(zip: zipfile.ZipFile, name: str) -> str | None:
    """Return the SHA-256 of a member; None if it cannot be read."""
    digest = hashlib.sha256()
    try:
        for chunk in _chunks(zip, name):
            digest.update(chunk)
    except BROKEN:
        return None
    return digest.hexdigest()


def read_member(zip: zipfile.ZipFile, name: str) -> bytes:
    """Return a member, and never more than it says to have: `ZipFile.read` inflates whatever comes, and cuts then.

    Raises:
        KeyError: there is none.
    """
    return b"".join(_chunks(zip, name))


def _chunks(zip: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with zip.open(name) as member:
        while chunk := member.read(_CHUNK):
            yield chunk


def _compresses(data: bytes) -> bool:
    """Whether compressing pays, as its middle tells: of pictures and the like it only takes time."""
    middle = data[max(len(data) - _SAMPLE, 0) // 2 :][:_SAMPLE]
    return len(zlib.compress(middle, 1)) < len(middle)


def _remove(file: ArchiveFile) -> None:
    if isinstance(file, (str, os.PathLike)):
        with suppress(OSError):
            os.remove(file)


def _name(file: ArchiveFile) -> str:
    return str(file) if isinstance(file, (str, os.PathLike)) else str(getattr(file, "name", "the file"))
