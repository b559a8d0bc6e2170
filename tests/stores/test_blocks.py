"""The contract of blocks on every engine, and what files add to it: crashes, damage, a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from emerge_wasm.blocks.block import block_name
from emerge_wasm.errors import Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.large_state import LargeStateStore, with_blocks
from emerge_wasm.filesystem.check.blocks import block_faults
from emerge_wasm.stores import block_folder, open_store
from emerge_wasm.stores.block_folder import BlockFolder
from tests.backends import BACKENDS, Started
from tests.backends.disk import small_disk
from tests.contracts.blocks import made, scenario_blocks, scenario_repair
from tests.scale import examples

WRITER = """
import asyncio, random, sys
from emerge_wasm.blocks.block import block_name
from emerge_wasm.filesystem.blocks.large_state import with_blocks
from emerge_wasm.stores import open_store

async def main(url, seed):
    blocks = with_blocks(await open_store(url)).blocks
    source = random.Random(seed)
    while True:
        some = {block_name(data): data for data in (source.randbytes(200_000) for _ in range(3))}
        await blocks.put(some, "writer")
        print(*[name.hex() for name in some], flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
async def test_contract(backend: str, backends: Started) -> None:
    url = backends.url(backend)
    await scenario_blocks(lambda: open_store(url))
    await scenario_repair(lambda: open_store(backends.url(backend)))


@pytest.fixture
async def beside(tmp_path: Path) -> LargeStateStore:
    return with_blocks(await open_store(f"sqlite:///{tmp_path}/store.db"))


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("run", range(examples(2)))
async def test_killed_while_it_puts(run: int, tmp_path: Path) -> None:
    """What was acknowledged is there, and nothing half-written is ever read, listed as whole or left over."""
    url = f"sqlite:///{tmp_path}/store.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, url, str(run)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(random.randrange(1, 12))]
        await asyncio.sleep(random.random() * 0.02)
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    acknowledged = [bytes.fromhex(word) for line in lines if line.endswith(b"\n") for word in line.decode().split()]
    store = with_blocks(await open_store(url))
    blocks = store.blocks
    assert len(await blocks.read(acknowledged)) == len(acknowledged) >= 3
    assert [fault async for fault in block_faults(store.base, blocks)] == []
    source = random.Random(str(run))
    again = [source.randbytes(200_000) for _ in range(len(acknowledged) + 6)]
    await blocks.put({block_name(data): data for data in again}, "writer")  # the next upload of the same goes through
    assert await blocks.read([block_name(data) for data in again]) == again
    await blocks.release("writer")
    await collect(blocks)
    assert await blocks.count() == 0 and files_in(tmp_path / "store.db.blocks") == []
    await store.close()


async def test_damaged_and_lost_files_are_named(beside: LargeStateStore, tmp_path: Path) -> None:
    blocks = beside.blocks
    some = made(1000, 2000)
    await blocks.put(some, "ann")
    for path, (name, data) in zip(files_in(tmp_path / "store.db.blocks"), sorted(some.items()), strict=True):
        held = path.read_bytes()
        for damaged in (held[:-1] + bytes([held[-1] ^ 1]), held[:-1], b"", held + b"x"):
            path.write_bytes(damaged)
            with pytest.raises(Invalid, match=f"{name.hex()[:16]} is damaged") as caught:
                await blocks.read([name])
            assert caught.value.details["rotten"] == name.hex()
            assert any(name.hex()[:16] in fault for fault in [each async for each in block_faults(beside.base, blocks)])
        path.unlink()
        with pytest.raises(NotFound, match=name.hex()[:16]):
            await blocks.read([name])
        assert await blocks.has([name]) == set()
        await blocks.put({name: data}, "ann")
        assert await blocks.read([name]) == [data]
    await beside.close()


async def test_what_cannot_be_read_is_not_absent(tmp_path: Path) -> None:
    folder = BlockFolder(str(tmp_path / "blocks"))
    assert await folder.page() == [] and await folder.has(["00112233-00"]) == [False]
    (tmp_path / "blocks").write_bytes(b"a file in the way")
    for failing in (folder.page(), folder.get(["00112233-00"]), folder.has(["00112233-00"])):
        with pytest.raises(Unavailable, match="blocks"):
            await failing
    for name in ("../../etc", "00", "/etc/passwd", "00112233-00/..", ".00112233-00"):
        with pytest.raises(Invalid):
            await folder.put({name: b""})


async def test_what_the_medium_has_lost_is_damaged(
    beside: LargeStateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = made(1000)
    await beside.blocks.put(some, "ann")

    def broken(path: str, *args: object, **options: object) -> object:
        raise OSError(errno.EIO, "Input/output error", path)

    with monkeypatch.context() as patched:
        patched.setattr(block_folder, "open", broken, raising=False)  # patched: no disk fails when it is told to
        assert await beside.blocks.unsound(some) == dict.fromkeys(some, "damaged")
    assert await beside.blocks.unsound(some) == {}
    await beside.close()


async def test_files_are_paged_in_order(tmp_path: Path) -> None:
    folder = BlockFolder(str(tmp_path / "blocks"))
    names = sorted(f"{os.urandom(8).hex()}-00" for _ in range(25))
    await folder.put(dict.fromkeys(names, b"x"))
    found: list[str] = []
    while page := await folder.page(found[-1] if found else "", 4):
        found += page
    assert found == names
    await folder.delete([names[3], "00112233-77"])
    assert await folder.get(names[2:4]) == [b"x", None]


async def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        store = with_blocks(await open_store(f"sqlite:///{tmp_path}/store.db"))
        with pytest.raises(LimitExceeded, match="no room") as caught:
            for seed in range(20):
                await store.blocks.put(made(500_000, seed=seed), "ann")
        assert caught.value.details["limit"] == "disk space"
        disk.make_room()
        some = made(500_000, 400_000, seed=99)
        await store.blocks.put(some, "ann")
        assert await store.blocks.read([*some]) == [*some.values()]
        assert not [path for path in files_in(tmp_path / "store.db.blocks") if path.name.startswith(".")]
        await store.close()
