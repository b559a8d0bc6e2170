"""Calls with an id are made once, also when their volume went to another node in between, and back."""

from __future__ import annotations

import random

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.errors import Invalid
from tests.scale import examples

from .conftest import Connect, StartNode
from .test_held_blocks import cluster


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_repeated_after_the_volume_moved(start_node: StartNode, connect: Connect, seed: int) -> None:
    dice = random.Random(seed)
    nodes = await cluster(start_node, 3)
    clients = [Client(connect(node.endpoint)) for node in nodes]
    await clients[0].mount("/v", "n1")
    paths = ["/v/a", "/v/d/b", "/w/c"]
    for path in paths:
        await clients[0].store(EmergeFile(name=path[-1], path=path[:-2], data=0))
    made: dict[str, tuple[str, int, str]] = {}  # id -> path, version, date
    for step in range(24):
        if step % 8 == 7:
            where = dice.choice(["n0", "n1", "n2"])
            if where not in [row["node"] for row in await clients[0].volumes() if row["path"] == "/v"]:
                await clients[0].mount("/v", where)
        client, id = dice.choice(clients), f"call {dice.randrange(8)}"
        path = made[id][0] if id in made else dice.choice(paths)
        pointer = await client.once(id).update(path, data=step)
        found = path, pointer.version, pointer.date
        assert made.setdefault(id, found) == found
    for path in paths:
        versions = await clients[0].versions(path)
        assert len(versions) == 1 + sum(each[0] == path for each in made.values())
    id, (path, _, _) = next(iter(made.items()))
    with pytest.raises(Invalid, match="is that of"):
        await clients[0].once(id).update("/v/d/b" if path != "/v/d/b" else "/v/a", data=1)
