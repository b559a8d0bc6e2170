"""What a level allows to be lost is made again, on every kind of store; what is beyond it is named, and no more."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

import pytest

from emerge_wasm import EmergeFile, Invalid, NotFound, Unavailable
from emerge_wasm.blocks.block_map import BlockRow
from emerge_wasm.blocks.layout import Layout, make_layout
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.blocks import Blocks
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.files.holders import BlockHolder, NoHolders, WhoHas, set_holders
from emerge_wasm.stores import open_store
from tests.contracts.files import content
from tests.scale import examples

from .damaged import put_file, spoil, spoil_ditto, tree_of

STORES = ["memory", "sqlite", "s3"]
"""Blocks in rows, in a folder, and as objects."""

HOW = ["flip", "cut", "empty", "gone", "forgotten"]


def some_layout(source: random.Random) -> Layout:
    return make_layout(source.choice([0, 5, 6]), source.randint(2, 5))


def some_blocks(source: random.Random) -> list[bytes]:
    return [source.randbytes(source.randint(1, 3000)) for _ in range(source.randint(0, 9))]


async def lose(blocks: Blocks, rows: list[BlockRow], most: int, source: random.Random) -> set[bytes]:
    """Spoil up to so many fragments of each block."""
    lost: set[bytes] = set()
    for row in rows:
        for name in source.sample(row.kept, source.randint(0, most)):
            await spoil(blocks, name, source.choice(HOW), source)
            lost.add(name)
    return lost


@pytest.mark.parametrize("filesystem", STORES, indirect=True)
async def test_what_the_level_allows_is_made_again(filesystem: Filesystem, client: Client) -> None:
    blocks = filesystem.core.blocks
    for seed in range(examples(2)):
        source = random.Random(seed)
        layout, datas = some_layout(source), some_blocks(source)
        root = await put_file(client, "/f", layout, datas)
        maps, rows = await tree_of(blocks, root)
        lost = await lose(blocks, rows, layout.parity, source)
        for name in maps:
            await source.choice([spoil, spoil_ditto])(blocks, name, source.choice(HOW[:4]), source)
        report = await client.repair("/f")
        assert report["readable"] and report["checked"] == 1
        made = {name for row in report["files"][0]["repaired"] for name in row.get("made", {})}
        assert made == {name.hex() for name in {*lost, *maps}}
        assert await blocks.unsound([*maps, *(name for row in rows for name in row.kept)]) == {}
        assert await content(client, "/f") == b"".join(datas)
        assert (await client.repair("/f"))["files"] == []
    await collect(blocks)
    assert (await audit(filesystem.core.store)).faults == []


@pytest.mark.parametrize("filesystem", STORES, indirect=True)
async def test_what_is_beyond_it_is_named_and_the_rest_made_again(filesystem: Filesystem, client: Client) -> None:
    blocks = filesystem.core.blocks
    for seed in range(examples(2)):
        source = random.Random(seed)
        layout, datas = some_layout(source), [*some_blocks(source), b"one at least", b"another"]
        root = await put_file(client, "/f", layout, datas)
        _, rows = await tree_of(blocks, root)
        gone = source.sample(range(len(rows)), source.randint(1, len(rows)))
        for number in gone:
            for name in source.sample(rows[number].kept, layout.parity + 1):
                await spoil(blocks, name, source.choice(HOW), source)
        await lose(blocks, [row for number, row in enumerate(rows) if number not in gone], layout.parity, source)
        report = await client.repair("/f")
        (done,) = report["files"]
        assert not report["readable"]
        starts = [sum(map(len, datas[:number])) for number in range(len(datas))]
        assert [(row["offset"], row["name"]) for row in done["lost"]] == [
            (starts[number], rows[number].name.hex()) for number in sorted(gone)
        ]
        assert all(len(row["amiss"]) == layout.parity + 1 for row in done["lost"])
        with pytest.raises((Unavailable, NotFound, Invalid)):
            await content(client, "/f")
        left = [name for number, row in enumerate(rows) if number not in gone for name in row.kept]
        assert await blocks.unsound(left) == {}
        await put_file(client, "/f", layout, datas)  # who has the bytes can put them again
        assert (await client.repair("/f"))["readable"] and await content(client, "/f") == b"".join(datas)


@pytest.mark.parametrize("filesystem", STORES[:2], indirect=True)
async def test_a_map_without_any_copy_is_one_hole_and_what_is_beside_it_is_repaired(
    filesystem: Filesystem, client: Client
) -> None:
    blocks, source = filesystem.core.blocks, random.Random(1)
    datas = [source.randbytes(100) for _ in range(10)]
    root = await put_file(client, "/f", make_layout(5), datas)
    maps, rows = await tree_of(blocks, root)
    await spoil(blocks, maps[2], "gone", source)  # the blocks 4 to 7
    await spoil_ditto(blocks, maps[2], "flip", source)
    await spoil(blocks, rows[9].kept[0], "cut", source)
    (done,) = (await client.repair("/f"))["files"]
    assert [(row["name"], row["offset"], row["size"]) for row in done["lost"]] == [(maps[2].hex(), 400, 400)]
    assert [row["offset"] for row in done["repaired"]] == [900]


class Another(NoHolders):
    """Somebody who has copies, and takes nothing."""

    def __init__(self, copies: dict[bytes, bytes]) -> None:
        super().__init__("mine", "mine")
        self._copies = copies

    def alone(self) -> bool:
        return False

    async def find(self, names: Collection[bytes]) -> WhoHas:
        return WhoHas({name: [BlockHolder("other", "other")] for name in names}, [])

    async def get(self, holder: str, names: Collection[bytes]) -> dict[bytes, bytes]:
        return {name: self._copies[name] for name in names}


async def test_others_that_have_them_are_asked(filesystem: Filesystem, client: Client) -> None:
    """Beyond the level, and for what has none, too; one that sends wrong bytes is not believed."""
    blocks, source = filesystem.core.blocks, random.Random(3)
    large = source.randbytes(100_000)
    await client.store(EmergeFile(name="large", data=large))
    root = await put_file(client, "/f", make_layout(5), [source.randbytes(50) for _ in range(9)])
    maps, rows = await tree_of(blocks, root)
    (value,) = [bytes.fromhex(row["name"]) async for row in client.remote.repair("/large")]
    names = [*maps, *(name for row in rows for name in row.kept), value]
    copies = dict(zip(names, await blocks.read(names), strict=True))

    async def spoil_all() -> None:
        for name in names:
            await spoil(blocks, name, source.choice(HOW[:4]), source)
        for name in maps:
            await spoil_ditto(blocks, name, "gone", source)

    await spoil_all()
    set_holders(filesystem.core, Another({name: data + b"!" for name, data in copies.items()}))
    report = await client.repair("/")
    assert not report["readable"] and [len(each["repaired"]) for each in report["files"]] == [0, 0]
    set_holders(filesystem.core, Another(copies))
    report = await client.repair("/")
    assert report["readable"] and report["checked"] == 2
    assert await blocks.unsound(names) == {}
    assert (await client.getobject("/large")).data == large


async def test_it_is_of_files_that_the_caller_may_read(filesystem: Filesystem, client: Client) -> None:
    await put_file(client, "/d/f", make_layout(0), [b"data"])
    await client.chmod("/d/f", "rw-------")
    await client.chmod("/d", "rwxr-xr-x")
    assert (await client.as_user("eve").repair("/d"))["checked"] == 0
    with pytest.raises(Invalid, match="directory"):
        [row async for row in client.remote.repair("/d")]
    assert (await client.repair("/d"))["checked"] == 1


async def test_damage_that_is_put_again_is_none(tmp_path: Path) -> None:
    """A put never counts on what is damaged: what it acknowledged reads back."""
    filesystem = await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/s.db"))
    client, blocks, source = Client(LocalTransport(filesystem)), filesystem.core.blocks, random.Random(5)
    datas = [source.randbytes(500) for _ in range(2)]
    for raid, hows in ((0, HOW), (6, HOW[:2])):
        for how in hows:
            root = await put_file(client, f"/{raid}{how}", make_layout(raid), datas)
            _, rows = await tree_of(blocks, root)
            (tmp_path / "f").write_bytes(b"".join(datas))
            for name in (name for row in rows for name in row.kept):
                await spoil(blocks, name, how, source)
            sent = {name.hex() for row in rows for name in row.kept}
            assert await client.remote.haveblocks(f"/{raid}{how}", sorted(sent), "another") == []
            await put_file(client, f"/{raid}{how}", make_layout(raid), datas)
            assert await content(client, f"/{raid}{how}") == b"".join(datas)
    await filesystem.close()
