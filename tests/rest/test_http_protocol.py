"""What two HTTP readers could take for two things is refused, and a head that does not come costs a connection only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from emerge_wasm.rest import http_protocol
from emerge_wasm.rest.server import HttpServer

LINES = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = HttpServer(echo, "127.0.0.1", 0, lifespan="off")
    yield int((await server.start()).rpartition(":")[2])
    await server.stop()


async def told(port: int, *pieces: bytes) -> bytes:
    """Send these pieces, one after the other, and return all that comes until the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "asked",
    [
        LINES + b"\r\n",
        POST + b"Content-Length: 4\r\n\r\nabcd",
        POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nDigest: x\r\n\r\n",
        LINES + b"X: " + b"y" * 30_000 + b"\r\n\r\n",
        POST + b"Content-Length: 5\r\n\r\na\nb\nc",
    ],
)
async def test_what_the_standard_writes_is_taken_whole_and_byte_by_byte(port: int, asked: bytes) -> None:
    whole = await told(port, asked)
    assert whole.startswith(b"HTTP/1.1 200 ")
    if len(asked) < 1000:
        slow = await told(port, *(asked[at : at + 1] for at in range(len(asked))))
        assert slow.partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2]


AMBIGUOUS = {
    "two lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths, the other way": POST + b"Transfer-Encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "one length twice": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "chunks of HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "lines end with LF": LINES.replace(b"\r\n", b"\n") + b"\n",
    "one line ends with LF": LINES + b"X: y\nZ: y\r\n\r\n",
    "the last line ends with LF": LINES + b"\n",
    "CR within a line": LINES + b"X: y\rTransfer-Encoding: chunked\r\n\r\n",
    "a folded line": LINES + b"X: y\r\n z\r\n\r\n",
    "a space before the colon": LINES + b"Content-Length : 4\r\n\r\nabcd",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": LINES + b"Host: b\r\n\r\n",
    "a signed length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "many lines": LINES + b"X: y\r\n" * 1_000 + b"\r\n",
    "a long line": LINES + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_what_is_ambiguous_is_refused_and_ends_the_connection(port: int, name: str) -> None:
    asked = AMBIGUOUS[name]
    found = await told(port, asked + LINES + b"\r\n")
    assert found == b"" or found.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert b" 200 " not in found


async def test_a_head_that_does_not_come_ends_its_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, half a head, and half of the next one: each is ended, and others are served meanwhile."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 1.5)
    kept = LINES.replace(b"close", b"keep-alive") + b"\r\n"
    waiting = [asyncio.create_task(told(port, half)) for half in (b"", LINES, kept + LINES) for _ in range(20)]
    while len(http_protocol._WAITING) < 20 and not any(each.done() for each in waiting):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    monkeypatch.undo()
    assert (await told(port, LINES + b"\r\n")).startswith(b"HTTP/1.1 200 ")
    found = await asyncio.wait_for(asyncio.gather(*waiting), 60)
    assert {each[:13] for each in found} <= {b"", b"HTTP/1.1 200 "}
    assert not http_protocol._WAITING


async def test_too_many_that_wait_drop_the_oldest(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADS", 8)
    halves = [asyncio.create_task(told(port, LINES)) for _ in range(40)]
    done, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert done
    assert (await told(port, LINES + b"\r\n")).startswith(b"HTTP/1.1 200 ")
    assert len(http_protocol._WAITING) <= 8
    for half in halves:
        half.cancel()
    await asyncio.gather(*halves, return_exceptions=True)


async def test_a_connection_that_rests_between_requests_stays(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(LINES.replace(b"close", b"keep-alive") + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.01)  # for heads that begin from now on
        await asyncio.sleep(0.05)
    writer.close()
