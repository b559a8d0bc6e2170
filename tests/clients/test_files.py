"""Files as clients see them: every byte at every place, whatever is lost, damaged, cut off or moved meanwhile."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Invalid, NotFound, Unavailable, dataclass
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.block_holder import ASKED, HeldPieces
from emerge_wasm.clients.file_reader import BlockSource
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.row import FRAME, key_of
from emerge_wasm.operations import Values, Wire
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.contracts.files import content, pattern
from tests.scale import SCALE, examples


class Wiretap(LocalTransport):
    """A transport that notes the calls, and may spoil or refuse them."""

    def __init__(self, filesystem: Filesystem) -> None:
        super().__init__(filesystem)
        self.sent = 0
        self.fail_after = 1 << 60
        self.flip = False
        self.slow = False

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if self.slow:
            await asyncio.sleep(0)  # others call meanwhile
        if name == "putblocks" and not (len(args) > 3 and args[3]):
            if self.sent >= self.fail_after:
                raise Unavailable("the line is cut")
            self.sent += sum(map(len, args[1].values()))
        answer = await super().call(name, args, context)
        if name == "getblocks" and self.flip:
            assert isinstance(answer, dict)
            answer["blocks"] = {name: bytes([data[0] ^ 1]) + data[1:] for name, data in answer["blocks"].items()}
        return answer


@pytest.fixture
async def tap() -> AsyncIterator[Wiretap]:
    filesystem = await Filesystem.open(await open_store("memory:"))
    yield Wiretap(filesystem)
    await filesystem.close()


@pytest.fixture
def client(tap: Wiretap) -> Client:
    return Client(tap)


@pytest.fixture(scope="module")
def kept() -> tuple[SyncClient, bytes]:
    """A client without await, and what is in its /kept, of three blocks and a bit."""

    async def opened() -> Client:
        return Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))

    fs, data = SyncClient(opened), pattern(3 * BLOCK_SIZE + 77)
    fs.put(io.BytesIO(data), "/kept")
    return fs, data


SIZES = st.builds(lambda blocks, more: max(blocks * BLOCK_SIZE + more, 0), st.integers(0, 2), st.integers(-2, 2))


@settings(max_examples=examples(6), deadline=None)
@given(SIZES | st.integers(0, 20_000), st.sampled_from([0, 5, 6]), st.integers(1, 2 * BLOCK_SIZE))
def test_what_is_put_is_what_is_read(kept: tuple[SyncClient, bytes], size: int, raid: int, piece: int) -> None:
    fs, data = kept[0], pattern(size, 3)
    piece = max(piece, size // 50)
    with fs.open("/any", "wb", raid=raid) as file:
        for at in range(0, size, piece):
            assert file.write(data[at : at + piece]) == len(data[at : at + piece])
        assert file.tell() == size
    assert fs.get("/any").size == size
    with fs.open("/any") as file:
        assert file.read() == data
    check = fs.verify("/any")
    assert (check["size"], check["blocks"], check["readable"]) == (size, -(-size // BLOCK_SIZE), True)


MOVES = st.lists(
    st.tuples(st.just("read"), st.integers(-1, BLOCK_SIZE + 5), st.just(0))
    | st.tuples(st.just("seek"), st.integers(-BLOCK_SIZE - 5, 4 * BLOCK_SIZE), st.integers(0, 2)),
    max_size=12,
)


@settings(max_examples=examples(15), deadline=None)
@given(MOVES)
def test_it_is_read_as_any_file(kept: tuple[SyncClient, bytes], moves: list[tuple[str, int, int]]) -> None:
    """Beside Python's own: whatever is read and sought in whatever order."""
    fs, data = kept
    ours, theirs = fs.open("/kept"), io.BytesIO(data)
    for kind, number, whence in moves:
        if kind == "read":
            assert ours.read(number) == theirs.read(number)
        else:
            base = {0: 0, 1: theirs.tell(), 2: len(data)}[whence]
            if base + number < 0:
                with pytest.raises(ValueError):
                    ours.seek(number, whence)
            else:
                assert ours.seek(number, whence) == theirs.seek(base + number)
        assert ours.tell() == theirs.tell()
    ours.close()
    with pytest.raises(ValueError):
        ours.read()


