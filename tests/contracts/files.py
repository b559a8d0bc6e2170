"""What every filesystem must do with files in blocks. Part of the contract in `filesystem.py`."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from hashlib import shake_128

from emerge_wasm import Conflict, EmergeFile, Invalid, NotFound, PermissionDenied, Unavailable
from emerge_wasm.blocks.block import BLOCK_SIZE, INLINE_SIZE, block_name
from emerge_wasm.blocks.layout import INLINE
from emerge_wasm.clients import Client
from emerge_wasm.codec import encode
from tests.contracts.filesystem import refused, scenario


def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes of which no two blocks are alike, and which do not compress."""
    return shake_128(bytes([seed])).digest(size)


async def content(client: Client, path: str, version: int = 0, as_of: datetime | None = None) -> bytes:
    async with await client.open(path, version=version, as_of=as_of) as file:
        return await file.read()


@scenario
async def keeps_the_bytes_of_files(client: Client) -> None:
    data = pattern(BLOCK_SIZE + 5)
    for name, part in (("empty", b""), ("one", b"x"), ("more", data)):
        pointer = await client.put(io.BytesIO(part), f"/files/{name}")
        assert (pointer.full_path, pointer.size, pointer.version) == (f"/files/{name}", len(part), 1)
        assert await content(client, f"/files/{name}") == part
    assert [each.size for each in await client.list("/files")] == [0, len(data), 1]
    async with await client.open("/files/more") as file:
        assert file.seek(-3, 2) == len(data) - 3 and await file.read() == data[-3:]
        assert file.seek(BLOCK_SIZE - 2) and await file.read(4) == data[BLOCK_SIZE - 2 : BLOCK_SIZE + 2]
        assert file.tell() == BLOCK_SIZE + 2
    check = await client.verify("/files/more")
    assert (check["readable"], check["blocks"], check["amiss"], check["size"]) == (True, 2, [], len(data))
    assert [row["size"] async for row in client.blocks("/files/more")] == [BLOCK_SIZE, 5]


@scenario
async def small_files_grow_and_shrink(client: Client) -> None:
    sizes = (INLINE_SIZE, INLINE_SIZE + 1, 0, BLOCK_SIZE + 1, INLINE_SIZE - 1)
    for size in sizes:
        await client.put(io.BytesIO(pattern(size)), "/s")
        assert await content(client, "/s") == pattern(size) and (await client.get("/s")).size == size
        check = await client.verify("/s")
        assert (check["size"], check["readable"], check["amiss"]) == (size, True, [])
        assert (check["layout"] == "inline") == (size <= INLINE_SIZE)
        assert sum([row["size"] async for row in client.blocks("/s")]) == size
    for version, size in enumerate(sizes, 1):
        assert await content(client, "/s", version) == pattern(size)
    await refused(client.put(io.BytesIO(b"mine"), "/s", version=1), Conflict)
    large = encode({"id": "", "content": bytes(INLINE_SIZE + 1), "layout": INLINE})
    other = encode({"id": "", "content": b"x", "layout": "raid5 4+1"})
    for state, class_name in ((large, "EmergeBlob"), (other, "EmergeBlob"), (encode({"layout": INLINE}), "EmergeBlob"),
                              (encode({"content": b"x", "layout": INLINE}), "Other")):  # fmt: skip
        await refused(client.remote.store("/s", state, class_name, "", 0, "blob"), Invalid, "put the file")
    await client.put(io.BytesIO(b"small"), "/s", raid=5)
    assert (await client.verify("/s"))["layout"] == "raid5 4+1"


@scenario
async def reads_raid_5_and_6(client: Client) -> None:
    for raid in (5, 6):
        data = pattern(1000 + raid)
        await client.put(io.BytesIO(data), "/r", raid=raid)
        assert await content(client, "/r") == data
        rows = [row async for row in client.blocks("/r")]
        assert [len(row["fragments"]) for row in rows] == [raid] and rows[0]["state"] == "here"
    await refused(client.put(io.BytesIO(b"x"), "/q", raid=3), Invalid, "raid level 3")
    if (await client.hello())["shared"]:  # how many copies its store keeps is its affair, and `blocks` says so
        await client.put(io.BytesIO(b"x"), "/q", raid=1)
        (row,) = [row async for row in client.blocks("/q")]
        assert [whom[0].startswith("store:") for whom in row["holders"].values()] == [True]
    else:
        await refused(client.put(io.BytesIO(b"x"), "/q", raid=1), Unavailable, "nodes")
        await refused(client.get("/q"), NotFound)


