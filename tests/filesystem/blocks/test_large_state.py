"""A large value in a field is stored once, whatever versions, copies and readers there are, and nobody sees it."""

from __future__ import annotations

import io
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emerge_wasm import Conflict, EmergeFile, Invalid, LimitExceeded, PermissionDenied
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.recipe import LARGE, MARK
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import BlockTree, encode
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.row import FRAME, LEDGER, key_of
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store

PHOTO = random.Random(1).randbytes(3 * LARGE)
OTHER = random.Random(2).randbytes(2 * LARGE)


@dataclass
class Picture(EmergeFile):
    photo: object = b""
    title: str = ""
    mine: int = 0
    words: str = ""


def picture(name: str, photo: object = b"", **fields: object) -> Picture:
    return Picture(name=name, path="/inventory", photo=photo, **fields)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filesystem]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    filesystem = await Filesystem.open(await open_store(url), runner=Here())
    yield filesystem
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()


@pytest.fixture
def client(filesystem: Filesystem) -> Client:
    return Client(LocalTransport(filesystem))


async def sizes(filesystem: Filesystem) -> list[int]:
    """The sizes of all blocks, smallest first."""
    return sorted(size for _, size in await filesystem.core.blocks.page())


async def test_versions_share_it(client: Client, filesystem: Filesystem) -> None:
    await client.store(picture("p", photo=PHOTO, title="a"))
    for number in range(5):
        await client.update("/inventory/p", title=str(number))
    assert await sizes(filesystem) == [pytest.approx(len(PHOTO), abs=9)]
    await client.update("/inventory/p", photo=OTHER)
    assert len(await sizes(filesystem)) == 2
    for version, photo, title in ((1, PHOTO, "a"), (3, PHOTO, "1"), (7, OTHER, "4")):
        there = await client.cat("/inventory/p", version=version)
        assert (there["photo"], there["title"]) == (photo, title)
    found = await client.diff("/inventory/p", 1, 2)
    assert [each["field"] for each in found["fields"]] == ["title"]
    before = (await client.get("/inventory/p", version=3)).date
    assert (await client.cat("/inventory/p.photo", as_of=before)) == PHOTO
    await client.restore("/inventory/p", 1)
    assert (await client.getobject("/inventory/p")).photo == PHOTO  # type: ignore[attr-defined]


