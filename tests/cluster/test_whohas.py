"""Who has something: whatever is asked for, by path or uuid, and wherever it went, the answer is what is so."""

from __future__ import annotations

import random

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.client import Client
from tests.node.conftest import Connect, StartNode, eventually, fall_silent, names
from tests.scale import examples


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_who_has_what(start_node: StartNode, connect: Connect, seed: int) -> None:
    chance = random.Random(seed)
    nodes = [await start_node("a")]
    await nodes[0].volumes.found()
    nodes += [await start_node(name, (nodes[0].endpoint,)) for name in "bc"]
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in nodes))
    clients = [Client(connect(node.endpoint)) for node in nodes]
    tops = {"a": "/top", "b": "/vol/b", "c": "/vol/b/c"}
    for name in "bc":
        await clients[0].mount(tops[name], name)

    held: dict[str, str] = {}  # any name of what is there -> its node
    gone: list[str] = []
    for number in range(60):
        name, client = chance.choice("abc"), chance.choice(clients)
        path = f"{tops[name]}/x{number}"
        uuid = (await client.remote.store(path, codec.encode({"n": number})))["uuid"]
        dashed = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
        if chance.random() < 0.3:
            moved = f"{tops[name]}/m{number}"
            await client.mv(path, moved)
            gone.append(path)
            path = moved
        forms = [path, uuid, uuid.upper(), dashed, f"/registry/{uuid}"]
        if chance.random() < 0.3:
            await client.rm(path)
            gone += forms
        else:
            held |= dict.fromkeys(forms, name)
    gone += ["/top/none", "0" * 32, "/registry/" + "f" * 32, "/registry", "no path", "/vol/b/c/d/e", "x" * 32, "ff"]
    gone.remove("/registry")
    for client in clients:
        asked = chance.sample([*held, *gone], len(held) + len(gone))
        assert await client.whohas(*asked) == held
        assert await client.whohas(*gone) == {}
        holdings = await client.holdings()
        assert {row["node"]: row["volumes"] for row in holdings["nodes"]} == {
            "a": ["/"],
            "b": ["/vol/b"],
            "c": ["/vol/b/c"],
        }
        assert "missing" not in holdings

    fall_silent(nodes[1])
    await nodes[1].stop()
    await eventually(lambda: names(nodes[0].cluster) == ["c"])
    left = {name: node for name, node in held.items() if node != "b"}
    with pytest.warns(match="node b is away"):
        assert await clients[0].whohas(*held) == left
    holdings = await clients[0].holdings()
    assert ([row["node"] for row in holdings["nodes"]], holdings["missing"]) == (["a", "c"], ["b"])