@scenario
async def a_file_has_versions_and_moves_as_any_object(client: Client) -> None:
    first, second = pattern(3000), pattern(50_000, 2)  # one is kept inline, one in blocks
    await client.put(io.BytesIO(first), "/d/f")
    await asyncio.sleep(0.002)
    then = datetime.now(UTC)
    await asyncio.sleep(0.002)
    assert (await client.put(io.BytesIO(second), "/d/f")).version == 2
    assert await content(client, "/d/f", version=1) == first
    assert await content(client, "/d/f", as_of=then) == first
    assert [(row["version"], row["operation"], row["size"]) for row in await client.versions("/d/f")] == [
        (2, "put", 50_000),
        (1, "put", 3000),
    ]
    await client.mv("/d/f", "/d/g")
    await client.cp("/d/g", "/d/h")
    await client.rm("/d/g")
    await refused(client.open("/d/g"), NotFound)
    assert await content(client, "/d/h") == second
    assert (await client.get("/d/h")).size == 50_000
    await client.restore("/d/g")
    await client.restore("/d/g", 1)
    assert await content(client, "/d/g") == first and (await client.get("/d/g")).size == 3000
    await refused(client.put(io.BytesIO(b""), "/d/g", version=2), Conflict)
    await refused(client.update("/d/h", content=b"none"), Invalid, "/d/h", "put the file")
    await refused(client.store(await client.getobject("/d/h")), Invalid, "/d/h", "put the file")
    assert (await client.update("/d/h", note="of mine")).size == 50_000 and await content(client, "/d/h") == second
    await client.chmod("/d/h", "rw-------")
    await client.store(EmergeFile(name="h", path="/d", data="text in its place"))
    assert await content(client, "/d/h") == b"text in its place"


@scenario
async def nothing_is_seen_of_a_file_before_it_is_whole(client: Client) -> None:
    await client.put(io.BytesIO(b"before"), "/w")
    try:
        async with await client.open("/w", "wb") as file:
            await file.write(pattern(BLOCK_SIZE))
            assert await content(client, "/w") == b"before"
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await content(client, "/w") == b"before" and (await client.get("/w")).version == 1
    async with await client.open("/new", "xb") as file:
        await file.write(b"now")
        await refused(client.get("/new"), NotFound)
    assert await content(client, "/new") == b"now" and file.pointer is not None
    await refused(client.open("/new", "xb"), Invalid, "there already")
    await refused(client.open("/new", "ab"), Invalid, '"wb"')
    await refused(client.put(io.BytesIO(b"x"), "/"), Invalid)
    await client.mkdir("/dir")
    await refused(client.put(io.BytesIO(b"x"), "/dir"), Invalid, "directory")
    await refused(client.open("/dir"), Invalid, "directory")


@scenario
async def a_block_is_for_who_sent_it_or_may_read_it(client: Client) -> None:
    secret, kept = b"a secret" * 5000, "/home/secret"
    await client.put(io.BytesIO(secret), kept)
    root = (await client.verify(kept))["root"]
    name = block_name(secret).hex()
    await client.chmod(kept, "rw-------")
    await client.mkdir("/open")
    await client.chmod("/open", "rwxrwxrwx")
    guest = client.as_user("eve")
    await refused(guest.open(kept), PermissionDenied)
    await refused(guest.remote.getblocks(kept, [name]), PermissionDenied)
    await refused(guest.remote.haveblocks(kept, [name]), PermissionDenied)
    assert await guest.remote.haveblocks("/open/mine", [name]) == []
    await refused(guest.remote.putfile("/open/mine", root), Conflict)
    await guest.put(io.BytesIO(b"hers" * 9000), "/open/mine")
    await refused(guest.remote.getblocks("/open/mine", [name]), NotFound, name[:12])
    await refused(guest.remote.putblocks("/open/mine", {name: b"another"}), Invalid, name[:12])
    await refused(guest.remote.putblocks("/open/mine", {"no name": b""}), Invalid, "not the name of a block")
    state = (await client.remote.getobject(kept))["state"]
    await refused(guest.remote.store("/open/copy", state), PermissionDenied)