@pytest.mark.parametrize("raid", [0, 5, 6])
@pytest.mark.parametrize("how", ["lost", "damaged"])
async def test_losses_up_to_the_level_read_back_and_one_more_is_named(
    client: Client, tap: Wiretap, raid: int, how: str
) -> None:
    data = pattern(BLOCK_SIZE + 1000)
    await client.put(io.BytesIO(data), "/f", raid=raid)
    row = [row async for row in client.blocks("/f")][1]
    names = row["fragments"] or [row["name"]]
    allowed = max(raid - 4, 0)
    for count, name in enumerate(names[: allowed + 1], 1):
        key = key_of(FRAME, bytes.fromhex(name))
        (frame,) = await tap.filesystem.core.store.get([key])
        assert frame is not None
        batch = Batch()
        batch.put(*key, frame[:-1] + bytes([frame[-1] ^ 1])) if how == "damaged" else batch.delete(*key)
        await tap.filesystem.core.store.commit(batch)
        check = await client.verify("/f")
        assert check["amiss"][0]["amiss"] == dict.fromkeys(names[:count], how)
        if count <= allowed:
            assert await content(client, "/f") == data
            assert (check["readable"], check["amiss"][0]["state"]) == (True, "repairable")
    assert (check["readable"], check["amiss"][0]["state"]) == (False, "lost")
    with pytest.raises(Unavailable, match=r"/f|fragments") as caught:
        await content(client, "/f")
    assert set(caught.value.details["missing"]) == set(names[: allowed + 1])
    async with await client.open("/f") as file:  # the rest is there still
        assert await file.read(BLOCK_SIZE) == data[:BLOCK_SIZE]


@pytest.mark.filterwarnings("ignore::emerge_wasm.WrongBytes")
@pytest.mark.parametrize("raid", [0, 5])
async def test_wrong_bytes_on_the_way_are_never_read(client: Client, tap: Wiretap, raid: int) -> None:
    await client.put(io.BytesIO(b"true" * 10_000), "/f", raid=raid)
    tap.flip = True
    with pytest.raises(Unavailable, match="damaged on its way"):
        await content(client, "/f")


async def test_a_put_that_was_cut_off_goes_on_where_it_was(client: Client, tap: Wiretap, tmp_path: Path) -> None:
    data = pattern(20 * BLOCK_SIZE)
    (tmp_path / "big").write_bytes(data)
    tap.fail_after = 12 * BLOCK_SIZE
    with pytest.raises(Unavailable, match="cut"):
        await client.put(tmp_path / "big", "/big")
    with pytest.raises(NotFound):
        await client.get("/big")
    first, tap.sent, tap.fail_after = tap.sent, 0, 1 << 60
    seen: list[int] = []
    await client.put(tmp_path / "big", "/big", progress=seen.append)
    assert first >= 12 * BLOCK_SIZE and tap.sent == len(data) - first
    assert seen == sorted(seen) and seen[-1] == len(data)
    assert await content(client, "/big") == data
    tap.sent = 0
    (tmp_path / "big").write_bytes(data[: 19 * BLOCK_SIZE] + b"another end")
    await client.put(tmp_path / "big", "/big")
    assert tap.sent == len(b"another end")  # what the file there has is not sent


async def test_one_who_reads_keeps_what_was_opened(client: Client) -> None:
    data = pattern(3 * BLOCK_SIZE)
    await client.put(io.BytesIO(data), "/a")
    async with await client.open("/a") as file:
        assert await file.read(10) == data[:10]
        await client.put(io.BytesIO(b"another"), "/a")
        await client.mv("/a", "/b")
        assert await file.read() == data[10:]
    with pytest.raises(Invalid, match="closed"):
        await file.read(1)


