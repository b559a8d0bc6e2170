"""A client that gets a file from the nodes that have its blocks, directly, while they die, stand still and lie."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.clients.transfer import Transfer
from tests.contracts.files import pattern

from .conftest import Connect, StartNode
from .test_held_blocks import cluster

DATA = pattern(40 * BLOCK_SIZE + 5)


@pytest.mark.parametrize("raid", [0, 1, 5])
async def test_all_holders_give(start_node: StartNode, connect: Connect, raid: int, tmp_path: Path) -> None:
    nodes = await cluster(start_node, 3)
    async with Client(connect(nodes[0].endpoint)) as client:
        await client.put(io.BytesIO(DATA), "/f", raid=raid)
        transfer = Transfer()
        assert await client.fetch("/f", tmp_path / "f", progress=transfer) == len(DATA)
        assert (tmp_path / "f").read_bytes() == DATA
        assert {name for name, size in transfer.holders.items() if size > 2 * BLOCK_SIZE} >= {"n0", "n1", "n2"}
