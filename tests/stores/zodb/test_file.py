"""A ZODB in a file: who owns it, its format, whose classes it loads, packing, and trouble underneath."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import transaction
import ZODB
from persistent.mapping import PersistentMapping
from ZODB.FileStorage import FileStorage

from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded, Unavailable
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.zodb import file as zodb_file
from emerge_wasm.stores.zodb import tree as zodb_tree
from emerge_wasm.stores.zodb.location import location_of
from emerge_wasm.stores.zodb.pack import Packer, PackPolicy
from emerge_wasm.stores.zodb.store import ZODBStore
from tests.contracts.store import puts, scan_all

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
    return tmp_path / "store.fs"


def opened(path: Path, options: str = "") -> asyncio.Task[Store]:
    return asyncio.ensure_future(open_store(f"zodb:///{path}{options}"))


EARLY = PackPolicy(small=300_000, margin=0.01)


def packed_early(path: Path) -> asyncio.Task[ZODBStore]:
    """Open a store whose file is packed while it is still small."""
    return asyncio.ensure_future(ZODBStore.open_at(location_of(f"/{path}", {}), EARLY))


def packer_of(store: ZODBStore) -> Packer:
    assert store.session.packer is not None
    return store.session.packer


@contextmanager
def plain(path: Path) -> Iterator[Any]:
    """The root of a ZODB as any program has it; committed in the end."""
    database = ZODB.DB(str(path))
    manager = transaction.TransactionManager()
    connection = database.open(manager)
    try:
        yield connection.root()
        manager.commit()
    finally:
        manager.abort()
        connection.close()
        database.close()


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def size_of(path: Path) -> int:
    return path.stat().st_size


def rename(path: Path, name: str) -> None:
    path.rename(name)


@contextmanager
def another_owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the store open; killed in the end."""
    command = [sys.executable, "-c", OWNER, f"zodb:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "mine\n"
        try:
            yield process
        finally:
            process.kill()


def held(path: Path) -> dict[str, bytes]:
    """The files beside a store's file, and their contents; but not the lock."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.suffix not in (".lock", ".tmp")}


async def test_second_open_is_refused(path: Path) -> None:
    store = await opened(path)
    link = path.with_name("link.fs")
    link.symlink_to(path)
    for other in (path, link):
        with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}") as caught:
            await opened(other)
        assert caught.value.remedy and "ZEO" in caught.value.remedy
    await store.commit(puts((b"k", b"v")))
    await store.close()
    store = await opened(link)
    assert await store.get([("states", b"k")]) == [b"v"]
    await store.close()


async def test_second_process_is_refused_until_the_first_is_killed(path: Path) -> None:
    with another_owner(path) as process:
        with pytest.raises(Unavailable, match=f"{path} is in use by process {process.pid}"):
            await opened(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = await opened(path)
        await store.commit(puts((b"k", b"v")))
        await store.close()


async def test_every_commit_is_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file itself, after the last byte of the commit is in it and before the commit is answered."""
    store = await opened(path)
    synced: list[tuple[str, int]] = []
    original = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), size_of(path)))
        original(descriptor)

    monkeypatch.setattr(sys.modules[FileStorage.__module__], "fsync", fsync)  # patched: nothing else shows a sync
    for turn in range(3):
        await store.commit(puts((b"k", b"%d" % turn)))
        assert len(synced) == turn + 1 and synced[-1] == (str(path), size_of(path))
    await store.close()


async def test_large_values_are_objects_of_their_own(path: Path) -> None:
    """A small row beside large ones is written without them, and a large one goes and comes like any other."""
    store = await opened(path)
    large = os.urandom(200_000)
    await store.commit(puts((b"a", large), (b"b", large[1:]), (b"c", b"small")))
    size = size_of(path)
    await store.commit(puts((b"c", b"smaller")))
    assert size_of(path) - size < 2000
    assert await store.scan("states", reverse=True) == [(b"c", b"smaller"), (b"b", large[1:]), (b"a", large)]
    await store.commit(Batch(puts=[("states", b"a", b"now small")], expects=[("states", b"a", large)]))
    assert await store.get([("states", b"a"), ("states", b"b")]) == [b"now small", large[1:]]
    await store.close()


