"""The page, the one-time link and the headers."""

from __future__ import annotations

import asyncio
import gzip
import stat
from pathlib import Path

import httpx
import pytest

from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings

from .conftest import Start


def client(server: RelayServer, **options: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, trust_env=False, verify=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/sw.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/assets/boot.mjs", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/pyodide-0a1b/pyodide.asm.wasm", "application/wasm", "public, max-age=31536000, immutable"),
        ("/pyodide-0a1b/x.whl", "application/zip", "public, max-age=31536000, immutable"),
        ("/pyodide-0a1b/snapshot.bin", "application/octet-stream", "public, max-age=31536000, immutable"),
    ],
)
async def test_types_and_caching(relay: RelayServer, path: str, kind: str, cache: str) -> None:
    async with client(relay) as http:
        answer = await http.get(path)
        head = await http.head(path)
    assert answer.status_code == 200
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, cache)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert head.status_code == 200 and not head.content
    assert head.headers["content-length"] == answer.headers["content-length"]


async def test_isolation_headers_are_on_every_answer(relay: RelayServer) -> None:
    async with client(relay) as http:
        answers = [await http.get(path) for path in ("/", "/nothing-here", "/healthz", "/?token=wrong", "/session")]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 403, 403]
    for answer in answers:
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_closed_documents_are_in_reach_of_themselves(relay: RelayServer) -> None:
    """They have no origin, and Firefox asks in their name."""
    async with client(relay) as http:
        answers = [await http.get(path) for path in ("/output", "/guest")]
    for answer in answers:
        assert answer.status_code == 200 and answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


async def test_etag_answers_304(relay: RelayServer) -> None:
    async with client(relay) as http:
        tag = (await http.get("/sw.js")).headers["etag"]
        again = await http.get("/sw.js", headers={"If-None-Match": tag})
    assert again.status_code == 304 and not again.content


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, br", "br", b"brotli bytes"),
        ("gzip", "gzip", b"gzip bytes"),
        ("br;q=0", None, b"export {}"),
        ("identity", None, b"export {}"),
    ],
)
async def test_compressed_neighbours(relay: RelayServer, accepted: str, encoding: str | None, body: bytes) -> None:
    async with client(relay) as http:
        async with http.stream("GET", "/assets/main-1234.js", headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert raw == body


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate", "gzip"),
        ("identity", None),
        ("br", None),
        ("zstd;q=0", None),
    ],
)
async def test_what_is_there_compressed_only(relay: RelayServer, accepted: str, encoding: str | None) -> None:
    async with client(relay) as http:
        async with http.stream("GET", "/pyodide-0a1b/packed.mjs", headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        absent = await http.get("/pyodide-0a1b/absent.mjs")
    assert answer.status_code == 200 and answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert (gzip.decompress(raw) if encoding == "gzip" else raw) == (
        b"zstd bytes" if encoding == "zstd" else b"export {}"
    )
    assert absent.status_code == 404


@pytest.mark.parametrize(
    "path", ["/../outside.txt", "/%2e%2e/outside.txt", "/assets/..%2f..%2foutside.txt", "//etc/passwd", "/a%00b"]
)
async def test_traversal_is_refused(relay: RelayServer, path: str) -> None:
    host, port = relay.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b" 404 " in answer.splitlines()[0] and b"not for you" not in answer


async def test_only_get_and_head(relay: RelayServer) -> None:
    async with client(relay) as http:
        assert (await http.post("/sw.js")).status_code == 405


async def test_link_opens_once(relay: RelayServer) -> None:
    link = relay.invite()
    async with client(relay) as first, client(relay) as second:
        assert (await first.get("/session")).status_code == 403
        opened = await first.get(link)
        assert opened.status_code == 303 and opened.headers["location"] == "/"
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert cookie.startswith("emerge-" + relay.url.rpartition(":")[2])
        assert (await first.get("/session")).status_code == 204
        assert (await first.get(link)).status_code == 303  # a reload, by the one who is in already
        used = await second.get(link)
    assert used.status_code == 403
    assert "prints a new" in used.text and "set-cookie" not in used.headers


async def test_wrong_token_and_forged_cookie(relay: RelayServer) -> None:
    name = "emerge-" + relay.url.rpartition(":")[2]
    async with client(relay) as http:
        assert (await http.get("/?token=nonsense")).status_code == 403
        assert (await http.get("/?token=")).status_code == 403
        forged = await http.get("/session", headers={"Cookie": f"{name}=ImZvcmdlZCI.aaaa.bbbb"})
    assert forged.status_code == 403


async def test_cookie_survives_a_restart(start: Start, settings: RelaySettings) -> None:
    first = await start()
    port = int(first.url.rpartition(":")[2])
    async with client(first) as http:
        await http.get(first.invite())
        await first.stop()
        again = await start(port=port)
        assert again.url == first.url
        assert (await http.get("/session")).status_code == 204
    secret = settings.data / "relay.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


async def test_cookie_of_another_relay_is_worth_nothing(start: Start, tmp_path: Path) -> None:
    first, other = await start(), await start(data=tmp_path / "other")
    async with client(first) as http:
        await http.get(first.invite())
        value = next(iter(http.cookies.values()))
    name = "emerge-" + other.url.rpartition(":")[2]
    async with client(other) as http:
        assert (await http.get("/session", headers={"Cookie": f"{name}={value}"})).status_code == 403


async def test_page_that_is_not_built(start: Start, tmp_path: Path) -> None:
    server = await start(dist=tmp_path / "nowhere")
    async with client(server) as http:
        answer = await http.get("/")
        other = await http.get("/assets/x.js")
    assert (answer.status_code, other.status_code) == (503, 404)
    assert "build.py build" in answer.text


async def test_health(relay: RelayServer) -> None:
    async with client(relay) as http:
        assert (await http.get("/healthz")).json() == {"relay": "up", "node": "alpha", "browsers": 0}


async def test_port_that_is_taken(relay: RelayServer, start: Start) -> None:
    with pytest.raises(ValueError, match=r"is taken .*or take another"):
        await start(port=int(relay.url.rpartition(":")[2]))
