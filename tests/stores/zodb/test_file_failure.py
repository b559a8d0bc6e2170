"""A ZODB in a file when its disk is full, fails or cannot be written: what was refused leaves nothing behind, nothing
that is out of date is seen, and it goes on."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError, StorageError

from emerge_wasm.errors import Invalid, LimitExceeded, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores.zodb import file as zodb_file
from emerge_wasm.stores.zodb import session as zodb_session
from emerge_wasm.stores.zodb import tree as zodb_tree
from emerge_wasm.stores.zodb.pack import Packer
from emerge_wasm.stores.zodb.store import ZODBStore
from tests.contracts.store import puts

from .test_file import (
    another_owner,
    churn,
    opened,
    packed_early,
    packer_of,
    read,
    rename,
    size_of,
    unprivileged,
    write,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.fs"


@pytest.fixture
async def store(path: Path) -> ZODBStore:
    return await packed_early(path)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file gets larger than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def packed(store: ZODBStore) -> Packer:
    """Its packer, when what was under way has ended."""
    assert await asyncio.to_thread(packer_of(store).wait, 5)
    return packer_of(store)


def fail_to_sync(descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def missing(*args: Any) -> None:
    raise POSKeyError(b"12345678")


async def test_what_was_refused_is_not_in_the_file(store: ZODBStore, path: Path) -> None:
    """Nor in a buffer, from which it would come when there is room, behind what is shorter."""
    await store.commit(puts((b"before", b"1")))
    for more in (100, 700):
        with largest_file(size_of(path) + more), pytest.raises(LimitExceeded):
            await store.commit(puts((b"k", os.urandom(900))))
        assert await store.scan("states") == [(b"before", b"1")]
    await store.commit(puts((b"k", b"short")))
    assert size_of(path) == store.session.database.storage.getSize()
    copy = path.with_name("copy.fs")
    write(copy, read(path))
    other = await opened(copy)  # as it is found when the process is killed now
    assert await other.scan("states") == [(b"before", b"1"), (b"k", b"short")]
    await other.close()
    await store.close()


async def test_what_was_refused_takes_no_room(store: ZODBStore, path: Path) -> None:
    temporary = Path(f"{path}.tmp")
    with largest_file(2_000_000), pytest.raises(LimitExceeded):
        await store.commit(puts((b"big", os.urandom(3_000_000))))
    assert size_of(temporary) < 10_000
    await store.commit(puts((b"big", os.urandom(3_000_000))))
    assert size_of(temporary) < 10_000
    await store.close()


async def test_file_that_was_opened_anew(store: ZODBStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before is read again, and the file goes on being packed."""
    await store.commit(Batch(puts=[("states", b"k", b"1"), ("meta", b"m", b"1")]))
    assert await store.get([("meta", b"m"), ("entries", b"e")]) == [b"1", None]
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[FileStorage.__module__], "fsync", fail_to_sync)  # patched: no disk fails at will
        with pytest.raises(Unavailable):
            await store.commit(puts((b"k", b"2")))
    for turn in range(3):
        await store.commit(Batch(puts=[("meta", b"m", b"%d" % turn), ("entries", b"e", b"%d" % turn)]))
        assert await store.get([("meta", b"m"), ("entries", b"e")]) == [b"%d" % turn] * 2
    await store.commit(Batch(deletes=[("states", b"k")]))
    largest = await churn(store, path, 200)
    assert 0 < (await packed(store)).size < largest
    await store.close()


async def test_file_that_cannot_be_opened_anew(store: ZODBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in doubt is said to be so; what comes later is not there; it goes on when it can be opened."""
    await store.commit(puts((b"before", b"1")))

    def gone(place: Any) -> None:
        raise Unavailable("the disk is gone", remedy="bring it back")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[FileStorage.__module__], "fsync", fail_to_sync)  # patched: no disk fails at will
        patch.setattr(zodb_session, "open_database", gone)  # patched: no disk goes away at will
        with pytest.raises(Unavailable, match="unknown") as caught:
            await store.commit(puts((b"doubtful", b"1")))
        assert caught.value.details["unknown"]
        with pytest.raises(Unavailable) as caught:
            await store.commit(puts((b"refused", b"1")))
        assert "unknown" not in caught.value.details
        with pytest.raises(Unavailable, match="the disk is gone"):
            await store.scan("states")
    await store.commit(puts((b"after", b"1")))
    keys = {key for key, _ in await store.scan("states")}
    assert {b"before", b"after"} <= keys <= {b"before", b"doubtful", b"after"}
    await store.close()


async def test_connection_that_was_given_back_is_not_used(store: ZODBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no other one in its place: it may be the writer's by then."""
    await store.commit(puts((b"k", b"1")))
    assert await store.get([("states", b"k")]) == [b"1"]

    def fail(*args: Any) -> None:
        raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store.session.database, "open", fail)  # patched: no connection fails at will
        with pytest.raises(Unavailable):
            store.session.look(fail)
        with pytest.raises(Unavailable):
            await store.get([("states", b"k")])
    await store.commit(puts((b"k", b"2")))
    assert await store.get([("states", b"k")]) == [b"2"]
    await store.close()


