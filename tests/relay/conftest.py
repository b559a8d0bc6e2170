"""A real node and a real relay, on free ports of this machine."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from emerge_wasm.clients.transports.endpoint import leave_here
from emerge_wasm.clients.transports.websocket import STATUS, SUBPROTOCOL
from emerge_wasm.errors import NotFound
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import BrowserLimits, RelaySettings
from emerge_wasm.wire.event import Event, decode, encode
from tests.scale import tossed

TOKEN = "a-token-for-programs"


class Service:
    """What the node serves here: operations whose size and pace a test can choose."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.open = 0

    def dispatch(self, name: str, args: list[Any], context: Context) -> Any:
        return self.whoami(context) if name == "whoami" else getattr(self, name, self.missing)(*args)

    async def missing(self, *args: Any) -> Any:
        raise NotFound("there is no such thing", path="/a")

    async def whoami(self, context: Context) -> dict[str, Any]:
        names = ("principal", "groups", "superuser", "umask", "transaction")
        return {name: getattr(context, name) for name in names} | {"groups": list(context.groups)}

    async def echo(self, value: Any) -> Any:
        return value

    async def blob(self, size: int) -> bytes:
        return b"x" * size

    async def hang(self) -> None:
        self.begun.set()
        self.open += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def count(self, end: int) -> AsyncIterator[int]:
        try:
            for number in range(end):
                yield number
        finally:
            self.ended.set()


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def node(service: Service, request: pytest.FixtureRequest) -> AsyncIterator[RpcServer]:
    """A node that the relay reaches in this process; in half of the tests, others in each run, by a connection."""
    server = RpcServer(service.dispatch, "tcp://127.0.0.1:*", name="alpha", context=Context("operator", superuser=True))
    await server.start()
    if tossed(request.node.nodeid):
        leave_here(server.endpoint)
    yield server
    await server.stop()


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "pyodide-0a1b").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "sw.js").write_text("// worker")
    (folder / "assets" / "main-1234.js").write_text("export {}")
    (folder / "assets" / "main-1234.js.br").write_bytes(b"brotli bytes")
    (folder / "assets" / "main-1234.js.gz").write_bytes(b"gzip bytes")
    (folder / "assets" / "boot.mjs").write_text("export {}")
    (folder / "pyodide-0a1b" / "pyodide.asm.wasm").write_bytes(b"\0asm" + bytes(3 << 20))
    (folder / "pyodide-0a1b" / "x.whl").write_bytes(b"PK")
    (folder / "pyodide-0a1b" / "snapshot.bin").write_bytes(b"1")
    (folder / "pyodide-0a1b" / "packed.mjs.zst").write_bytes(b"zstd bytes")
    (folder / "pyodide-0a1b" / "packed.mjs.gz").write_bytes(gzip.compress(b"export {}"))
    (tmp_path / "outside.txt").write_text("not for you")
    return folder


@pytest.fixture
def settings(tmp_path: Path, dist: Path, node: RpcServer) -> RelaySettings:
    return RelaySettings(tmp_path / "data", dist, (node.endpoint,), port=0, token=TOKEN, beat=0.1)


Start = Callable[..., Awaitable[RelayServer]]


@pytest.fixture
async def start(settings: RelaySettings) -> AsyncIterator[Start]:
    """Start a relay, with other limits or settings if need be."""
    servers: list[RelayServer] = []

    async def begin(limits: BrowserLimits | None = None, **changes: Any) -> RelayServer:
        server = RelayServer(replace(settings, limits=limits or settings.limits, **changes))
        servers.append(server)
        await server.start()
        return server

    yield begin
    for server in servers:
        await server.stop()


@pytest.fixture
async def relay(start: Start) -> RelayServer:
    server = await start()
    await node_is(server, "alpha")
    return server


async def node_is(server: RelayServer, name: str | None) -> None:
    """Wait until the relay knows that node (None: that there is none)."""
    await until(lambda: (server.relay.uplink.node.name if server.relay.uplink.node else None) == name)


async def until(condition: Callable[[], object]) -> None:
    """Wait until that holds, 5 s at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that in time")


def ws_url(server: RelayServer) -> str:
    return server.url.replace("http", "ws") + "/ws"


@asynccontextmanager
async def connected(server: RelayServer, **headers: str) -> AsyncIterator[Wire]:
    """A program's WebSocket, with its token unless other headers are given."""
    shown = headers or {"Authorization": f"Bearer {TOKEN}"}
    options: dict[str, Any] = {"max_size": None, "compression": None, "proxy": None}
    async with connect(
        ws_url(server), subprotocols=[SUBPROTOCOL], additional_headers=shown, close_timeout=0.2, **options
    ) as connection:
        yield Wire(connection)


class Wire:
    """Raw events over one WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.statuses: list[dict[str, str]] = []

    async def ask(self, channel: bytes, name: str, *args: Any) -> None:
        await self.connection.send(encode({"message_id": channel, "v": 3}, name, list(args)))

    async def follow(self, channel: bytes, name: str, args: Any) -> None:
        await self.connection.send(encode({"message_id": channel + b"+", "v": 3, "response_to": channel}, name, args))

    async def next(self) -> Event:
        """The next event that is no status."""
        while True:
            event = await self.any()
            if event.name != STATUS:
                return event

    async def status(self) -> dict[str, str]:
        while (await self.any()).name != STATUS:
            pass
        return self.statuses[-1]

    async def any(self) -> Event:
        async with asyncio.timeout(3):
            data = await self.connection.recv()
        assert isinstance(data, bytes)
        event = decode(data)
        if event.name == STATUS:
            self.statuses.append(event.args[0])
        return event


def kill(node: RpcServer) -> None:
    """Close a node's socket without farewell, as when its process is killed."""
    node._socket.close(0)  # type: ignore[union-attr]  # private: a node that stops says so to all
