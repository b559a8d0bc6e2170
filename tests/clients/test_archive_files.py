"""Archives that hold files in blocks: what comes out is what went in; nothing comes to harm by one that is forged."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeFile, Invalid, Unavailable
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import BlockTree, decode, encode
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.row import FRAME, key_of
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.contracts.files import content, pattern
from tests.contracts.filesystem import refused
from tests.scale import examples


@pytest.fixture
async def places() -> AsyncIterator[tuple[Filesystem, Filesystem]]:
    """Two filesystems, which are sound in the end."""
    both = [await Filesystem.open(await open_store("memory:")) for _ in range(2)]
    yield both[0], both[1]
    for each in both:
        assert (await audit(each.core.store)).faults == []
        await each.close()


@pytest.fixture
def source(places: tuple[Filesystem, Filesystem]) -> Client:
    return Client(LocalTransport(places[0]))


@pytest.fixture
def target(places: tuple[Filesystem, Filesystem]) -> Client:
    return Client(LocalTransport(places[1]))


async def archive_of(client: Client, path: str, versions: bool = True) -> io.BytesIO:
    file = io.BytesIO()
    await client.export(path, file, versions)
    file.seek(0)
    return file


def forged(archive: io.BytesIO, change: dict[str, bytes | None]) -> io.BytesIO:
    """Another archive, with a manifest that fits, whose members are these (None: left out)."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()} | change
    manifest = json.loads(members.pop("manifest.json") or b"")
    kept = {name: data for name, data in members.items() if data is not None}
    manifest["members"] = {name: sha256(data).hexdigest() for name, data in kept.items()}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as new:
        for name, data in {**kept, "manifest.json": json.dumps(manifest).encode()}.items():
            new.writestr(name, data)
    made.seek(0)
    return made


NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]

FILES = st.tuples(
    st.sampled_from(["a", "b", "d/c", "d/e/f"]),
    st.sampled_from([0, 1, 20_000, BLOCK_SIZE, 2 * BLOCK_SIZE + 7]),
    st.integers(1, 3),
    st.sampled_from([0, 5, 6]),
    st.sampled_from(["fixed", "fastcdc"]),
)


@pytest.fixture(scope="module")
def filesystems() -> tuple[SyncClient, SyncClient]:
    async def opened() -> Client:
        return Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))

    return SyncClient(opened), SyncClient(opened)


@settings(max_examples=examples(3), deadline=None, phases=NO_SHRINKING)
@given(st.lists(FILES, min_size=1, max_size=5), st.booleans())
def test_a_tree_of_files_is_the_same_elsewhere(
    filesystems: tuple[SyncClient, SyncClient], files: list[tuple[str, int, int, int, str]], versions: bool
) -> None:
    fs, other = filesystems
    top = f"/{uuid4().hex}"
    fs.store(EmergeFile(name="note", path=top, data="beside them"))
    for name, size, seed, raid, chunking in files:
        fs.put(io.BytesIO(pattern(size, seed)), f"{top}/{name}", raid=raid, chunking=chunking)  # type: ignore[arg-type]
    archive = io.BytesIO()
    fs.export(top, archive, versions)
    archive.seek(0)
    other.load(archive, top)
    assert other.cat(f"{top}/note.data") == "beside them"
    for path in {f"{top}/{name}" for name, *_ in files}:
        rows = fs.versions(path)
        kept = [row["version"] for row in rows][: None if versions else 1]
        assert [row["version"] for row in other.versions(path)] == kept
        for row in other.versions(path):
            assert other.open(path, version=row["version"]).read() == fs.open(path, version=row["version"]).read()
            assert row["size"] == next(each["size"] for each in rows if each["version"] == row["version"])
        assert other.verify(path) == fs.verify(path) and other.verify(path)["readable"]


async def test_a_block_is_in_the_archive_once(source: Client, target: Client) -> None:
    data = pattern(BLOCK_SIZE)
    for name, raid in (("a", 0), ("b", 0), ("c", 6)):
        await source.put(io.BytesIO(data), f"/t/{name}", raid=raid)
    archive = await archive_of(source, "/t")
    with zipfile.ZipFile(archive) as zip:
        names = [name for name in zip.namelist() if name.startswith("blocks/")]
        assert f"blocks/{sha256(data).hexdigest()}" in names and len(names) == 3, "one block, and two maps"
        assert json.loads(zip.read("manifest.json"))["format"] == "emerge archive 2"
    assert await target.load(archive, "/") == 3
    assert (await target.verify("/c"))["layout"] == "raid6 4+2"
    await target.rm("/b")
    single = await archive_of(source, "/t/b")
    assert await target.load(single, "/one") == 1 and await content(target, "/one/b") == data


