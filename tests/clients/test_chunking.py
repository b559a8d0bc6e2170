"""Files of blocks of any sizes: each byte at each place, and what is sent of one that was changed."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid
from emerge_wasm.blocks.chunker import SMALLEST_SIZE, Chunking
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Values, Wire
from emerge_wasm.stores import open_store
from tests.contracts.files import content, pattern
from tests.scale import examples

pytest.importorskip("pyfastcdc", reason="the extra fastcdc is not installed")

SIZE = 700_000
DATA = pattern(SIZE, 5)


@pytest.fixture(scope="module")
def fs() -> Iterator[SyncClient]:
    async def opened() -> Client:
        return Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))

    with SyncClient(opened) as fs:
        yield fs


@settings(max_examples=examples(12), deadline=None)
@given(
    st.sampled_from(["fixed", "fastcdc"]),
    st.integers(SMALLEST_SIZE, 100_000),
    st.sampled_from([0, 5, 6]),
    st.lists(st.tuples(st.integers(0, SIZE + 10), st.integers(0, 90_000)), max_size=8),
)
def test_it_is_read_at_any_place(
    fs: SyncClient, chunking: Chunking, block_size: int, raid: int, reads: list[tuple[int, int]]
) -> None:
    with fs.open("/f", "wb", raid=raid, chunking=chunking, block_size=block_size) as file:
        for at in range(0, SIZE, 77_777):
            file.write(DATA[at : at + 77_777])
    rows = list(fs.blocks("/f"))
    assert sum(row["size"] for row in rows) == SIZE
    if chunking == "fixed":
        assert {row["size"] for row in rows[:-1]} <= {block_size}
    with fs.open("/f") as opened:
        for offset, size in reads:
            opened.seek(offset)
            assert opened.read(size) == DATA[offset : offset + size]
        opened.seek(0)
        assert opened.read() == DATA


class Counted(LocalTransport):
    """A transport that counts the bytes of the blocks that are sent."""

    sent = 0

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name == "putblocks" and not (len(args) > 3 and args[3]):
            self.sent += sum(map(len, args[1].values()))
        return await super().call(name, args, context)


@pytest.fixture
async def counted() -> AsyncIterator[Counted]:
    filesystem = await Filesystem.open(await open_store("memory:"))
    yield Counted(filesystem)
    await filesystem.close()


async def test_of_a_file_with_a_byte_put_in_some_blocks_are_sent(counted: Counted, tmp_path: Path) -> None:
    client, data = Client(counted), pattern(12 << 20)
    sent: dict[str, int] = {}
    for chunking in ("fixed", "fastcdc"):
        await client.put(io.BytesIO(data), "/f", chunking=chunking, block_size=256 << 10)
        counted.sent = 0
        for at in (6 << 20, 0):
            changed = data[:at] + b"x" + data[at:]
            await client.put(io.BytesIO(changed), "/f", chunking=chunking, block_size=256 << 10)
            assert await content(client, "/f") == changed
            sent[f"{chunking} {at}"] = counted.sent
            counted.sent = 0
            await client.put(io.BytesIO(data), "/f", chunking=chunking, block_size=256 << 10)
            counted.sent = 0
    assert sent["fixed 0"] >= len(data) and sent[f"fixed {6 << 20}"] >= len(data) // 2
    assert sent["fastcdc 0"] <= 3 << 20 and sent[f"fastcdc {6 << 20}"] <= 3 << 20


async def test_what_cannot_be_leaves_nothing_behind(counted: Counted) -> None:
    client = Client(counted)
    with pytest.raises(Invalid, match="chunking"):
        await client.put(io.BytesIO(b"x"), "/f", chunking="rabin")  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="block size"):
        await client.open("/f", "wb", block_size=64 << 20)
    assert await client.list("/") == []