@pytest.mark.parametrize("content", [b"dear diary, " * 100, b"FS"])
async def test_not_a_zodb(path: Path, content: bytes) -> None:
    write(path, content)
    with pytest.raises(Invalid, match="not an Emerge store"):
        await opened(path)
    assert held(path) == {path.name: content}


async def test_zodb_of_another_program(path: Path) -> None:
    with plain(path) as root:
        root["songs"] = PersistentMapping({"title": "x"})
    content = read(path)
    with pytest.raises(Invalid, match=r"store\.fs: it is a ZODB, but not an Emerge store"):
        await opened(path)
    assert read(path) == content


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize("where", ["root", "row", "large"])
async def test_stranger_s_classes_are_not_loaded(path: Path, where: str) -> None:
    sprung = path.with_name("sprung")
    await (await opened(path)).close()
    with plain(path) as root:
        if where == "root":
            root["trap"] = Trap(sprung)
        else:
            trap = zodb_tree.Leaf({b"": Trap(sprung)}) if where == "large" else Trap(sprung)
            root[zodb_tree.ROOT][b"space/states"][b"k"] = trap
    with pytest.raises(Invalid, match=r"not an Emerge store.*mkdir"):
        store = await opened(path)
        try:
            await store.get([("states", b"k")])
        finally:
            await store.close()
    assert not sprung.exists()


async def test_stranger_s_index_is_not_loaded(path: Path) -> None:
    store = await opened(path)
    await store.commit(puts((b"k", b"v")))
    await store.close()
    sprung, index = path.with_name("sprung"), Path(f"{path}.index")
    assert zodb_file.is_plain(str(index)), "a real index is used"
    write(index, pickle.dumps(Trap(sprung)))
    store = await opened(path)
    assert await store.get([("states", b"k")]) == [b"v"]
    await store.close()
    assert not sprung.exists() and zodb_file.is_plain(str(index))


async def test_file_of_an_older_emerge(path: Path) -> None:
    """tests/data/format1.fs: of the time when our classes were in another module, whose name its records bear."""
    write(path, (Path(__file__).parents[2] / "data" / "format1.fs").read_bytes())
    store = await opened(path)
    assert await store.get([("entries", b"a"), ("states", b"b")]) == [b"small", b"L" * 5000]
    assert len(await store.scan("entries")) == 41
    assert await store.commit(Batch(puts=[("entries", b"a", b"x" * 5000)], appends=[("log", b"third")])) == [3]
    await store.close()
    assert set(re.findall(rb"cemerge_wasm[.\w]+\n\w+", read(path))) == {
        b"cemerge_wasm.stores.zodb_tree\nLeaf",
        b"cemerge_wasm.stores.zodb_tree\nTree",
    }, "an older Emerge can read what this one writes"


async def test_newer_format(path: Path) -> None:
    await (await opened(path)).close()
    with plain(path) as root:
        root[zodb_tree.ROOT][b"format"] = (99).to_bytes(8, "big")
    with pytest.raises(Invalid, match=r"store\.fs: it has format 99.*upgrade Emerge"):
        await opened(path)


@pytest.mark.parametrize("space", ["links", "receipts", "blocks"])
async def test_store_without_a_space_of_today(path: Path, space: str) -> None:
    """Spaces that came with a later Emerge are made when it opens the store."""
    store = await opened(path)
    await store.commit(puts((b"k", b"v")))
    await store.close()
    with plain(path) as root:
        del root[zodb_tree.ROOT][b"space/" + space.encode()]
    store = await opened(path)
    await store.commit(puts((b"l", b"w"), space=space))
    assert await store.get([("states", b"k"), (space, b"l")]) == [b"v", b"w"]
    await store.close()