async def test_damage_is_told_at_once(store: ZODBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """To who commits, as to who reads: nobody else could have removed what is missing."""
    await store.commit(puts((b"k", b"1")))
    with monkeypatch.context() as patch:
        patch.setattr(zodb_tree.ZODBRows, "get", missing)  # patched: damage that the file was opened with
        async with asyncio.timeout(2):
            with pytest.raises(Invalid, match=r"damaged.*backup"):
                await store.commit(Batch(expects=[("states", b"k", b"1")]))
            with pytest.raises(Invalid, match=r"damaged.*backup"):
                await store.get([("states", b"k")])
    assert await store.get([("states", b"k")]) == [b"1"]
    await store.close()


async def test_damage_found_while_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told, and the file is let go of."""
    with monkeypatch.context() as patch:
        patch.setattr(zodb_tree.ZODBRows, "number", missing)  # patched: damage at just this place
        with pytest.raises(Invalid, match=r"damaged.*backup"):
            await opened(path)
    await (await opened(path)).close()


async def test_opening_that_is_given_up_lets_go_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go = threading.Event(), threading.Event()
    real = zodb_session.open_database

    def slowly(place: Any) -> Any:
        started.set()
        go.wait(5)
        return real(place)

    with monkeypatch.context() as patch:
        patch.setattr(zodb_session, "open_database", slowly)  # patched: no file takes long to open
        opening = opened(path)
        assert await asyncio.to_thread(started.wait, 5)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go.set()
    async with asyncio.timeout(5):
        while True:
            with suppress(Unavailable):  # in use still
                await (await opened(path)).close()
                return
            await asyncio.sleep(0.02)


async def test_read_only_file(store: ZODBStore, path: Path) -> None:
    await store.commit(puts((b"k", b"v")))
    await store.close()
    path.parent.chmod(0o777)
    for each in path.parent.iterdir():
        each.chmod(0o666)
    path.chmod(0o444)
    with unprivileged(path.parent):
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"Permission denied.*can be written"):
                await opened(path)
    path.chmod(0o666)
    with unprivileged(path.parent):
        again = await opened(path)
        await again.commit(puts((b"l", b"w")))
        assert await again.scan("states") == [(b"k", b"v"), (b"l", b"w")]
        await again.close()


async def test_packing_that_fails(
    store: ZODBStore, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again when the file has grown: not with every commit, and long before it is three times as large."""
    sizes: list[int] = []

    def full(storage: Any, *args: Any) -> None:
        sizes.append(storage.getSize())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zodb_file.DurableFileStorage, "packer", full)  # patched: room for commits, none to pack
        await churn(store, path, 200)
        assert (await packed(store)).size == 0
    assert 3 < len(sizes) < 30
    assert caplog.text.count("packing failed") == len(sizes) and str(path) in caplog.text
    assert all(1.09 < later / before < 1.5 for before, later in itertools.pairwise(sizes))
    await churn(store, path, 100)
    size = (await packed(store)).size
    assert 0 < size < sizes[0]
    await store.commit(puts((b"k", b"v")))
    await store.close()
    again = await packed_early(path)
    assert packer_of(again).size == size, "the next commit did not write it down"
    await again.close()


async def test_old_file_is_left_to_who_packs(path: Path) -> None:
    """Between two renames there is no file, and yet it has an owner."""
    old = Path(f"{path}.old")
    with another_owner(path):
        rename(path, str(old))
        with pytest.raises(Unavailable, match="in use by process"):
            await opened(path)
        assert old.exists() and not path.exists()
