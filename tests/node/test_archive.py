"""Archives where objects go from node to node: what is removed where it went comes back there, the same object."""

from __future__ import annotations

from pathlib import Path

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.codec import encode
from emerge_wasm.errors import Conflict
from emerge_wasm.filesystem.check.audit import audit

from .conftest import Connect, StartNode, two


@pytest.mark.parametrize("removed", [False, True])
async def test_what_went_to_another_node_is_loaded_there(
    start_node: StartNode, connect: Connect, tmp_path: Path, removed: bool
) -> None:
    nodes = await two(start_node)
    link = connect(nodes[0].endpoint)
    client = Client(link)
    await client.mount("/b", "b")
    for number, name in enumerate("xy"):
        await link.call("store", [f"/d/{name}", encode({"n": number})])
    before = await client.get("/d/x")
    await client.export("/d", tmp_path / "d.emerge")
    await client.mv("/d", "/b/d")
    if removed:
        await client.rm("/b/d", recursive=True)
    with pytest.raises(Conflict, match=r"/d is on another node, as /b/d, or was removed there.*load it there"):
        await client.load(tmp_path / "d.emerge", "/d")
    if not removed:
        with pytest.raises(Conflict, match="there already"):
            await client.load(tmp_path / "d.emerge", "/b/d")
        return
    assert await client.load(tmp_path / "d.emerge", "/b/d") == 3
    await client.mv("/b/d", "/d")
    assert (await client.get("/d/x")).uuid == before.uuid and await client.cat("/d/y") == {"n": 1}
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []
