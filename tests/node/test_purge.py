"""What is purged below a path is so in every volume there, and at the node that has it, whichever is asked."""

from __future__ import annotations

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.errors import NotFound
from emerge_wasm.objects import EmergeFile

from .conftest import Connect, StartNode, eventually, names
from .conftest import connect as connect
from .conftest import stack as stack
from .conftest import start_node as start_node


async def test_every_volume_below_a_path_is_purged(start_node: StartNode, connect: Connect) -> None:
    a = await start_node("a")
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), mount=("/far",))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    clients = [Client(connect(node.endpoint)) for node in (a, b)]
    for asked in clients:
        sizes = 0
        for path in ("/near", "/far/deep", "/far"):
            pointer = await clients[0].store(EmergeFile(name="x", path=path, data=[1] * 9))
            sizes += pointer.size
            await clients[1].rm(pointer.full_path)
        assert await asked.purge("/") == {"purged": 3, "bytes": sizes}
        assert await asked.purge("/") == {"purged": 0, "bytes": 0}
        with pytest.raises(NotFound, match="nothing was removed from /far/x"):
            await asked.restore("/far/x")
