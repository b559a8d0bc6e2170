"""Fetching to a file of this machine: wherever it is cut off and whatever is left of it, the next one goes on."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeError, Invalid, PermissionDenied, Unavailable
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transfer import Cancelled, Transfer
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.row import FRAME, key_of
from emerge_wasm.operations import Values, Wire
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.contracts.files import pattern
from tests.scale import examples

BLOCK = 1 << 14
DATA = pattern(20 * BLOCK + 77)


class Line(LocalTransport):
    """A transport that counts the bytes of blocks that come, and is cut after so many of them."""

    came = 0
    most = 1 << 60
    slow = 0.0
    error: type[EmergeError] = Unavailable  # which is tried again, after a rest

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name == "getblocks" and self.came >= self.most:
            raise self.error("the line is cut")
        if name == "getblocks":
            await asyncio.sleep(self.slow)
        answer = await super().call(name, args, context)
        if name == "getblocks":
            assert isinstance(answer, dict)
            answer["blocks"] = dict(list(answer["blocks"].items())[:2])  # which is asked for again
            self.came += sum(len(data) for data in answer["blocks"].values() if len(data) >= BLOCK // 4)
        return answer


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    filesystem = await Filesystem.open(await open_store("memory:"))
    yield Line(filesystem)
    await filesystem.close()


@pytest.fixture
def client(line: Line) -> Client:
    return Client(line)


@pytest.fixture(scope="module")
def kept() -> tuple[SyncClient, Line]:
    """A client without await, and its line; at /f and /g are two versions of a file with many blocks in common."""
    lines: list[Line] = []

    async def opened() -> Client:
        lines.append(Line(await Filesystem.open(await open_store("memory:"))))
        return Client(lines[0])

    fs = SyncClient(opened)
    for path, data in (("/f", DATA), ("/g", DATA[: 7 * BLOCK] + pattern(BLOCK, 9) + DATA[8 * BLOCK :])):
        with fs.open(path, "wb", block_size=BLOCK) as file:
            file.write(data)
    return fs, lines[0]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def put(client: Client, path: str, data: bytes, raid: int = 0) -> None:
    async with await client.open(path, "wb", block_size=BLOCK, raid=raid) as file:
        await file.write(data)


@pytest.mark.parametrize("raid", [0, 6])
async def test_one_that_was_cut_off_goes_on_where_it_was(client: Client, line: Line, raid: int, tmp_path: Path) -> None:
    await put(client, "/f", DATA, raid)
    target, least = tmp_path / "f", 0
    for part in (5, 11):
        line.came, line.most = 0, (part - least) * BLOCK
        with pytest.raises(Unavailable, match="cut") as caught:
            await client.fetch("/f", target)
        assert str(target) + ".part" in str(caught.value) and "goes on" in str(caught.value)
        assert names(tmp_path) == {"f.part", "f.part.journal"}
        least = part
    line.came, line.most, seen = 0, 1 << 60, list[int]()
    assert await client.fetch("/f", target, progress=seen.append) == len(DATA)
    begun = 5 * BLOCK if raid else 0  # of blocks of which some fragments came
    assert line.came <= len(DATA) - least * BLOCK + begun + 4096
    assert seen == sorted(seen) and seen[0] >= least * BLOCK - begun and seen[-1] == len(DATA)
    assert names(tmp_path) == {"f"} and target.read_bytes() == DATA


SPOILT = st.sampled_from(["nothing", "part", "journal", "no part", "no journal", "short", "another"])


@settings(max_examples=examples(12), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), SPOILT, st.integers(0, 5000), st.sampled_from("fg")), max_size=4))
def test_whatever_is_left_of_it_no_byte_is_wrong(
    kept: tuple[SyncClient, Line], tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, str, int, str]]
) -> None:
    """Cut off some times, with what was left spoilt between, and with another version there."""
    (fs, line), folder = kept, tmp_path_factory.mktemp("spoilt")
    target = folder / "f"
    for blocks, how, at, name in cuts:
        line.came, line.most, line.error = 0, blocks * BLOCK, PermissionDenied
        try:
            fs.fetch(f"/{name}", target)
        except PermissionDenied:
            spoil(folder, how, at)
    line.most = 1 << 60
    assert fs.fetch("/f", target) == len(DATA)
    assert target.read_bytes() == DATA and names(folder) == {"f"}


def spoil(folder: Path, how: str, at: int) -> None:
    part, journal = folder / "f.part", folder / "f.part.journal"
    path = part if how in ("part", "no part", "short", "another") else journal
    if how == "nothing" or not path.exists():
        return
    if how.startswith("no "):
        path.unlink()
        return
    data = bytearray(path.read_bytes())
    if how == "short":
        del data[at * 50 :]
    elif how == "another":
        data = bytearray(pattern(len(data), 5))
    elif data:
        data[at % len(data)] ^= 1
    path.write_bytes(data)


async def test_what_fits_of_another_version_is_used(client: Client, line: Line, tmp_path: Path) -> None:
    target = tmp_path / "f"
    await put(client, "/f", DATA)
    line.most = 12 * BLOCK
    with pytest.raises(Unavailable):
        await client.fetch("/f", target)
    moved = pattern(2 * BLOCK, 4) + DATA  # every block is there, in another place
    await put(client, "/f", moved)
    line.came, line.most = 0, 1 << 60
    assert await client.fetch("/f", target) == len(moved)
    assert target.read_bytes() == moved and names(tmp_path) == {"f"}
    assert line.came <= len(moved) - 12 * BLOCK + 4096


async def test_lost_blocks_are_all_named_and_alone_fetched_later(client: Client, line: Line, tmp_path: Path) -> None:
    await put(client, "/f", DATA)
    rows = [row async for row in client.blocks("/f")]
    store, lost = line.filesystem.core.store, [rows[number] for number in (2, 3, 17)]
    keys = [key_of(FRAME, bytes.fromhex(row["name"])) for row in lost]
    frames = await store.get(keys)
    batch = Batch()
    for key in keys:
        batch.delete(*key)
    await store.commit(batch)
    with pytest.raises(Unavailable, match="3 of its blocks") as caught:
        await client.fetch("/f", tmp_path / "f")
    assert caught.value.details["offsets"] == [row["offset"] for row in lost]
    assert sorted(caught.value.details["missing"]) == sorted(row["name"] for row in lost)
    batch = Batch()
    for key, frame in zip(keys, frames, strict=True):
        assert frame is not None
        batch.put(*key, frame)
    await store.commit(batch)
    line.came = 0
    await client.fetch("/f", tmp_path / "f")
    assert line.came == 3 * BLOCK and (tmp_path / "f").read_bytes() == DATA


async def test_two_do_not_fetch_to_one_place_at_once(client: Client, line: Line, tmp_path: Path) -> None:
    await put(client, "/f", DATA)
    line.slow = 0.01
    both = await asyncio.gather(
        client.fetch("/f", tmp_path / "f"), client.fetch("/f", tmp_path / "f"), return_exceptions=True
    )
    assert sorted(str(type(each).__name__) for each in both) == ["Conflict", "int"]
    with pytest.raises(Conflict, match="already"):
        raise next(each for each in both if isinstance(each, Conflict))
    assert (tmp_path / "f").read_bytes() == DATA and names(tmp_path) == {"f"}


async def test_a_device_is_written_to_and_a_folder_that_is_not_there_is_said(client: Client, tmp_path: Path) -> None:
    await put(client, "/f", DATA)
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    thread.start()
    await client.fetch("/f", tmp_path / "pipe")
    thread.join()
    assert read == [DATA] and (tmp_path / "pipe").is_fifo()
    with pytest.raises(Invalid, match="cannot be written"):
        await client.fetch("/f", tmp_path / "no" / "f")


def test_a_transfer_is_watched_paused_and_cancelled(kept: tuple[SyncClient, Line], tmp_path: Path) -> None:
    fs, line = kept
    line.slow, line.came, line.most = 0.02, 0, 1 << 60
    transfer, errors = Transfer(), list[BaseException]()

    def work() -> None:
        try:
            fs.fetch("/f", tmp_path / "f", progress=transfer)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: transfer.done >= 2 * BLOCK)
    transfer.pause()
    time.sleep(0.15)  # what was under way may come yet
    done = transfer.done
    assert done < len(DATA) and transfer.state == "paused" and transfer.total == len(DATA)
    time.sleep(0.15)
    assert transfer.done == done
    transfer.resume()
    until(lambda: transfer.done > done)
    assert transfer.rate > 0 and transfer.seconds_left is not None
    transfer.cancel()
    thread.join()
    line.slow = 0
    if transfer.state == "cancelled":
        assert isinstance(errors[0], Cancelled) and "goes on" in str(errors[0])
        assert names(tmp_path) == {"f.part", "f.part.journal"}
    again = Transfer()
    assert fs.fetch("/f", tmp_path / "f", progress=again) == len(DATA)
    assert again.resumed >= 2 * BLOCK and sum(again.holders.values()) <= len(DATA) - again.resumed
    assert (tmp_path / "f").read_bytes() == DATA and again.state == "done"


def test_a_put_is_cancelled_too(kept: tuple[SyncClient, Line], tmp_path: Path) -> None:
    fs, _ = kept
    (tmp_path / "big").write_bytes(pattern(10 << 20))
    transfer = Transfer(lambda done: transfer.cancel())
    with pytest.raises(Cancelled):
        fs.put(tmp_path / "big", "/big", progress=transfer)
    with pytest.raises(LookupError):
        fs.get("/big")
    again = Transfer()
    assert fs.put(tmp_path / "big", "/big", progress=again).size == again.done == again.total == 10 << 20


def until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