@scenario
async def what_was_sent_is_not_sent_again(client: Client) -> None:
    sent = {block_name(part).hex(): part for part in (b"one", b"two")}
    await client.remote.putblocks("/resumed", sent, "upload 7")
    names = [*sent, block_name(b"three").hex()]
    assert set(await client.remote.haveblocks("/resumed", names, "upload 7")) == set(sent)
    assert await client.remote.haveblocks("/resumed", names, "upload 8") == []
    assert await client.remote.haveblocks("/elsewhere", names, "upload 7") == []


@scenario
async def what_is_dropped_is_let_go(client: Client) -> None:
    sent = {block_name(part).hex(): part for part in (b"four", b"five")}
    for upload in ("upload 1", "upload 2"):
        await client.remote.putblocks("/dropped", sent, upload)
    await client.remote.dropblocks("/dropped", "upload 1")
    await client.remote.dropblocks("/dropped", "upload 1")
    assert await client.remote.haveblocks("/dropped", [*sent], "upload 1") == []
    assert set(await client.remote.haveblocks("/dropped", [*sent], "upload 2")) == set(sent)
    await client.mkdir("/mine")
    await refused(client.as_user("eve").remote.dropblocks("/mine/x", "upload 2"), PermissionDenied)


@scenario
async def blocks_are_placed_and_found(client: Client) -> None:
    """Of one filesystem, which is the only place."""
    sent = {block_name(part).hex(): part for part in (b"one block", b"another")}
    placed = await client.placeblocks("/placed", list(sent), "upload 9")
    (node,) = placed["nodes"]
    assert placed["layout"] == "raid0 1+0" and placed["places"] == {name: [node] for name in sent}
    assert await client.putblocks("/placed", sent, "upload 9", False, node) == 2
    assert (await client.placeblocks("/placed", list(sent), "upload 9"))["places"] == {}
    assert (await client.placeblocks("/placed", [], "upload 9", "raid6"))["layout"] == "raid6 4+2"
    await refused(client.placeblocks("/placed", ["no name"]), Invalid, "name of a block")
    if not (await client.hello())["shared"]:
        await refused(client.placeblocks("/placed", [], "", "raid1"), Unavailable, "needs 2 nodes")
    await refused(client.putblocks("/placed", sent, "upload 9", False, "nobody"), Invalid, "nobody")
    await client.put(io.BytesIO(pattern(20_000)), "/found")
    (row,) = [row async for row in client.blocks("/found")]
    for ask in (False, True):
        found = await client.findblocks("/found", [row["name"]], ask=ask)
        assert found["holders"] == {row["name"]: [node]} and found["silent"] == []
    await client.chmod("/found", "rw-------")
    await refused(client.as_user("eve").findblocks("/found", [row["name"]]), PermissionDenied)
    await refused(client.as_user("eve").placeblocks("/found", [row["name"]]), PermissionDenied)


@scenario
async def a_transaction_has_its_files(client: Client) -> None:
    async with client.transaction() as tx:
        await tx.put(io.BytesIO(b"inside"), "/t/f")
        assert await content(tx, "/t/f") == b"inside"
        await refused(client.get("/t/f"), NotFound)
    assert await content(client, "/t/f") == b"inside"


@scenario
async def objects_are_read_as_files(client: Client) -> None:
    await client.store(EmergeFile(name="t", data="text"))
    await client.store(EmergeFile(name="b", data=b"\0\1"))
    await client.store(EmergeFile(name="n", data=7))
    assert await content(client, "/t") == b"text" and await content(client, "/b") == b"\0\1"
    await refused(client.open("/n"), NotFound, "no bytes")
    await refused(client.remote.getblocks("/t", []), Invalid, "not a file in blocks")
