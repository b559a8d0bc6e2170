"""Objects whose method yields what is read of them: in constant memory, by every way, ended when the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from emerge_wasm import EmergeFile, connect
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.registry import open_transport
from emerge_wasm.errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded
from tests.conftest import Server, start_server

PIECE = 100_000
MANY = 180
"""Pieces, more bytes than one run may return."""


@dataclass
class Numbers(EmergeFile):
    """An object that is read as bytes that nobody has whole."""

    count: int = 3
    fails_at: int = -1
    begun: int = 0

    def read(self) -> Iterator[bytes]:
        self.begun += 1
        for number in range(self.count):
            if number == self.fails_at:
                raise ValueError("the well is dry")
            yield bytes([number % 251]) * 100_000


@dataclass
class Later(EmergeFile):
    async def read(self) -> AsyncIterator[str | bytes]:
        yield "grün "
        yield b"\x00\xff" * 40_000
        yield bytearray(b"end")


@dataclass
class At(EmergeFile):
    value: int = 0

    def read(self) -> object:
        return [1, "two"] if self.value == 0 else {"a": 1} if self.value == 1 else self.value


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _relay(place: Server) -> str:
    return place.found["url"].split("?")[0].split("#")[0].rstrip("/")


def expected(count: int) -> bytes:
    return b"".join(bytes([number % 251]) * PIECE for number in range(count))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(
        "up", "--no-open", "--port", "0", "--node-port", "0", "--dir", str(tmp_path_factory.mktemp("place"))
    )
    with connect(server.found["node"]) as fs:
        for count in (0, 1, 3, MANY):
            fs.store(Numbers(name=f"n{count}", path="/read", count=count))
        fs.store(Numbers(name="broken", path="/read", count=MANY, fails_at=MANY // 2))
        fs.store(Numbers(name="endless", path="/read", count=1 << 40))
        fs.store(Later(name="later", path="/read"))
        for value in range(3):
            fs.store(At(name=f"at{value}", path="/read", value=value))
    yield server
    server.stop()


@pytest.fixture(params=["node", "relay"])
async def client(place: Server, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """One that asks the node, or a relay before it."""
    if request.param == "node":
        transport = open_transport(place.found["node"])
    else:
        transport = open_transport(_relay(place).replace("http", "ws", 1), token=place.found["token"])
    async with Client(transport) as made:
        yield made


@pytest.mark.parametrize("count", [0, 1, 3, MANY])
async def test_it_is_read_to_its_end_by_open_and_fetch(client: Client, count: int, tmp_path: Path) -> None:
    async with await client.open(f"/read/n{count}") as file:
        assert await file.read() == expected(count) and file.size == count * PIECE and await file.read() == b""
    assert await client.fetch(f"/read/n{count}", tmp_path / "f") == count * PIECE
    assert (tmp_path / "f").read_bytes() == expected(count)
    assert _names(tmp_path) == {"f"}


async def test_a_method_that_awaits_gives_text_and_bytes(client: Client) -> None:
    async with await client.open("/read/later") as file:
        assert await file.read() == "grün ".encode() + b"\x00\xff" * 40_000 + b"end"


@pytest.mark.parametrize("value", [0, 1, 2])
async def test_what_is_no_bytes_is_an_error(client: Client, value: int) -> None:
    with pytest.raises(Invalid, match="not bytes"):
        await client.open(f"/read/at{value}")


async def test_an_error_in_the_midst_is_the_readers_and_leaves_no_file(client: Client, tmp_path: Path) -> None:
    async with await client.open("/read/broken") as file:
        with pytest.raises(ExecutionFailed, match="the well is dry"):
            while await file.read_some(1 << 20):
                pass
    with pytest.raises(ExecutionFailed, match="the well is dry"):
        await client.fetch("/read/broken", tmp_path / "f")
    assert not _names(tmp_path)


async def test_one_that_is_left_ends_and_another_can_read(client: Client) -> None:
    for _ in range(3):  # each reader holds the object; one that stayed would keep the next one waiting
        async with asyncio.timeout(20), await client.open("/read/endless") as file:
            assert file.size == -1 and not file.seekable
            assert await file.read(5 * PIECE) == expected(5)
            with pytest.raises(Invalid, match="once"):
                file.seek(0)
    assert (await client.cat("/read/endless.begun")) == 0  # what did not end has changed nothing


async def test_a_reader_that_stops_does_not_fill_anybody(place: Server, tmp_path: Path) -> None:
    """What the method makes ahead of its reader is bounded."""
    async with Client(open_transport(place.found["node"])) as client:
        await client.fetch("/read/n1", tmp_path / "f")  # its process is there now
        before = _memory(place)
        async with await client.open("/read/endless") as file:
            await file.read(PIECE)
            await asyncio.sleep(1)
            assert _memory(place) - before < 60
            assert await file.read(2 * PIECE) == expected(3)[PIECE:]


def _memory(place: Server) -> float:
    """MB that the node's process and those that it started have."""
    pids, found = [place.process.pid], 0.0
    while pids:
        pid = pids.pop()
        for each in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (each / "children").read_text().split())
        line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        found += int(line.split()[1]) / 1024
    return found


def test_a_file_of_python_reads_it_line_by_line(place: Server) -> None:
    with connect(place.found["node"]) as fs:
        with fs.open(f"/read/n{MANY}") as file:
            digest = sha256()
            while part := file.read(70_001):
                digest.update(part)
        assert digest.digest() == sha256(expected(MANY)).digest()
        with fs.open("/read/n3") as file:  # a small one can be sought
            file.seek(-1, 2)
            assert file.read() == b"\x02"


def test_http_streams_it_and_cuts_it_off_at_an_error(place: Server) -> None:
    url = f"{_relay(place)}/api/v1/files/read"
    with httpx.Client(headers={"Authorization": f"Bearer {place.found['token']}"}, timeout=30) as http:
        whole = http.get(f"{url}/n{MANY}")
        assert whole.content == expected(MANY) and "content-length" not in whole.headers
        assert http.get(f"{url}/n3").headers["content-length"] == str(3 * PIECE)
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(f"{url}/broken")


@pytest.mark.parametrize("way", ["node", "ws", "http"])
async def test_one_value_that_is_too_large_names_put(place: Server, way: str) -> None:
    """Whether it is sent or asked for, whoever is in between."""
    address = place.found["node"] if way == "node" else _relay(place).replace("http", way, 1)
    large = b"x" * ((65 if way == "node" else 17) << 20)
    async with Client(open_transport(address, token=None if way == "node" else place.found["token"])) as client:
        with pytest.raises(LimitExceeded, match=r"fs\.put"):
            await client.store(EmergeFile(name=f"large-{way}", path="/read", data=large))
        if way != "node":
            async with Client(open_transport(place.found["node"])) as near:
                await near.store(EmergeFile(name="large", path="/read", data=large))
            try:
                assert await client.cat("/read/large.data") == large
            except LimitExceeded as error:
                assert "fs.put" in str(error)


async def test_a_bare_stream_has_bounded_parts(client: Client) -> None:
    sizes = [len(part) async for part in client.readobject("/read/n3")]
    assert sum(sizes) == 3 * PIECE and max(sizes) <= 64 << 10
    with pytest.raises(EmergeError):
        async for _ in client.readobject("/read/nothing"):
            pass