async def test_damaged_file(path: Path) -> None:
    store = await opened(path)
    await store.commit(puts(*[(b"%05d" % number, b"x" * 500) for number in range(2000)]))
    await store.close()
    with path.open("r+b") as file:
        file.seek(200_000)
        file.write(b"\xff" * 400_000)
    for _ in range(2):
        with pytest.raises(Invalid, match=r"damaged.*backup"):
            await opened(path)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("zodb:", "names no file"),
        ("zodb:///", "names no file"),
        ("zodb:///x.fs?color=red", "no option 'color'"),
        ("zodb:///x.fs?wait=long", "wait=long"),
        ("zodb://host/1", "names no ZEO server"),
        ("zodb://host:99999/1", "names no ZEO server"),
        ("zodb:///x.fs?relstorage=postgresql%3A//host/db", "not in both"),
        ("zodb://?relstorage=mysql%3A//host/db", "names no database"),
        ("zodb://?relstorage=postgresql%3A//host/db%3Fcolour%3Dsecret", "not an address"),
    ],
)
async def test_urls_that_are_refused(url: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match=says) as caught:
        await open_store(url)
    assert "secret" not in str(caught.value)
    assert held(tmp_path / "x") == {}


async def test_relative_and_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = await open_store("zodb:///new/a%20b.fs")
    await store.commit(puts((b"k", b"v")))
    await store.close()
    store = await open_store(f"zodb:///{tmp_path}/new/a%20b.fs")
    assert await store.get([("states", b"k")]) == [b"v"]
    await store.close()


MISSING = """
import asyncio, sys
from emerge_wasm.errors import Unavailable
from emerge_wasm.stores import open_store
sys.modules[sys.argv[1]] = None
try:
    asyncio.run(open_store(sys.argv[2]))
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("ZODB", "zodb:///x.fs", "zodb"),
        ("ZEO", "zodb://127.0.0.1:1/x", "zodb"),
        ("relstorage", "zodb://?relstorage=postgresql%3A//h/d", "relstorage"),
    ],
)
def test_missing_package(module: str, url: str, extra: str, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", MISSING, module, url], capture_output=True, text=True, cwd=tmp_path)
    assert module in run.stdout and f"pip install 'emerge-wasm[{extra}]'" in run.stdout


async def test_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file"):
        await opened(tmp_path / "file" / "store.fs")
    with pytest.raises(Invalid, match="is a directory"):
        await opened(tmp_path)


async def test_full_disk(path: Path) -> None:
    """What does not fit is refused as a whole; smaller ones waiting beside it go on, and so does the store."""
    store = await opened(path)
    await store.commit(puts((b"before", b"1")))
    batches = [puts((b"a", b"1")), puts((b"big", bytes(1 << 20)), (b"half", b"1")), puts((b"b", b"2"))]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        small, big, other = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(big, LimitExceeded) and big.details["limit"] == "disk space" and str(path) in str(big)
    assert (small, other) == ([], [])
    assert [key for key, _ in await store.scan("states")] == [b"a", b"b", b"before"]
    await store.commit(puts((b"big", bytes(1 << 20))))
    await store.close()
    store = await opened(path)
    assert [key for key, _ in await store.scan("states")] == [b"a", b"b", b"before", b"big"]
    await store.close()


async def test_disk_that_fails_to_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell then whether the commit is there; the file closes itself, and is opened anew."""
    store = await opened(path)
    await store.commit(puts((b"before", b"1")))

    def fsync(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[FileStorage.__module__], "fsync", fsync)  # patched: no disk fails at will
        with pytest.raises(Unavailable, match=r"Input/output error.*unknown") as caught:
            await store.commit(puts((b"a", b"1"), (b"b", b"1")))
    assert caught.value.details["unknown"]
    await store.commit(puts((b"after", b"1")))
    keys = {key for key, _ in await store.scan("states")}
    assert keys in ({b"before", b"after"}, {b"before", b"a", b"b", b"after"})
    await store.close()


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """As a user who is not root, for whom permissions count."""
    if os.geteuid():
        yield
        return
    modes = {each: each.stat().st_mode for each in list(folder.parents)[:-2]}
    for each, mode in modes.items():
        each.chmod(mode | 0o55)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for each, mode in modes.items():
            each.chmod(mode)


async def test_read_only_place(path: Path) -> None:
    await (await opened(path)).close()
    path.parent.chmod(0o555)
    try:
        with unprivileged(path.parent), pytest.raises(Unavailable, match=r"Permission denied.*can be written"):
            await opened(path)
    finally:
        path.parent.chmod(0o755)


