"""Files over HTTP, as curl and browsers ask for them: straight from a node, and through a relay before one."""

from __future__ import annotations

import asyncio
import io
import shutil
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.rest.app import PREFIX, RequestLimits
from emerge_wasm.rest.byte_range import MOST, ByteRange, read_ranges
from emerge_wasm.rest.media import disposition, media_type
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.stores import open_store
from tests.contracts.files import content, pattern
from tests.relay.conftest import node_is
from tests.scale import examples

from .conftest import TESTER, TOKEN, talk

BEARER = {"Authorization": f"Bearer {TOKEN}"}
SIZE = 2 * BLOCK_SIZE + 77
DATA = pattern(SIZE)


class Served:
    """A filesystem behind HTTP; `client` is next to it."""

    def __init__(self, client: Client, url: str, http: httpx.AsyncClient) -> None:
        self.client, self.url, self.http = client, url, http


@pytest.fixture(params=["node", "relay"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        filesystem = await Filesystem.open(await open_store("memory:"), node="afar")
        if request.param == "node":
            limits = RequestLimits(body=BLOCK_SIZE, patience=0.3)
            server = RESTNodeServer(filesystem, port=0, token=TOKEN, context=TESTER, limits=limits)
            url = (await stack.enter_async_context(server)).url
        else:
            node = await stack.enter_async_context(Node(filesystem, "tcp://127.0.0.1:0", context=TESTER))
            settings = RelaySettings(tmp_path, nodes=(node.endpoint,), port=0, token=TOKEN, beat=0.5)
            relay = await stack.enter_async_context(RelayServer(settings))
            await node_is(relay, "afar")
            url = relay.url
        http = await stack.enter_async_context(talk(url, headers=BEARER))
        yield Served(Client(LocalTransport(filesystem)), url, http)
        await filesystem.close()


# --- ranges

SPECS = st.one_of(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    st.integers(0, 60).map(lambda number: f"{number}-"),
    st.integers(0, 60).map(lambda number: f"-{number}"),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(SPECS, min_size=1, max_size=5), st.integers(0, 50))
def test_ranges_are_slices(specs: list[str], size: int) -> None:
    data = bytes(range(size))
    wanted = []
    for spec in specs:
        first, _, last = spec.partition("-")
        part = data[-int(last) :] if not first and int(last) else data[int(first or size) : int(last or size) + 1]
        wanted += [part] if part else []
    found = read_ranges(" bytes = " + " , ".join(specs), size)
    if found is None:
        assert sum(map(len, wanted)) > size and len(wanted) > 1
    else:
        assert [data[begin:end] for begin, end in found] == wanted


WRONG = "bytes bytes= bytes=, bytes=- bytes=5-3 bytes=a-b bytes=1-2,x lines=1-2 bytes=+1-2 bytes=1--2 bytes=1-2-3"


@pytest.mark.parametrize("text", ["", *WRONG.split(), "bytes=\u0661-", "bytes=" + ",".join(["1-1"] * (MOST + 1))])
def test_what_is_no_range_asks_for_the_whole_file(text: str) -> None:
    assert read_ranges(text, 10) is None


def test_a_range_beyond_the_end_ends_there() -> None:
    assert read_ranges("bytes=8-" + "9" * 30, 10) == [ByteRange(8, 10)]
    assert read_ranges("bytes=10-,-0", 10) == [] == read_ranges("bytes=-3", 0)


async def test_any_ranges_of_a_file_are_slices_of_it(served: Served) -> None:
    await served.client.put(io.BytesIO(DATA), "/f/big.bin")
    whole = await served.http.get("/files/f/big.bin")
    assert whole.status_code == 200 and whole.content == DATA and whole.headers["accept-ranges"] == "bytes"
    edge = BLOCK_SIZE
    for first, last in ((0, 0), (0, 99), (edge - 1, edge), (edge - 5, 2 * edge + 5), (SIZE - 1, SIZE + 10)):
        answer = await served.http.get("/files/f/big.bin", headers={"Range": f"bytes={first}-{last}"})
        assert (answer.status_code, answer.content) == (206, DATA[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{min(last, SIZE - 1)}/{SIZE}"
        assert int(answer.headers["content-length"]) == len(answer.content)
    answer = await served.http.get("/files/f/big.bin", headers={"Range": "bytes=-7"})
    assert (answer.status_code, answer.content) == (206, DATA[-7:])
    answer = await served.http.get("/files/f/big.bin", headers={"Range": "bytes=0-3, 1048570-1048580 ,-2,9999999-"})
    assert answer.status_code == 206 and int(answer.headers["content-length"]) == len(answer.content)
    kind = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(kind + answer.content).get_payload()
    assert isinstance(parts, list)
    slices = [DATA[0:4], DATA[1048570:1048581], DATA[-2:]]
    assert [part.get_payload(decode=True) for part in parts] == slices  # type: ignore[union-attr]
    assert [part["content-range"] for part in parts] == [  # type: ignore[call-overload, index]
        f"bytes 0-3/{SIZE}", f"bytes 1048570-1048580/{SIZE}", f"bytes {SIZE - 2}-{SIZE - 1}/{SIZE}"
    ]  # fmt: skip
    answer = await served.http.get("/files/f/big.bin", headers={"Range": f"bytes={SIZE}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert answer.json()["code"] == "Invalid"


# --- validators, versions, names


async def test_an_entity_tag_is_the_root_of_the_blocks(served: Served) -> None:
    await served.client.put(io.BytesIO(b"first"), "/f/a.txt")
    root = (await served.client.verify("/f/a.txt"))["root"]
    head = await served.http.head("/files/f/a.txt")
    tag = head.headers["etag"]
    assert (head.status_code, tag, head.headers["content-length"], head.content) == (200, f'"{root}"', "5", b"")
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = await served.http.get("/files/f/a.txt", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    for other in ('"x"', root, f'"{root[:-1]}"'):
        assert (await served.http.get("/files/f/a.txt", headers={"If-None-Match": other})).status_code == 200
    ranged = {"Range": "bytes=1-2"}
    assert (await served.http.get("/files/f/a.txt", headers={**ranged, "If-Range": tag})).content == b"ir"
    for other in ('"x"', f"W/{tag}", "Mon, 30 Nov 2026 00:00:00 GMT"):
        answer = await served.http.get("/files/f/a.txt", headers={**ranged, "If-Range": other})
        assert (answer.status_code, answer.content) == (200, b"first")
    await served.client.put(io.BytesIO(b"second"), "/f/a.txt")
    assert (await served.http.get("/files/f/a.txt", headers={"If-None-Match": tag})).content == b"second"
    assert (await served.http.get("/files/f/a.txt", headers={"If-Match": tag})).status_code == 412
    old = await served.http.get("/files/f/a.txt", params={"version": 1})
    assert (old.content, old.headers["etag"]) == (b"first", tag)


async def test_objects_are_read_as_what_they_hold(served: Served) -> None:
    await served.client.store(EmergeFile(name="note.txt", path="/f", data="some text"))
    answer = await served.http.get("/files/f/note.txt", headers={"Range": "bytes=5-"})
    assert (answer.status_code, answer.content) == (206, b"text")
    assert answer.headers["etag"] == f'"{sha256(b"some text").hexdigest()}"'
    await served.client.store(EmergeFile(name="list", path="/f", data=[1]))
    wrong = {"/files/f/list": 404, "/files/f/none": 404, "/files/f": 400, "/files/": 400}
    for path, status in wrong.items():
        assert (await served.http.get(path)).status_code == status, path
    for query in ("version=x", "version=1&version=2", "raid=5", "as_of=never"):
        assert (await served.http.get(f"/files/f/note.txt?{query}")).status_code == 400, query
    assert (await served.http.post("/files/f/note.txt")).status_code == 405


async def test_who_asks_must_be_known(served: Served) -> None:
    await served.client.put(io.BytesIO(b"x"), "/f/a")
    await served.client.chmod("/f/a", "rw-------")
    for headers in ({}, {"Authorization": "Bearer no"}, {**BEARER, "Origin": "https://elsewhere.example"}):
        async with talk(served.url, headers=headers) as other:
            for answer in (await other.get("/files/f/a"), await other.put("/files/f/b", content=b"x")):
                assert answer.status_code in (401, 403) and b"x" != answer.content
    as_eve = {"Emerge-Context": '{"as": "eve"}'}
    assert (await served.http.get("/files/f/a", headers=as_eve)).status_code == 403
    assert (await served.http.put("/files/f/a", headers=as_eve, content=b"y")).status_code == 403
    assert await content(served.client, "/f/a") == b"x"


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=20)


@settings(max_examples=examples(40), deadline=None)
@given(NAMES | st.sampled_from(["a.html", "x.svg", "y.js", "z.PNG", "q.xhtml", "a.css", "w.pdf", "a\r\nX: y.txt"]))
def test_whatever_a_file_is_called_it_does_nothing_in_a_browser(name: str) -> None:
    kind, said = media_type(name), disposition(name, shown=True)
    assert kind.startswith(("image/", "audio/", "video/", "text/plain", "text/csv", "application/"))
    assert not any(word in kind for word in ("html", "svg", "xml", "script", "css"))
    assert said.isascii() and said.isprintable() and said.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
    assert said.startswith("attachment") or kind.startswith(("image/", "audio/", "video/", "text/plain"))
    assert disposition(name, shown=False).startswith("attachment")


async def test_answers_are_closed_in(served: Served) -> None:
    for name in ('évil "x".html', "p.svg", "song.mp3"):
        await served.client.put(io.BytesIO(b"<script>alert(1)</script>"), f"/f/{name}")
        answer = await served.http.get(f"/files/f/{quote(name)}")
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["content-type"] == ("audio/mpeg" if name == "song.mp3" else "application/octet-stream")
        assert answer.headers["content-disposition"].startswith("inline" if name == "song.mp3" else "attachment")
    saved = await served.http.get("/files/f/song.mp3?download=1")
    assert saved.headers["content-disposition"].startswith("attachment")


# --- uploads


async def test_a_body_of_any_size_becomes_a_file(served: Served) -> None:
    """Also one that is longer than the other routes' bodies may be."""
    for number, size in enumerate((0, 1, BLOCK_SIZE, SIZE)):
        answer = await served.http.put(f"/files/up/{number}", content=DATA[:size])
        assert (answer.status_code, answer.json()["size"]) == (201, size)
        assert await content(served.client, f"/up/{number}") == DATA[:size]

    async def chunked() -> AsyncIterator[bytes]:
        for begin in range(0, SIZE, 100_000):
            yield DATA[begin : begin + 100_000]

    answer = await served.http.put("/files/up/1?raid=6", content=chunked())
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    check = await served.client.verify("/up/1")
    assert check["layout"] == "raid6 4+2" and check["readable"] and await content(served.client, "/up/1") == DATA
    for url in ("/files/up/", "/files/up", "/files/", "/files/up/1?raid=9", "/files/up/1?version=x"):
        assert (await served.http.put(url, content=b"")).status_code == 400, url
    assert (await served.client.get("/up/1")).version == 2


async def test_a_put_with_a_condition(served: Served) -> None:
    url = "/files/up/c"
    new = {"If-None-Match": "*"}
    assert (await served.http.put(url, content=b"1", headers={"If-Match": "*"})).status_code == 412
    assert (await served.http.put(url, content=b"1", headers=new)).status_code == 201
    assert (await served.http.put(url, content=b"2", headers=new)).status_code == 412
    tag = (await served.http.head(url)).headers["etag"]
    for wrong in ('"x"', f"W/{tag}"):
        assert (await served.http.put(url, content=b"2", headers={"If-Match": wrong})).status_code == 412
    assert (await served.http.put(url, content=b"2", headers={"If-Match": tag})).status_code == 200
    assert (await served.http.put(url, content=b"3", headers={"If-Match": tag})).status_code == 412
    assert await content(served.client, "/up/c") == b"2"


async def test_a_body_that_is_cut_off_leaves_nothing(served: Served) -> None:
    await served.client.put(io.BytesIO(b"before"), "/up/kept")
    place = urlsplit(served.url)
    for name in ("kept", "new"):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        head = f"PUT {PREFIX}/files/up/{name} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {SIZE}\r\n"
        writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode() + DATA[: BLOCK_SIZE + 1])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b""
    await asyncio.sleep(0.05)
    assert [(each.name, each.version) for each in await served.client.list("/up")] == [("kept", 1)]
    assert await content(served.client, "/up/kept") == b"before"


async def test_curl_goes_on_with_a_download(served: Served, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(DATA)

    async def run(*args: str) -> int:
        done = await asyncio.create_subprocess_exec(curl, "-sf", "--oauth2-bearer", TOKEN, *args)
        return await done.wait()

    url = f"{served.url}{PREFIX}/files/up/by%20curl.bin"
    assert await run("-T", str(source), url, "-o", "/dev/null") == 0
    target.write_bytes(DATA[: BLOCK_SIZE + 3])
    assert await run("-C", "-", url, "-o", str(target)) == 0
    assert target.read_bytes() == DATA
    assert await run(f"{url}-none", "-o", "/dev/null") == 22


@pytest.mark.usefixtures("traced")
async def test_a_large_file_passes_in_bounded_memory(tmp_path: Path) -> None:
    size, piece = 32 * BLOCK_SIZE, bytes(BLOCK_SIZE)  # of one block: the store stays small
    filesystem = await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/s"))

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size // BLOCK_SIZE):
            yield piece

    async with RESTNodeServer(filesystem, port=0, context=TESTER) as server, talk(server.url) as http:
        tracemalloc.reset_peak()
        assert (await http.put("/files/large", content=body(), timeout=60)).status_code == 201
        got = 0
        async with http.stream("GET", "/files/large", timeout=60) as answer:
            async for part in answer.aiter_raw():
                got += len(part)
        assert got == size and tracemalloc.get_traced_memory()[1] < size * 3 // 4
    await filesystem.close()
