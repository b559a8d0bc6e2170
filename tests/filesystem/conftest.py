"""Clients of an empty filesystem by every transport: a real node, and a real relay before one.

One sandbox for the session, on the session's event loop, because starting Python twice takes longer than the scenarios.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.websocket import ONLINE, WebSocketTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores import open_store

TOKEN = "a-token-for-programs"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    async with Pool(2) as pool:
        yield pool


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filesystem]:
    """One that runs methods here, on an empty store; all of it agrees afterwards."""
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    filesystem = await Filesystem.open(await open_store(url), node="here", runner=Here(given=give_filesystem))
    yield filesystem
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()


@asynccontextmanager
async def local(url: str) -> AsyncIterator[Client]:
    """Next door to a filesystem on a store."""
    filesystem = await Filesystem.open(await open_store(url), node="here", url=url, runner=Here(given=give_filesystem))
    async with Client(LocalTransport(filesystem, Context("tester", superuser=True))) as client:
        yield client


@asynccontextmanager
async def served(pool: Pool) -> AsyncIterator[Node]:
    """A node over an empty memory store, which runs methods in the sandbox."""
    async with AsyncExitStack() as stack:
        filesystem = await Filesystem.open(await open_store("memory:"), node="afar", url="memory:", runner=pool)
        stack.push_async_callback(filesystem.close)
        yield await stack.enter_async_context(
            Node(filesystem, "tcp://127.0.0.1:0", context=Context("tester", superuser=True))
        )


@asynccontextmanager
async def by_zeromq(pool: Pool) -> AsyncIterator[Client]:
    async with served(pool) as node, Client(ZeroMQTransport(node.endpoint)) as client:
        yield client


@asynccontextmanager
async def by_relay(pool: Pool, folder: Path) -> AsyncIterator[Client]:
    async with served(pool) as node:
        settings = RelaySettings(folder, nodes=(node.endpoint,), port=0, token=TOKEN, beat=0.1)
        async with RelayServer(settings) as relay:
            online = asyncio.Event()
            transport = WebSocketTransport(
                relay.url, token=TOKEN, on_status=lambda state, _: online.set() if state == ONLINE else None
            )
            async with Client(await transport.open()) as client:
                await online.wait()
                yield client
