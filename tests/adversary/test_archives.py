"""An archive of a stranger is refused, or is what it says to be; it never becomes more than it says."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import tracemalloc
import zipfile
from typing import cast

import pytest

from emerge_wasm.clients import archive
from emerge_wasm.clients.archive import MANIFEST, read, read_member, verify
from emerge_wasm.clients.writes import WriteOperations
from emerge_wasm.codec import encode
from emerge_wasm.errors import Invalid, LimitExceeded, NotFound
from tests.scale import SCALE, TURN

NAME = "records/00000001"


def make(content: bytes, name: str = NAME, said: bytes | None = None) -> bytes:
    """An archive of one member, whose hash is that of `said`."""
    file = io.BytesIO()
    members = {name: hashlib.sha256(content if said is None else said).hexdigest()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zip:
        zip.writestr(name, content)
        zip.writestr(MANIFEST, json.dumps({"format": archive.FORMAT, "root": "/", "records": 1, "members": members}))
    return file.getvalue()


def test_a_member_that_inflates_to_more_than_it_says_is_not_inflated() -> None:
    """50 MB that say they are a thousand bytes, with the checksum of these."""
    zeros, said = bytes(50_000_000), bytes(1_000)
    data = bytearray(make(zeros, said=said))
    for header, at in ((b"PK\3\4", 14), (b"PK\1\2", 16)):  # checksum, packed size, size
        begin = data.index(header) + at
        data[begin : begin + 4] = struct.pack("<I", zipfile.crc32(said))
        data[begin + 8 : begin + 12] = struct.pack("<I", len(said))
    del zeros
    tracemalloc.start()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as zip:
            verify(zip, "it")
            assert read_member(zip, NAME) == said
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_says_it_is_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 10_000)
    for data in (make(bytes(10_001)), make(b"", name="x" * 20_000)):  # a record; the manifest
        with zipfile.ZipFile(io.BytesIO(data)) as zip, pytest.raises(LimitExceeded) as caught:
            verify(zip, "it")
        assert caught.value.details["limit"] == "size"


async def test_any_bytes_are_an_archive_or_an_error_that_names_it() -> None:
    """Changed, cut and mixed bytes; nothing is loaded, as there is nobody to load it."""

    class Nobody:
        async def load_records(self, *args: object) -> int:
            return 0

    dice = random.Random(f"archives {TURN}")
    whole = make(encode([encode({"path": "/a", "uuid": "0" * 32, "bundles": [], "versions": []})]))
    for _ in range(5_000 * SCALE):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 1, 2, 5])):
            at = dice.randrange(len(data))
            match dice.randrange(3):
                case 0:
                    data[at] = dice.randrange(256)
                case 1:
                    del data[at : at + dice.randrange(1, 30)]
                case 2:
                    data[at:at] = dice.randbytes(dice.randrange(1, 30))
        try:
            await read(cast(WriteOperations, Nobody()), cast("archive.HolderCalls", Nobody()), io.BytesIO(data), "/")
        except (Invalid, LimitExceeded, NotFound):
            pass
