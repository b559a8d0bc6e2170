"""A file's raid level is changed while it is read and written: the bytes stay, and what was there before goes."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator

import pytest

from emerge_wasm import EmergeFile, Invalid
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.stores import open_store
from tests.contracts.files import content, pattern
from tests.scale import examples

LATER = 1 << 62


@pytest.fixture
async def filesystem() -> AsyncIterator[Filesystem]:
    opened = await Filesystem.open(await open_store("memory:"))
    yield opened
    await opened.close()


@pytest.fixture
def client(filesystem: Filesystem) -> Client:
    return Client(LocalTransport(filesystem))


async def names(client: Client, path: str) -> set[str]:
    return {name async for row in client.blocks(path) for name in row["fragments"] or [row["name"]]}


async def test_the_bytes_stay_and_the_old_fragments_go(filesystem: Filesystem, client: Client) -> None:
    source, before = random.Random(1), set[str]()
    await client.retain("/", "1")
    for size in (0, 1, 100_000, 300_000):
        data = pattern(size)
        await client.put(io.BytesIO(data), "/f", perms="rw-r-----", chunking="fixed", block_size=65_536, raid=5)
        cuts = [row["size"] async for row in client.blocks("/f")]
        for raid in source.sample([0, 6, 5, 0], 4):
            old = await client.get("/f")
            before = await names(client, "/f")
            pointer = await client.reshape("/f", raid)
            assert await content(client, "/f") == data
            assert (pointer.size, pointer.perms, pointer.uuid) == (size, "rw-r-----", old.uuid)
            if (check := await client.verify("/f"))["layout"] != "inline":
                assert check["layout"].startswith(f"raid{raid} ")
                assert [row["size"] async for row in client.blocks("/f")] == cuts
            assert (await client.reshape("/f", raid)).version == pointer.version
            await collect(filesystem.core.blocks, LATER)
            gone = {bytes.fromhex(name) for name in before - await names(client, "/f")}
            assert await filesystem.core.blocks.has(gone) == set()


async def test_while_it_is_read_and_written(client: Client) -> None:
    for seed in range(examples(2)):
        source, written, acknowledged = random.Random(seed), [pattern(200_000, 1)], [1]
        await client.put(io.BytesIO(written[0]), "/f", block_size=16_384)
        done = asyncio.Event()

        async def write(
            source: random.Random = source, written: list[bytes] = written, acknowledged: list[int] = acknowledged
        ) -> None:
            for number in range(3):
                await asyncio.sleep(source.random() * 0.05)
                data = pattern(150_000 + number, number + 2)
                written.append(data)
                await client.put(io.BytesIO(data), "/f", block_size=16_384)
                acknowledged[0] += 1

        async def read(
            written: list[bytes] = written, acknowledged: list[int] = acknowledged, done: asyncio.Event = done
        ) -> None:
            while not done.is_set():
                known = acknowledged[0]
                assert await content(client, "/f") in written[known - 1 :]

        reading, writing = asyncio.create_task(read()), asyncio.create_task(write())
        for raid in (5, 0, 6):
            await client.reshape("/f", raid)
        await writing
        await client.reshape("/f", 5)
        done.set()
        await reading
        assert await content(client, "/f") == written[-1]
        assert (await client.verify("/f"))["layout"].startswith("raid5 ")


async def test_only_files_in_blocks(client: Client) -> None:
    await client.store(EmergeFile(name="o", data=b"x" * 100))
    await client.mkdir("/d")
    for path in ("/o", "/d"):
        with pytest.raises(Invalid, match=path):
            await client.reshape(path, 5)
    with pytest.raises(Invalid, match="raid level 3"):
        await client.put(io.BytesIO(b"x"), "/f")
        await client.reshape("/f", 3)
