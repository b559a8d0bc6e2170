"""An SQLite store and its file: who owns it, its format, and trouble underneath; the store can be used afterwards."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded, Unavailable
from emerge_wasm.store import Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.sqlite.store import SQLiteStore
from tests.contracts.store import puts

OWNER = """
import asyncio, sys, time
from emerge_wasm.stores import open_store

async def main():
    await open_store(sys.argv[1])
    print("mine", flush=True)
    time.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def opened(path: Path, options: str = "") -> asyncio.Task[Store]:
    return asyncio.ensure_future(open_store(f"sqlite:///{path}{options}"))


@contextmanager
def another_owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the store open; killed in the end."""
    command = [sys.executable, "-c", OWNER, f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        try:
            yield process
        finally:
            process.kill()


async def test_second_open_is_refused(path: Path) -> None:
    store = await opened(path)
    with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}"):
        await opened(path)
    link = path.with_name("link.db")
    link.symlink_to(path)
    with pytest.raises(Unavailable, match="in use"):
        await opened(link)
    await store.commit(puts((b"k", b"v")))
    await store.close()
    store = await opened(link)
    assert await store.get([("states", b"k")]) == [b"v"]
    await store.close()


async def test_second_process_is_refused_until_the_first_is_killed(path: Path) -> None:
    with another_owner(path) as process:
        with pytest.raises(Unavailable, match=f"in use by process {process.pid}") as caught:
            await opened(path)
        assert caught.value.remedy
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = await opened(path)
        await store.commit(puts((b"k", b"v")))
        await store.close()


async def test_locked_by_another_program(path: Path) -> None:
    store = await opened(path, "?wait=0.05")
    await store.commit(puts((b"k", b"v")))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another program"):
        await store.commit(puts((b"k", b"new")))
    assert await store.get([("states", b"k")]) == [b"v"]
    other.execute("ROLLBACK")
    other.close()
    await store.commit(puts((b"k", b"new")))
    assert await store.get([("states", b"k")]) == [b"new"]
    await store.close()


async def test_not_a_database(path: Path) -> None:
    write(path, b"dear diary, " * 1000)
    with pytest.raises(Invalid, match="not an Emerge store"):
        await opened(path)
    assert read(path) == b"dear diary, " * 1000


async def test_foreign_database(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE songs (title)")
    other.close()
    before = read(path)
    with pytest.raises(Invalid, match="not an Emerge store"):
        await opened(path)
    assert read(path) == before


async def test_newer_format(path: Path) -> None:
    await (await opened(path)).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(Invalid, match=r"format 99.*upgrade"):
        await opened(path)


async def test_damaged_file(path: Path) -> None:
    store = await opened(path)
    await store.commit(puts(*[(b"%05d" % number, b"x" * 500) for number in range(2000)]))
    await store.close()
    with path.open("r+b") as file:
        for page in range(8, 200):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    store = await opened(path)
    with pytest.raises(Invalid, match=r"damaged.*backup"):
        await store.scan("states", limit=5000)
    await store.close()


async def test_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file"):
        await opened(tmp_path / "file" / "store.db")
    with pytest.raises(Invalid, match="is a directory"):
        await opened(tmp_path)


@contextmanager
def unprivileged(path: Path) -> Iterator[None]:
    """As a user who is not root, for whom permissions count."""
    if os.geteuid():
        yield
        return
    modes = {folder: folder.stat().st_mode for folder in list(path.parents)[1:-2]}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o55)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


async def test_read_only_place(path: Path) -> None:
    await (await opened(path)).close()
    path.parent.chmod(0o555)
    try:
        with unprivileged(path):
            with pytest.raises(Unavailable, match=r"cannot be written.*write access"):
                await opened(path)
            with pytest.raises(Unavailable, match="Permission denied"):
                await opened(path.parent / "new" / "store.db")
    finally:
        path.parent.chmod(0o755)


async def test_read_only_file(path: Path) -> None:
    await (await opened(path)).close()
    for place, mode in ((path, 0o444), (path.parent, 0o777), (Path(f"{path}.owner"), 0o666)):
        place.chmod(mode)
    with unprivileged(path), pytest.raises(Unavailable, match="cannot be written"):
        store = await opened(path)
        try:
            await store.commit(puts((b"k", b"v")))
        finally:
            await store.close()


async def test_full_disk(path: Path) -> None:
    """What does not fit is refused as a whole; smaller ones waiting beside it go on, and so does the store."""
    store = await opened(path)
    assert isinstance(store, SQLiteStore)
    await store.commit(puts((b"before", b"1")))
    (pages,) = store.file.writer.execute("PRAGMA page_count").fetchone()
    store.file.writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    batches = [puts((b"a", b"1")), puts((b"big", bytes(1 << 20)), (b"half", b"1")), puts((b"b", b"2"))]
    small, big, other = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert (small, other) == ([], [])
    assert isinstance(big, LimitExceeded)
    assert big.details["limit"] == "disk space"
    assert [key for key, _ in await store.scan("states")] == [b"a", b"b", b"before"]
    await store.close()


async def test_failing_writes(path: Path) -> None:
    """The operating system refuses to write: an error, nothing half done, and on it goes when it can write again."""
    store = await opened(path)
    await store.commit(puts((b"before", b"1")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(EmergeError) as caught:
            await store.commit(puts(*[(b"%d" % number, bytes(10_000)) for number in range(100)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(caught.value, (Unavailable, LimitExceeded))
    assert str(path) in str(caught.value)
    assert await store.scan("states") == [(b"before", b"1")]
    await store.commit(puts((b"after", b"2")))
    await store.close()
    store = await opened(path)
    assert [key for key, _ in await store.scan("states")] == [b"after", b"before"]
    await store.close()