async def test_what_was_removed_is_loaded_again(source: Client) -> None:
    data = pattern(BLOCK_SIZE + 1)
    await source.put(io.BytesIO(b"x" * 40_000), "/t/a")
    await source.put(io.BytesIO(data), "/t/a")
    archive = await archive_of(source, "/t")
    await source.rm("/t", recursive=True)
    await source.load(archive, "/t")
    assert await content(source, "/t/a") == data and (await source.get("/t/a")).size == len(data)


async def test_without_files_an_archive_is_as_it_was(source: Client, target: Client) -> None:
    await source.store(EmergeFile(name="x", path="/t", data=1))
    await source.put(io.BytesIO(b"small"), "/t/small")
    archive = await archive_of(source, "/t")
    with zipfile.ZipFile(archive) as zip:
        assert json.loads(zip.read("manifest.json"))["format"] == "emerge archive 1"
    await target.load(archive, "/")
    assert await content(target, "/small") == b"small"


async def test_a_lost_block_is_an_error_of_the_export(
    source: Client, places: tuple[Filesystem, Filesystem], tmp_path: Path
) -> None:
    data = pattern(BLOCK_SIZE)
    for raid in (0, 5):
        await source.put(io.BytesIO(data), f"/t/{raid}", raid=raid)
    store = places[0].core.store
    lost = sha256(data).digest()
    (frame,) = await store.get([key_of(FRAME, lost)])
    fragment = bytes.fromhex((await anext(source.blocks("/t/5")))["fragments"][0])
    (other,) = await store.get([key_of(FRAME, fragment)])
    await store.commit(Batch(deletes=[key_of(FRAME, lost), key_of(FRAME, fragment)]))
    file = tmp_path / "t.emerge"
    await refused(source.export("/t", str(file)), Unavailable, "/t/0")
    assert not file.exists()
    await source.export("/t/5", str(file))
    assert frame is not None and other is not None
    await store.commit(Batch(puts=[(*key_of(FRAME, lost), frame), (*key_of(FRAME, fragment), other)]))


async def test_a_damaged_or_forged_archive_loads_nothing(source: Client, target: Client) -> None:
    data = pattern(BLOCK_SIZE + 9)
    await source.put(io.BytesIO(data), "/t/a")
    archive = await archive_of(source, "/t")
    block = f"blocks/{sha256(data[:BLOCK_SIZE]).hexdigest()}"
    await refused(target.load(forged(archive, {block: data[1 : BLOCK_SIZE + 1]}), "/"), Invalid, "damaged")
    await refused(target.load(forged(archive, {block: None}), "/"), Invalid, "lacks")
    with zipfile.ZipFile(archive) as zip:
        records = [decode(each) for each in decode(zip.read("records/00000001"))]
    (row,) = next(each for each in records if each["path"] == "/a")["versions"]
    state = decode(row["state"])
    for size in (0, 1, 1 << 50):
        row["state"] = encode({**state, "content": BlockTree(state["content"].root, size)})
        changed = forged(archive, {"records/00000001": encode([encode(each) for each in records])})
        await refused(target.load(changed, "/"), Invalid, "bytes")
    assert await target.list("/") == []


async def test_a_hash_in_a_record_is_no_right_to_read(source: Client) -> None:
    await source.chmod("/", "rwxrwxrwx")
    await source.put(io.BytesIO(pattern(30_000)), "/t/secret")
    await source.chmod("/t/secret", "rw-------")
    records = [record async for record in source.remote.export("/t")]
    record = next(each for each in records if each["path"] == "/secret")
    record["uuid"] = "0" * 31 + "2"
    await refused(source.as_user("eve").load_records("/eve", [record], {}), Conflict, "not here")
    await refused(source.as_user("eve").load_records("/eve", [record], {}, "any"), Conflict, "not here")


@pytest.mark.usefixtures("traced")
async def test_large_files_pass_in_bounded_memory(tmp_path: Path) -> None:
    size, piece = 48 * BLOCK_SIZE, pattern(8 * BLOCK_SIZE)
    filesystem, other = [await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/{name}")) for name in "ab"]
    client, target = Client(LocalTransport(filesystem)), Client(LocalTransport(other))
    async with await client.open("/t/large", "wb") as writer:
        for begin in range(size // len(piece)):
            await writer.write(bytes([begin]) + piece[1:])
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    await client.export("/t", str(tmp_path / "t.emerge"))
    await target.load(str(tmp_path / "t.emerge"), "/")
    assert tracemalloc.get_traced_memory()[1] - before < size * 3 // 4
    assert (await target.verify("/large"))["root"] == (await client.verify("/t/large"))["root"]
    await filesystem.close()
    await other.close()
