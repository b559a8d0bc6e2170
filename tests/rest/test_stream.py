"""Streams over HTTP: lines of JSON, frames of msgpack, errors inside them, silence, and leaving them."""

from __future__ import annotations

import asyncio
import json
import struct

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.operations import Context
from emerge_wasm.rest.app import PREFIX, RequestLimits, RESTApp
from emerge_wasm.rest.server import HttpServer
from emerge_wasm.wire.frame import BEAT, END, ERROR, ITEM, Frame, FrameReader, write_frame

from .conftest import Start, talk
from .service import Service, soon

FRAMES = st.lists(st.tuples(st.sampled_from([ITEM, ERROR, END, BEAT]), st.binary(max_size=300)))


@given(FRAMES, st.integers(1, 50))
def test_frames_come_back_however_they_are_cut(frames: list[tuple[bytes, bytes]], size: int) -> None:
    data = b"".join(write_frame(*frame) for frame in frames)
    reader = FrameReader(300)
    found = [frame for at in range(0, len(data), size) for frame in reader.feed(data[at : at + size])]
    assert found == [Frame(*frame) for frame in frames]


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(Invalid):
        FrameReader(10).feed(b"<html>")
    with pytest.raises(LimitExceeded):
        FrameReader(10).feed(struct.pack(">cI", ITEM, 11))


async def test_lines_of_json(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["tree"] = [{"name": "a", "data": b"\0"}, {"name": "b\n"}]
    for answer in (await http.get("/tree/a"), await http.post("/tree", json={"path": "/a"})):
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in answer.text.splitlines()] == [
            {"name": "a", "data": "AA=="},
            {"name": "b\n"},
        ]


async def test_an_error_at_once_is_the_answer(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["tree"] = [NotFound("nothing is at /a", path="/a")]
    answer = await http.get("/tree/a")
    assert (answer.status_code, answer.json()["path"]) == (404, "/a")
    assert "content-length" in answer.headers


async def test_an_error_later_is_the_last_line(start: Start, service: Service) -> None:
    service.answers["tree"] = [{"name": "a"}, NotFound("it went", path="/a/b", version=3)]
    server = await start()
    async with talk(server.url) as http:
        lines = [json.loads(line) for line in (await http.get("/tree/a")).text.splitlines()]
    assert lines[0] == {"name": "a"}
    assert (lines[1]["$error"]["code"], lines[1]["$error"]["details"]) == ("NotFound", {"version": 3})
    async with RESTTransport(server.url) as transport:
        items = transport.stream("tree", ["/a"])
        assert await anext(items) == {"name": "a"}
        with pytest.raises(NotFound, match="it went") as raised:
            await anext(items)
        assert (raised.value.path, raised.value.details) == ("/a/b", {"version": 3})


async def test_items_that_cannot_be_written_end_it(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["tree"] = [{"name": "a"}, {"name": 10**5000}]
    *_, last = (await http.get("/tree/a")).text.splitlines()
    assert json.loads(last)["$error"]["code"] == "Invalid"


async def test_many_items_share_a_piece_and_wait_for_a_slow_reader(start: Start, service: Service) -> None:
    service.answers["tree"] = ({"n": n, "pad": b"x" * 1000} for n in range(20_000))
    server = await start()
    async with RESTTransport(server.url) as transport:
        items = transport.stream("tree", ["/a"])
        assert (await anext(items))["n"] == 0
        await asyncio.sleep(0.1)
        ahead = next(service.answers["tree"])["n"]
        assert ahead < 15_000  # the rest is not made before it can be sent
        seen = [item["n"] async for item in items]
    assert seen == [n for n in range(1, 20_000) if n != ahead]


async def test_silence_is_told_from_a_loss(start: Start, service: Service) -> None:
    service.answers["watch"] = [{"n": 1}, ...]
    beating, silent = await start(RequestLimits(beat=0.05)), await start(RequestLimits(beat=60))
    for server, ends in ((beating, False), (silent, True)):
        async with RESTTransport(server.url, heartbeat=0.07) as transport:
            items = transport.stream("watch", ["/"])
            assert await anext(items) == {"n": 1}
            coming = asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({coming}, timeout=0.5)
            assert bool(done) == ends
            coming.cancel()
            with pytest.raises((asyncio.CancelledError, Unavailable)):
                await coming


async def test_lines_beat_too(start: Start, service: Service) -> None:
    service.answers["watch"] = [...]
    server = await start(RequestLimits(beat=0.02))
    async with talk(server.url) as http, http.stream("GET", "/watch") as answer:
        assert answer.status_code == 200
        assert await anext(answer.aiter_bytes()) == b"\n"


@pytest.mark.parametrize("way", ["break", "cancel", "close"])
async def test_leaving_ends_it_on_the_other_side(start: Start, service: Service, way: str) -> None:
    service.answers["watch"] = [{"n": 1}, ...]
    server = await start()
    transport = RESTTransport(server.url)
    items = transport.stream("watch", ["/"])
    assert await anext(items) == {"n": 1}
    assert not service.ended.is_set()
    if way == "break":
        await items.aclose()  # type: ignore[attr-defined]
    elif way == "cancel":
        coming = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        coming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coming
    else:
        coming = asyncio.ensure_future(anext(items))
        await asyncio.sleep(0)
        await transport.close()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    await soon(service.ended)
    await transport.close()


async def test_a_connection_that_is_used_up_to_the_end_is_used_again(service: Service) -> None:
    service.answers |= {"tree": [{"n": 1}], "hello": 1}
    ports: set[int] = set()

    def admit(connection: HTTPConnection) -> Context:
        assert connection.client is not None
        ports.add(connection.client.port)
        return Context()

    app = Starlette(routes=[Mount(PREFIX, RESTApp(service.dispatch, admit, RequestLimits()))])
    server = HttpServer(app, "127.0.0.1", 0, ws="none", lifespan="off")
    async with RESTTransport(await server.start()) as transport:
        for _ in range(3):
            assert [item async for item in transport.stream("tree", ["/"])] == [{"n": 1}]
            assert await transport.call("hello", []) == 1
    await server.stop()
    assert len(ports) == 1


# --- what is cut off, or is no Emerge


async def canned(answer: bytes) -> tuple[asyncio.Server, str]:
    """A server that gives this answer to anything and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.emerge.stream\r\n"
ONE = write_frame(ITEM, encode(1))
CUT = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 10\r\n\r\n\x01",
    STREAM + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(ONE), ONE),
    STREAM + b"\r\n" + ONE,  # whole for HTTP, but without an end
    STREAM + b"\r\n" + ONE[:-1],
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad",
    b"HTTP/1.1 503 Busy\r\nContent-Type: application/msgpack\r\nContent-Length: 1\r\n\r\n\xc1",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("answer", CUT, ids=range(len(CUT)))
async def test_what_is_cut_off_is_unavailable(answer: bytes) -> None:
    server, url = await canned(answer)
    async with server, RESTTransport(url) as transport:
        with pytest.raises(Unavailable) as raised:
            async for item in transport.stream("tree", ["/"]):
                assert item == 1
        assert url in str(raised.value) and raised.value.remedy
        if b"stream" not in answer:
            with pytest.raises(Unavailable):
                await transport.call("hello", [])
