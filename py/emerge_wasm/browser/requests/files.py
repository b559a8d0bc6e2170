"""Requests about files in blocks: what the page puts, gets, looks into and checks. The client verifies all of it."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable

from ...blocks.block import BLOCK_SIZE, block_name
from ...clients.remote import ending
from ...codec import BlockTree, decode
from ...errors import Invalid, NotFound
from ...objects import BLOB
from ...results import FileBlock, MemberRows, PointerRow
from ..places.place import TabPlace
from ..protocol.argument import CheckArgs, DownloadArgs, PieceArgs, UploadArgs
from ..protocol.view import BlockHolderView, FileBlocks, FilePiece, FileTaken
from ..tab import Tab
from ..transfer import PageTransfer

MOST_PIECE = 256 << 10
MOST_AMISS = 200


async def upload(tab: Tab, args: UploadArgs) -> PointerRow:
    """Put the file that the page gave for this run. What an earlier run of the upload has sent is not sent again."""
    return await tab.under_way(args["run"], _upload(tab, args))


async def _upload(tab: Tab, args: UploadArgs) -> PointerRow:
    client, path, size = tab.find(args).reader, args["path"], args["size"]
    page, tell = PageTransfer(args["run"]), _teller(tab, args["run"], size)
    try:
        await _check_replaced(tab, args)
        writer = await client.open(path, "wb", raid=args["raid"])
        async with writer.go_on(args["upload"], tell):
            for begin in range(0, size, BLOCK_SIZE):
                await writer.write(await page.read(begin, min(begin + BLOCK_SIZE, size)))
    finally:
        await page.drop()
    assert writer.pointer is not None
    return writer.pointer.to_wire()


async def _check_replaced(tab: Tab, args: UploadArgs) -> None:
    """Raise Invalid where something is that is no file: it would become an older version of the file."""
    path = args["path"]
    try:
        pointer = await tab.find(args).reader.get(path)
    except NotFound:
        return
    if pointer.type != BLOB:
        raise Invalid(
            f"{path} is {'a directory' if pointer.is_directory else 'an object'}, and no file",
            path=path,
            remedy="put the file elsewhere, or move what is there",
        )


async def download(tab: Tab, args: DownloadArgs) -> FileTaken:
    """Pass a file to the page, each block verified."""
    return await tab.under_way(args["run"], _download(tab, args))


async def _download(tab: Tab, args: DownloadArgs) -> FileTaken:
    page = PageTransfer(args["run"])
    try:
        async with await tab.find(args).reader.open(args["path"], version=args["version"]) as reader:
            tell, done = _teller(tab, args["run"], reader.size), 0
            await page.create(reader.size)
            async for part in reader:
                page.append(part)
                done += len(part)
                tell(done)
            await page.finish()
            return {"name": reader.pointer.name, "size": reader.size}
    finally:
        await page.drop()


async def piece(tab: Tab, args: PieceArgs) -> FilePiece:
    """Read a piece of a file, in base64."""
    size = max(min(args["size"], MOST_PIECE), 0)
    async with await tab.find(args).reader.open(args["path"], version=args["version"]) as reader:
        reader.seek(args["begin"])
        data = await reader.read(size)
        return {"size": reader.size, "data": b64encode(data).decode()}


async def blocks(tab: Tab, args: CheckArgs) -> FileBlocks:
    """Tell which blocks of a file there are, and who has them; `verify` has them all read where they are."""
    remote = tab.find(args).reader.remote
    return await _follow(tab, args, lambda version: remote.blocks(args["path"], args["verify"], version))


async def repair(tab: Tab, args: DownloadArgs) -> FileBlocks:
    """Read all blocks of a file, and make again those that are lost or damaged, from parity or copies."""
    remote = tab.find(args).reader.remote
    return await _follow(tab, args, lambda version: remote.repair(args["path"], version))


async def _follow(tab: Tab, args: DownloadArgs, rows: Callable[[int], AsyncIterator[FileBlock]]) -> FileBlocks:
    return await tab.under_way(args["run"], _blocks(tab, args, rows))


async def _blocks(tab: Tab, args: DownloadArgs, rows: Callable[[int], AsyncIterator[FileBlock]]) -> FileBlocks:
    path = args["path"]
    row = await tab.find(args).reader.remote.getobject(path, args["version"])
    fields = decode(row["state"]) if row["state"] else {}
    content = fields.get("content")
    if not isinstance(content, BlockTree | bytes):
        raise Invalid(f"{path} is not a file", path=path)
    found: FileBlocks = {
        "root": block_name(content).hex() if isinstance(content, bytes) else content.root.hex(),
        "layout": str(fields.get("layout", "")),
        "here": 0,
        "repairable": 0,
        "lost": 0,
        "repaired": 0,
        "amiss": [],
        "holders": [],
    }
    tell, pieces = _teller(tab, args["run"], row["pointer"]["size"]), Counter[str]()
    async with ending(rows(row["pointer"]["version"])) as each_row:
        async for each in each_row:
            _count(found, each)
            pieces.update(node for nodes in each.get("holders", {}).values() for node in nodes)
            tell(each["offset"] + each["size"])
    found["holders"] = await _holders(tab.find(args), pieces)
    return found


def _count(found: FileBlocks, block: FileBlock) -> None:
    state = "here" if block["state"] == "repaired" else block["state"]
    found[state] += 1
    found["repaired"] += block["state"] == "repaired"
    if state != "here" and len(found["amiss"]) < MOST_AMISS:
        found["amiss"].append({"offset": block["offset"], "size": block["size"], "state": state})


async def _holders(place: TabPlace, pieces: Counter[str]) -> list[BlockHolderView]:
    if not pieces or place.name == "local":  # which has all of them itself
        return []
    members: MemberRows = await place.call("nodes", [])
    away = {row["node"] for row in members if row["state"] in ("away", "unreachable")}
    return [{"node": node, "pieces": count, "away": node in away} for node, count in sorted(pieces.items())]


def _teller(tab: Tab, run: int, total: int) -> Callable[[int], None]:
    """Return a function that tells the page how many bytes are done, at each hundredth."""
    told = -1

    def tell(done: int) -> None:
        nonlocal told
        hundredth = 100 * done // max(total, 1)
        if hundredth != told:
            told = hundredth
            tab.send({"event": "progress", "run": run, "done": done, "failed": 0, "total": total})

    return tell
