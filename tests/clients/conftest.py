"""A node and a relay before it, which run on the loop of the sync face while a test, or a process of its own, calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.stores.memory import MemoryStore
from emerge_wasm.sync import wait
from tests.relay.conftest import node_is

TOKEN = "a-token-for-programs"


class Servers(NamedTuple):
    """A node called "afar" and a relay before it."""

    node: Node
    relay: RelayServer

    def address(self, scheme: str) -> tuple[str, str | None]:
        """Where a client of that scheme calls, and with which token."""
        if scheme == "tcp":
            return self.node.endpoint, None
        return self.relay.url.replace("http://", f"{scheme}://"), TOKEN


async def start(stack: AsyncExitStack, folder: Path) -> Servers:
    filesystem = await Filesystem.open(MemoryStore(), node="afar")
    node = await stack.enter_async_context(
        Node(filesystem, "tcp://127.0.0.1:0", context=Context("tester", superuser=True))
    )
    settings = RelaySettings(folder, nodes=(node.endpoint,), port=0, token=TOKEN, beat=0.5)
    relay = await stack.enter_async_context(RelayServer(settings))
    await node_is(relay, "afar")
    return Servers(node, relay)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    stack = AsyncExitStack()
    yield wait(start(stack, tmp_path))
    wait(stack.aclose())
