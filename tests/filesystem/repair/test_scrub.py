"""Blocks are read in the background, at no more than a rate, and what is amiss is made again and reported."""

from __future__ import annotations

import asyncio
import random

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.layout import make_layout
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.repair import scrubber
from emerge_wasm.filesystem.repair.schedule import ScrubSchedule
from emerge_wasm.results import ScrubInfo
from emerge_wasm.stores import open_store
from tests.backends import Started
from tests.contracts.files import content

from .damaged import put_file, spoil, spoil_ditto, tree_of
from .test_repair import HOW, STORES, lose, some_blocks, some_layout


async def scrubbed(client: Client) -> ScrubInfo:
    """The report of a whole pass that begins now."""
    before = (await client.scrub())["last"]
    await client.scrub(start=True)
    for _ in range(500):
        last = (await client.scrub())["last"]
        if last is not None and (before is None or last["begun"] > before["begun"]):
            return last
        await asyncio.sleep(0.01)
    raise AssertionError("it is never scrubbed")


@pytest.mark.parametrize("filesystem", STORES, indirect=True)
async def test_all_versions_and_values_are_made_again_as_far_as_can_be(filesystem: Filesystem, client: Client) -> None:
    blocks, source = filesystem.core.blocks, random.Random(2)
    names: set[bytes] = set()
    lost: set[bytes] = set()
    contents: list[bytes] = []
    for _ in range(3):
        layout, datas = some_layout(source), some_blocks(source)
        maps, rows = await tree_of(blocks, await put_file(client, "/f", layout, datas))
        names |= {*maps, *(name for row in rows for name in row.kept)}
        lost |= await lose(blocks, rows, layout.parity, source)
        for name in maps:
            await source.choice([spoil, spoil_ditto])(blocks, name, source.choice(HOW[:4]), source)
        lost |= set(maps)
        contents.append(b"".join(datas))
    done = await scrubbed(client)
    assert (done["mended"], done["losses"], done["unread"]) == (len(lost), 0, 0)
    assert await blocks.unsound(names) == {}
    assert [await content(client, "/f", version=number) for number in (1, 2, 3)] == contents
    last = await scrubbed(client)
    assert (last["mended"], last["blocks"]) == (0, len(names))


async def test_what_cannot_be_had_is_reported_each_time(filesystem: Filesystem, client: Client) -> None:
    blocks, source = filesystem.core.blocks, random.Random(2)
    await client.store(EmergeFile(name="large", data=source.randbytes(100_000)))
    (value,) = [bytes.fromhex(row["name"]) async for row in client.remote.repair("/large")]
    _, rows = await tree_of(blocks, await put_file(client, "/f", make_layout(5), [b"some data"]))
    gone = {value, *rows[0].kept[:2]}
    for name in gone:
        await spoil(blocks, name, source.choice(HOW), source)
    for _ in range(2):
        done = await scrubbed(client)
        assert {*done["lost"]} == {name.hex() for name in gone} and done["losses"] == 3
        hello = await client.hello()
        assert (hello["scrubbed"], hello["lost"]) == (done["ended"], 3)
    report = await audit(filesystem.core.store)
    assert all(any(name.hex()[:16] in fault for fault in report.faults) for name in gone)


async def test_what_nothing_refers_to_is_no_loss(filesystem: Filesystem, client: Client) -> None:
    """A block may be on its way: in the ledger already, and not written yet."""
    name = block_name(b"on its way")
    await filesystem.core.blocks.put({name: b"on its way"}, "somebody")
    await spoil(filesystem.core.blocks, name, "gone", random.Random(1))
    assert (await scrubbed(client))["losses"] == 0


async def test_it_goes_on_where_it_was(backends: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its rate, and after the process that scrubbed was killed."""
    monkeypatch.setattr(scrubber, "SAVE_SECONDS", 0.0)  # patched: it saves every 10 seconds
    url = backends.url("sqlite")
    filesystem = await Filesystem.open(await open_store(url))
    client, source = Client(LocalTransport(filesystem)), random.Random(4)
    await put_file(client, "/f", make_layout(0), [source.randbytes(100) for _ in range(90)])
    await filesystem.close()
    loop = asyncio.get_running_loop()
    rate, begun, opened = 100 * 4096, loop.time(), 0
    while opened < 20:
        filesystem = await Filesystem.open(await open_store(url), scrub=ScrubSchedule(rate, 1.0))
        client, opened = Client(LocalTransport(filesystem)), opened + 1
        if opened == 1:
            await client.scrub(start=True)
        await asyncio.sleep(0.8)
        report = await client.scrub()
        await filesystem.close()
        if report["now"] is None:
            break
        assert report["now"]["blocks"] <= (loop.time() - begun) * 100 + 100
    assert report["last"] is not None and opened > 1
    # of a page that was not saved, some are read again
    assert 90 < report["last"]["blocks"] <= 90 + 30 + 64 * opened
    assert loop.time() - begun > 90 / 100


async def test_by_its_schedule(backends: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber, "FIRST_SECONDS", 0.05)  # patched: it begins after ten minutes
    opened = await Filesystem.open(await open_store(backends.url("memory")), scrub=ScrubSchedule(1 << 30, 1e-6))
    client, begun = Client(LocalTransport(opened)), set[str]()
    for _ in range(300):
        await asyncio.sleep(0.01)
        last = (await client.scrub())["last"]
        begun |= {last["begun"]} if last else set()
        if len(begun) > 2:
            break
    assert len(begun) > 2
    await opened.close()


async def test_one_of_those_who_share_a_store_scrubs_it(backends: Started) -> None:
    store = await open_store(backends.url("memory"))
    first, second = [await Filesystem.open(store, node=name) for name in ("a", "b")]
    await put_file(Client(LocalTransport(first)), "/f", make_layout(0), [b"1" * 900_000, b"2" * 900_000])
    first.scrubber.start(ScrubSchedule(200_000, 1.0))
    await Client(LocalTransport(first)).scrub(start=True)
    await asyncio.sleep(0.05)
    now = (await Client(LocalTransport(second)).scrub(start=True))["now"]
    await asyncio.sleep(0.05)
    assert now is not None and (await Client(LocalTransport(second)).scrub())["now"] == now
    await first.scrubber.close()
    await second.close()


async def test_a_store_that_is_away_is_no_damage(filesystem: Filesystem, client: Client) -> None:
    blocks = filesystem.core.blocks
    await put_file(client, "/f", make_layout(6), [b"some data"])
    read, failing = blocks.frames, [3]

    async def frames(names: object) -> dict[bytes, bytes]:
        failing[0] -= 1
        if failing[0] >= 0:
            raise Unavailable("the disk does not answer")
        return await read(names)  # type: ignore[arg-type]

    blocks.frames = frames  # type: ignore[method-assign]
    done = await scrubbed(client)
    assert (done["unread"], done["mended"], done["losses"]) == (3, 0, 0)


async def test_a_collection_between_any_two_steps(filesystem: Filesystem, client: Client) -> None:
    """What is removed while it is scrubbed is neither lost nor made again."""
    source = random.Random(6)
    for number in range(8):
        await put_file(client, f"/{number}", make_layout(5), [source.randbytes(10)])
        await client.scrub(start=True)
        for _ in range(number):
            await asyncio.sleep(0)
        await client.rm(f"/{number}")
        await client.retain("/", "1")
        await collect(filesystem.core.blocks, 1 << 62)
        assert (await scrubbed(client))["losses"] == 0