async def churn(store: Store, path: Path, rounds: int) -> int:
    """Overwrite the same rows again and again, and look at them meanwhile; the size of the largest file seen."""
    largest = 0
    for turn in range(rounds):
        await store.commit(
            Batch(
                puts=[("states", b"%03d" % number, b"%d" % turn * 50) for number in range(0, 100, 5)],
                appends=[("log", b"%d" % turn)],
            )
        )
        page = await store.scan("states")
        assert {value for _, value in page} == {b"%d" % turn * 50}
        largest = max(largest, size_of(path))
    return largest


async def test_file_is_packed_while_it_is_used(path: Path) -> None:
    store = await packed_early(path)
    largest = await churn(store, path, 300)
    assert await asyncio.to_thread(packer_of(store).wait, 5)
    packed = packer_of(store).size
    assert 0 < packed < largest
    assert [value for _, value in await scan_all(store, "log", 1000)] == [b"%d" % turn for turn in range(300)]
    await store.commit(puts((b"last", b"1"), space="meta"))
    await store.close()
    assert {each.name for each in path.parent.iterdir()} <= {path.name + end for end in ("", ".lock", ".tmp", ".index")}
    store = await packed_early(path)
    assert packer_of(store).size == packed, "it knows how large the file was after it was packed"
    assert await store.commit(Batch(appends=[("log", b"more")])) == [301]
    await store.close()


async def test_packed_file_is_on_disk_before_it_takes_the_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await packed_early(path)
    await churn(store, path, 30)
    synced: list[str] = []
    named = "/proc/self/fd/{}".format
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(named(fd))))  # patched: nothing else shows it
    packer_of(store).pack()
    assert synced == [f"{path}.pack"] and packer_of(store).size == size_of(path)
    await store.close()


async def test_close_stops_a_pack(path: Path) -> None:
    store: Store = await packed_early(path)
    assert isinstance(store, ZODBStore)
    await churn(store, path, 30)
    database, reached, go = store.session.database, threading.Event(), threading.Event()

    def slowly(*args: Any) -> Any:
        reached.set()
        go.wait(5)
        return database.references(*args)

    packer = store.session.packer = Packer(database.storage, slowly, 0, PackPolicy(small=0, margin=0.01))
    await store.commit(puts((b"k", b"v")))
    assert await asyncio.to_thread(reached.wait, 5)
    closing = asyncio.ensure_future(store.close())
    async with asyncio.timeout(5):
        while not packer.stopped:
            await asyncio.sleep(0.01)
        go.set()
        await closing
    assert packer.wait(0) and packer.size == 0
    store = await opened(path)
    assert await store.get([("states", b"k")]) == [b"v"]
    await store.close()


@pytest.mark.parametrize("lost", ["new", "old"])
async def test_killed_while_the_packed_file_took_the_place(path: Path, lost: str) -> None:
    store = await opened(path)
    await store.commit(puts((b"k", b"v")))
    await store.close()
    if lost == "new":
        rename(path, f"{path}.old")
    else:
        write(Path(f"{path}.old"), b"what was before")
        write(Path(f"{path}.pack"), b"half of it")
    store = await opened(path)
    assert await store.get([("states", b"k")]) == [b"v"]
    assert isinstance(store, ZODBStore)
    packer_of(store).pack()
    await store.commit(puts((b"l", b"w")))
    await store.close()
    store = await opened(path)
    assert await store.scan("states") == [(b"k", b"v"), (b"l", b"w")]
    await store.close()


async def test_any_zodb_program_can_read_it(path: Path) -> None:
    """With our two classes at hand it is an ordinary FileStorage of ordinary BTrees."""
    store = await opened(path)
    await store.commit(puts(*[(b"%04d" % number, b"v") for number in range(1000)]))
    await store.close()
    with plain(path) as root:
        tree = root[zodb_tree.ROOT][b"space/states"]
        tree._check()  # private: it is BTrees' own, and has no other name
        assert list(tree.keys(b"0990")) == [b"%04d" % number for number in range(990, 1000)]
    storage = FileStorage(str(path), read_only=True)
    assert len(storage) > 80
    storage.close()


async def test_errors_are_ours(path: Path) -> None:
    store = await opened(path)
    await store.close()
    with pytest.raises(EmergeError):
        await store.get([("states", b"k")])
