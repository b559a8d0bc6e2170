"""Files in a cluster: they are put, read, copied, moved, mounted and replicated by whichever node is asked."""

from __future__ import annotations

import asyncio
import io

import pytest

from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.filesystem.check.audit import audit
from tests.contracts.files import content, pattern

from .conftest import Connect, StartNode, eventually, two

FILES = {"large": pattern(5 * BLOCK_SIZE + 7), "small": b"small", "empty": b""}


async def whole(client: Client, path: str) -> dict[str, bytes]:
    """The files in a directory, with what all versions of one say."""
    assert [len(await content(client, f"{path}/large", version=n)) for n in (1, 2)] == [9, len(FILES["large"])]
    assert [(await client.verify(f"{path}/{name}"))["readable"] for name in FILES] == [True] * 3
    return {name: await content(client, f"{path}/{name}") for name in FILES}


async def test_files_go_wherever_objects_go(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    first, second = Client(connect(a.endpoint)), Client(connect(b.endpoint))
    await second.mount("/b", "b")
    await first.put(io.BytesIO(b"version 1"), "/b/d/large", raid=1)
    for name, data in FILES.items():
        await first.put(io.BytesIO(data), f"/b/d/{name}", raid=1 * (name == "large"))
    assert await whole(first, "/b/d") == await whole(second, "/b/d") == FILES
    await first.cp("/b/d", "/copy", recursive=True)  # to another filesystem, the newest versions
    assert {name: await content(second, f"/copy/{name}") for name in FILES} == FILES
    await second.mv("/b/d", "/a/d")  # there and back, with all versions
    assert await whole(first, "/a/d") == await whole(second, "/a/d") == FILES
    await first.mv("/a/d", "/b/e")
    assert await whole(second, "/b/e") == FILES
    await second.mount("/copy", "b")
    assert {name: await content(first, f"/copy/{name}") for name in FILES} == FILES
    for node in (a, b):
        found = await audit(node.filesystem.core.store)
        assert found.faults == []


@pytest.mark.filterwarnings("ignore::emerge_wasm.StaleAnswer")
async def test_a_copy_of_a_volume_has_its_files(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    client = Client(connect(a.endpoint))
    await client.mount("/v", "b")
    await client.put(io.BytesIO(b"version 1"), "/v/d/large")
    await client.replicate("/v", 1)
    for name, data in FILES.items():
        await client.put(io.BytesIO(data), f"/v/d/{name}", raid=1 * (name == "large"))
    for _ in range(300):
        report = await client.replicate("/v")
        if report["copies"] and report["copies"][0]["same"]:
            break
        await asyncio.sleep(0.02)
    assert report["copies"][0]["same"], report
    await b.stop()
    await eventually(lambda: not a.cluster.peers(), 10)
    assert await whole(client, "/v/d") == FILES
    await client.promote("/v")
    assert await whole(client, "/v/d") == FILES
    await client.put(io.BytesIO(b"on"), "/v/d/after")
    assert await content(client, "/v/d/after") == b"on"