@given(asked=st.integers(1, 5), finds=st.integers(0, 3))
@settings(deadline=None, max_examples=examples(10))
async def test_many_blocks_are_asked_for_as_it_is_moved(asked: int, finds: int) -> None:
    """Each of those who ask at the same time finds that nothing is at the path any more."""
    filesystem = await Filesystem.open(await open_store("memory:"))
    tap = Wiretap(filesystem)
    client, data = Client(tap), pattern(5 * BLOCK_SIZE)
    await client.put(io.BytesIO(data), "/a")
    async with await client.open("/a") as file:
        assert isinstance(file.source, BlockSource)
        holders = file.source.holders
        names = [each.row.name async for rows in file.source.rows() for each in rows]
        await client.mv("/a", "/b")
        tap.slow = True
        found = await asyncio.gather(
            *(holders.get(ASKED, [name]) for name in names[:asked]), *(holders.find(names) for _ in range(finds))
        )
        for name, pieces in zip(names[:asked], found, strict=False):
            assert isinstance(pieces, HeldPieces) and name in pieces.found
    await filesystem.close()


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """That of client and store together, in which some windows of blocks may be at a time."""
    filesystem = await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/s.db"))
    blocks = 40 * SCALE
    with (tmp_path / "big").open("wb") as file:
        for number in range(blocks):
            file.write(number.to_bytes(2, "big") * (BLOCK_SIZE // 2))
    client = Client(LocalTransport(filesystem))
    tracemalloc.start()
    try:
        await client.put(tmp_path / "big", "/big", raid=6)
        assert tracemalloc.get_traced_memory()[1] < 36 * BLOCK_SIZE
        tracemalloc.reset_peak()
        assert await client.fetch("/big", tmp_path / "back") == blocks * BLOCK_SIZE
        assert tracemalloc.get_traced_memory()[1] < 36 * BLOCK_SIZE
    finally:
        tracemalloc.stop()
    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
    await filesystem.close()


def test_it_serves_what_reads_and_writes_files(kept: tuple[SyncClient, bytes], tmp_path: Path) -> None:
    fs, _ = kept
    with fs.open("/z.zip", "wb") as file:
        with zipfile.ZipFile(file, "w") as zip:
            zip.writestr("inside", "some text\n" * 100)
        with pytest.raises(NotFound):
            fs.get("/z.zip")
    with zipfile.ZipFile(fs.open("/z.zip")) as zip:
        assert zip.read("inside") == b"some text\n" * 100
    with fs.open("/t.csv", "wb") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        csv.writer(text).writerows([["a", "ü"], [1, 2]])
    with io.TextIOWrapper(fs.open("/t.csv"), "utf-8") as text:
        assert list(csv.reader(text)) == [["a", "ü"], ["1", "2"]]


def test_a_file_that_was_not_closed_is_none(kept: tuple[SyncClient, bytes]) -> None:
    fs, _ = kept
    with pytest.raises(ZeroDivisionError), fs.open("/half", "wb") as file:
        file.write(b"half")
        raise ZeroDivisionError
    file = fs.open("/half", "wb")
    file.write(b"half")
    del file
    gc.collect()
    with pytest.raises(NotFound):
        fs.get("/half")


def test_files_of_this_machine(kept: tuple[SyncClient, bytes], tmp_path: Path) -> None:
    fs, data = kept
    source = tmp_path / "source.bin"
    source.write_bytes(data)
    assert fs.put(source, "/in/").full_path == "/in/source.bin"
    (tmp_path / "out").mkdir()
    assert fs.fetch("/in/source.bin", tmp_path / "out") == len(data)
    assert (tmp_path / "out" / "source.bin").read_bytes() == data
    target = io.BytesIO()
    assert fs.fetch("/in/source.bin", target) == len(data) and target.getvalue() == data
    with pytest.raises(Invalid, match="cannot be read"):
        fs.put(tmp_path / "nothing", "/x")
    with pytest.raises(Invalid, match="cannot be written"):
        fs.fetch("/in/source.bin", tmp_path / "no" / "folder")
    with pytest.raises(Invalid, match="not binary"):
        fs.put(io.StringIO("text"), "/x")  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["source.bin"]


@dataclass
class Report(EmergeFile):
    """An object that is read as a file."""

    rows: int = 3

    def read(self) -> list[str]:
        return [f"row {number}\n" for number in range(self.rows)]


def test_an_object_with_a_method_read_is_read_as_what_it_gives(place: object, emerge: object) -> None:
    from emerge_wasm import connect

    with connect(place.host) as fs:  # type: ignore[attr-defined]
        fs.store(Report(name="report", path="/files"))
        with fs.open("/files/report") as file:
            assert file.read() == b"row 0\nrow 1\nrow 2\n"
        fs.rm("/files/report")
