"""A filesystem over HTTP: straight from a node, and through a relay before one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.rest.app import PREFIX, RequestLimits
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores import open_store
from tests.relay.conftest import node_is

from .service import Service

TOKEN = "a-token-for-programs"
TESTER = Context("tester", superuser=True, via="rest")


@asynccontextmanager
async def opened(pool: Pool) -> AsyncIterator[Filesystem]:
    """An empty filesystem in memory that runs methods in the sandbox."""
    filesystem = await Filesystem.open(await open_store("memory:"), node="afar", url="memory:", runner=pool)
    yield filesystem
    await filesystem.close()


@asynccontextmanager
async def by_rest(pool: Pool) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        filesystem = await stack.enter_async_context(opened(pool))
        server = await stack.enter_async_context(RESTNodeServer(filesystem, port=0, token=TOKEN, context=TESTER))
        yield await stack.enter_async_context(Client(RESTTransport(server.url, TOKEN)))


@asynccontextmanager
async def by_relay_rest(pool: Pool, folder: Path) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        filesystem = await stack.enter_async_context(opened(pool))
        node = await stack.enter_async_context(Node(filesystem, "tcp://127.0.0.1:0", context=TESTER))
        settings = RelaySettings(folder, nodes=(node.endpoint,), port=0, token=TOKEN, beat=0.5)
        relay = await stack.enter_async_context(RelayServer(settings))
        await node_is(relay, "afar")
        yield await stack.enter_async_context(Client(RESTTransport(relay.url, TOKEN)))


@pytest.fixture
async def service() -> Service:
    return Service()


Start = Callable[..., Awaitable[RESTNodeServer]]


@pytest.fixture
async def start(service: Service) -> AsyncIterator[Start]:
    """Start a server of the service, with other settings or limits if need be."""
    servers: list[RESTNodeServer] = []

    async def begin(limits: RequestLimits | None = None, **settings: Any) -> RESTNodeServer:
        given = {"port": 0, "context": TESTER, **settings}
        servers.append(RESTNodeServer(service.dispatch, limits=limits, **given))
        return await servers[-1].start()

    yield begin
    for server in servers:
        await server.stop()


@pytest.fixture
async def http(start: Start) -> AsyncIterator[httpx.AsyncClient]:
    """What curl is: a client of a server without a token."""
    server = await start()
    async with talk(server.url) as client:
        yield client


def talk(url: str, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url + PREFIX, trust_env=False, verify=False, **options)
