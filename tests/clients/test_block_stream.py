"""A stream of blocks from several holders that are slow, stand still, die and lie: as the picker says, in real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from emerge_wasm import PermissionDenied, Unavailable, WrongBytes, sync
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.block_map import BlockRow
from emerge_wasm.blocks.layout import Layout, make_layout, split
from emerge_wasm.clients.block_holder import HeldPieces
from emerge_wasm.clients.block_stream import BlockStream, FileRow

BLOCKS = [bytes([number]) * 100_000 for number in range(40)]


class Directory:
    """Holders by what they do; each has all pieces. `late`: those that only a question to everybody finds."""

    def __init__(self, pieces: dict[bytes, bytes], *holders: str, late: Sequence[str] = ()) -> None:
        self.pieces = pieces
        self.holders = holders
        self.late = late
        self.asked: list[str] = []
        self.seconds = 0.002

    def nearest(self, names: Sequence[bytes]) -> Mapping[bytes, Sequence[str]]:
        return dict.fromkeys(names, self.holders)

    async def find(self, names: Sequence[bytes], *, ask: bool = False) -> Mapping[bytes, Sequence[str]]:
        return dict.fromkeys(names, (*self.holders, *self.late) if ask else self.holders)

    async def get(self, holder: str, names: Sequence[bytes]) -> HeldPieces:
        self.asked.append(holder)
        if self.seconds:
            await asyncio.sleep(60 if holder == "still" else self.seconds)
        if holder == "dead":
            raise Unavailable("it is dead")
        if holder == "strict":
            raise PermissionDenied("you may not read it")
        if holder == "empty":
            return HeldPieces({}, dict.fromkeys(names, "it is not here"))
        found = {name: self.pieces[name] for name in names}
        return HeldPieces({name: data[::-1] + b"!" if holder == "liar" else data for name, data in found.items()}, {})


async def rows(blocks: list[bytes], layout: Layout) -> AsyncIterator[list[FileRow]]:
    offset = 0
    for block in blocks:
        row = BlockRow(block_name(block), len(block), tuple(map(block_name, split(layout, block))))
        yield [FileRow(offset, layout, row)]
        offset += len(block)


def open_stream(*holders: str, raid: int = 0, late: Sequence[str] = ()) -> tuple[BlockStream, Directory]:
    layout = make_layout(raid)
    pieces = [piece for block in BLOCKS for piece in split(layout, block) or [block]]
    directory = Directory({block_name(piece): piece for piece in pieces}, *holders, late=late)
    return BlockStream("/f", directory, rows(BLOCKS, layout), window=1 << 20), directory


async def read(stream: BlockStream) -> list[bytes]:
    found = []
    try:
        while (block := await stream.next()) is not None:
            if block.error is not None:
                raise block.error
            found.append(block.data)
    finally:
        await stream.close()
    return found


@pytest.mark.parametrize("raid", [0, 6])
@pytest.mark.parametrize("bad", ["still", "dead", "empty", "strict"])
async def test_another_one_gives_what_one_does_not(bad: str, raid: int) -> None:
    stream, directory = open_stream(bad, "good", raid=raid)
    begun = time.monotonic()
    assert await read(stream) == BLOCKS
    assert time.monotonic() - begun < 3 and directory.asked.count(bad) < len(BLOCKS)


@pytest.mark.parametrize("raid", [0, 5])
async def test_one_that_lies_is_named(raid: int) -> None:
    stream, directory = open_stream("liar", "good", raid=raid)
    with pytest.warns(WrongBytes, match="liar sent wrong bytes for /f"):
        assert await read(stream) == BLOCKS
    assert directory.asked.count("liar") < 8


async def test_who_has_it_is_asked_when_those_known_have_not() -> None:
    stream, _ = open_stream("empty", "dead", late=("good",))
    assert await read(stream) == BLOCKS


async def test_what_nobody_has_is_said_with_who_lacks_it() -> None:
    stream, _ = open_stream("empty", "dead")
    with pytest.raises(Unavailable, match=r"/f .* at 0 .*empty: it is not here; dead: it is dead") as caught:
        await read(stream)
    name = block_name(BLOCKS[0]).hex()
    assert caught.value.details["holders"] == {name: {"empty": "it is not here", "dead": "it is dead"}}
    with pytest.raises(PermissionDenied):
        await read(open_stream("strict")[0])


@pytest.mark.filterwarnings("ignore::emerge_wasm.WrongBytes")
@pytest.mark.parametrize("raid", [0, 6])
@pytest.mark.parametrize("bad", ["dead", "empty", "liar"])
def test_where_nothing_suspends_it_reads_too(monkeypatch: pytest.MonkeyPatch, bad: str, raid: int) -> None:
    """As in a sandbox, whose transport blocks."""
    monkeypatch.setattr(sync, "drive", sync.run_straight)  # patched: it is a sandbox's worker that sets it
    stream, directory = open_stream(bad, "good", raid=raid)
    directory.seconds = 0
    assert sync.run_straight(read(stream)) == BLOCKS
    stream, directory = open_stream("dead")
    directory.seconds = 0
    with pytest.raises(Unavailable):
        sync.run_straight(read(stream))
