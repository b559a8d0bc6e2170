"""RESTTransport in Pyodide, by fetch (Node's; a browser's is the same), against a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from emerge_wasm.filesystem import Filesystem
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.stores.memory import MemoryStore
from tests.pyodide import node_command
from tests.relay.conftest import until

from .conftest import TESTER, TOKEN

HERE = Path(__file__).parent


async def test_the_transport_goes_by_fetch() -> None:
    filesystem = await Filesystem.open(MemoryStore())
    async with RESTNodeServer(filesystem, port=0, token=TOKEN, context=TESTER) as server:
        command = node_command(HERE / "pyodide.mjs", HERE / "in_pyodide.py", server.url, TOKEN)
        node = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(60):
            _, said = await node.communicate()
        assert node.returncode == 0, said.decode()
        await until(lambda: len(server.rest) == 0)  # what it left ends here
    await filesystem.close()
