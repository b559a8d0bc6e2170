"""Files whose holders die: they read back as far as their raid level promises, else it is said what lacks."""

from __future__ import annotations

import io
import random

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.errors import EmergeError, Unavailable
from tests.contracts.files import content, pattern
from tests.scale import examples

from .conftest import Connect, StartNode, eventually
from .test_held_blocks import PART, cluster

LOSSES = {0: 0, 1: 1, 5: 1, 6: 2}
NEEDED = {0: 1, 1: 2, 5: 3, 6: 4}


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_files_outlive_as_many_nodes_as_their_level_says(
    start_node: StartNode, connect: Connect, seed: int
) -> None:
    dice = random.Random(seed)
    count = dice.randrange(2, 6)
    nodes = await cluster(start_node, count)
    client = Client(connect(nodes[0].endpoint))
    files: dict[int, bytes] = {}
    for raid in LOSSES:
        data = pattern(dice.randrange(1, 9 * PART), raid)
        if count < NEEDED[raid]:
            with pytest.raises(Unavailable, match=f"needs {NEEDED[raid]} nodes"):
                await client.put(io.BytesIO(data), f"/r{raid}", raid=raid, block_size=PART)
            continue
        await client.put(io.BytesIO(data), f"/r{raid}", raid=raid, block_size=PART)
        files[raid] = data
    left = nodes[1:]
    dice.shuffle(left)
    for lost, node in enumerate(left[:3], 1):
        await node.stop()
        await eventually(lambda gone=count - 1 - lost: len(nodes[0].cluster.peers()) == gone, 10)
        for raid, data in files.items():
            rows = [row async for row in client.blocks(f"/r{raid}", verify=True)]
            if lost <= LOSSES[raid]:
                assert await content(client, f"/r{raid}") == data, (raid, lost)
                assert all(row["state"] in ("here", "repairable") for row in rows)
            elif all(row["state"] != "lost" for row in rows):  # none of its blocks were there
                assert await content(client, f"/r{raid}") == data
            else:
                lacking = next(row for row in rows if row["state"] == "lost")
                assert "away" in lacking["amiss"].values()
                with pytest.raises(EmergeError, match=r"block|fragments"):
                    await content(client, f"/r{raid}")