async def test_a_file_grows_by_one_copy(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store.db")
    client = Client(LocalTransport(await Filesystem.open(store)))
    large = random.Random(3).randbytes(4 << 20)
    await client.store(EmergeFile(name="p", data=large))
    for number in range(5):
        await client.update("/p", title=number)
    await store.close()
    assert 4 << 20 < (tmp_path / "store.db").stat().st_size < 5 << 20


async def test_copies_of_any_way_share_it(client: Client, filesystem: Filesystem) -> None:
    await client.store(picture("p", photo=PHOTO))
    await client.cp("/inventory/p", "/inventory/q")
    await client.cp("/inventory", "/other", recursive=True)
    await client.mv("/inventory/q", "/moved")
    async with client.transaction() as tx:
        await tx.store(picture("t", photo=PHOTO))
        assert (await tx.cat("/inventory/t"))["photo"] == PHOTO
    file = io.BytesIO()
    await client.export("/other", file)
    await client.rm("/other", recursive=True)
    file.seek(0)
    await client.load(file, "/loaded")
    for path in ("/loaded/p", "/loaded/q", "/moved", "/inventory/t"):
        assert (await client.cat(path))["photo"] == PHOTO
    assert len(await sizes(filesystem)) == 1
    page = [each async for each in client.objects("/inventory")]
    assert [each.photo for each in page] == [PHOTO] * len(page)  # type: ignore[attr-defined]


async def test_searches_see_it(client: Client) -> None:
    for name, photo in (("p", PHOTO), ("q", OTHER), ("r", b"")):
        await client.store(picture(name, photo=photo, words="word " * (LARGE // 4) + name))
    found = await client.search(lambda each: len(each.photo) > LARGE, "/inventory")
    assert sorted(each.name for each in found) == ["p", "q"]
    await client.index("/inventory", "words", text=True)
    assert [each.name for each in await client.searchtext("words", "r", "/inventory")] == ["r"]


async def test_merges_and_conflicts_see_it(client: Client) -> None:
    await client.store(picture("p", photo=PHOTO, title="a", mine=0))
    await client.update("/inventory/p", title="b")
    await client.update("/inventory/p", 1, mine=1)
    there = await client.cat("/inventory/p")
    assert (there["photo"], there["title"], there["mine"]) == (PHOTO, "b", 1)
    with pytest.raises(Conflict) as caught:
        await client.update("/inventory/p", 1, title="c")
    assert PHOTO in caught.value.details["base"] and PHOTO in caught.value.details["theirs"]


async def test_what_no_version_holds_is_collected(client: Client, filesystem: Filesystem) -> None:
    await client.store(picture("p", photo=PHOTO))
    await client.update("/inventory/p", photo=OTHER)
    assert (await collect(filesystem.core.blocks)).blocks == 0
    await client.retain("/inventory", "1")
    done = await collect(filesystem.core.blocks)
    assert (done.blocks, done.kept) == (1, 1) and done.size > len(PHOTO)
    assert (await client.cat("/inventory/p"))["photo"] == OTHER
    await client.store(picture("p", photo=PHOTO))
    assert (await client.cat("/inventory/p"))["photo"] == PHOTO


async def test_a_rotten_or_lost_block_is_named(client: Client, filesystem: Filesystem) -> None:
    await client.store(picture("p", photo=PHOTO, title="a"))
    ((name, _),) = await filesystem.core.blocks.page()
    store = filesystem.core.blocks.store
    (frame,) = await store.get([key_of(FRAME, name)])
    assert frame is not None
    for held, word in ((frame[:500] + b"x" + frame[501:], "damaged"), (None, "not here")):
        batch = Batch(deletes=[key_of(FRAME, name)])
        if held is not None:
            batch.put(*key_of(FRAME, name), held)
        await store.commit(batch)
        with pytest.raises((Invalid, LookupError), match=f"{name.hex()[:16]} is {word}"):
            await client.cat("/inventory/p")
        faults = (await audit(store)).faults
        assert any(name.hex()[:16] in fault for fault in faults)
        assert any("/inventory/p" in fault for fault in faults)
    await store.commit(Batch(puts=[(*key_of(FRAME, name), frame)]))


async def test_a_missing_ledger_row_is_a_fault(client: Client, filesystem: Filesystem) -> None:
    await client.store(picture("p", photo=PHOTO))
    ((name, _),) = await filesystem.core.blocks.page()
    store = filesystem.core.blocks.store
    (raw,) = await store.get([key_of(LEDGER, name)])
    assert raw is not None
    await store.commit(Batch(deletes=[key_of(LEDGER, name)]))
    faults = (await audit(store)).faults
    assert any("in no ledger" in fault for fault in faults) and any("names the block" in fault for fault in faults)
    await store.commit(Batch(puts=[(*key_of(LEDGER, name), raw)]))


async def test_to_know_a_hash_is_no_right_to_read(client: Client, filesystem: Filesystem) -> None:
    blocks = filesystem.core.blocks
    map = encode({"names": b""})
    tree = BlockTree(block_name(map), 0)
    with pytest.raises(Invalid, match="not here"):
        await client.store(picture("p", photo=tree))
    await blocks.put({tree.root: map}, "c", maps=True)
    await client.store(picture("p", photo=tree))
    await client.chmod("/", "rwxrwxrwx")
    await client.chmod("/inventory", "rwxrwxrwx")
    await client.chmod("/inventory/p", "rwxrwxrwx")
    guest = Client(LocalTransport(filesystem, Context("guest")))
    await guest.update("/inventory/p", title="b")
    await guest.cp("/inventory/p", "/inventory/q")
    await guest.update("/inventory/q", photo=[tree, tree])  # it has it already
    with pytest.raises(PermissionDenied, match="blocks that are not its own"):
        await guest.store(picture("g", photo=tree))
    await blocks.release("c")
    assert (await collect(blocks)).blocks == 0
    await client.rm("/inventory", recursive=True)
    await client.retain("/", "1")


async def test_no_sent_state_is_taken_for_a_recipe(client: Client, filesystem: Filesystem) -> None:
    with pytest.raises(Invalid):
        await filesystem.dispatch("store", ["/x", MARK + b"\x93\x00\x90\xc4\x00", "EmergeFile", "", 0])
    with pytest.raises(Invalid):
        await filesystem.core.store.commit(Batch(puts=[("states", b"k", MARK + b"\x93\x00\x90\xc4\x00")]))


async def test_above_the_bound_the_error_names_put() -> None:
    client = Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))
    await client.store(picture("p", photo=bytes(40 << 20)))
    large = bytes((64 << 20) + 1)
    with pytest.raises(LimitExceeded, match=r"fs\.put"):
        await client.store(picture("q", photo=large))
    with pytest.raises(LimitExceeded, match=r"fs\.put"):
        await client.store(picture("q", photo=[large, {1}]))
    with pytest.raises(LimitExceeded, match=r"fs\.put"):
        await client.update("/inventory/p", words="x" * (30 << 20))  # each may be, both together may not
    assert len((await client.cat("/inventory/p"))["photo"]) == 40 << 20
