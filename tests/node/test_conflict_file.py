"""A file that is kept as a conflict has the raid level that it had, where there are nodes enough for it."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.conflict_file import put_again
from emerge_wasm.stores import open_store

from .conftest import OPERATOR, StartNode, two


@pytest.fixture
async def former() -> AsyncIterator[Filesystem]:
    filesystem = await Filesystem.open(await open_store("memory:"), node="former")
    yield filesystem
    await filesystem.close()


@pytest.mark.parametrize(
    ("raid", "size"), [(0, 1 << 20), (0, 100), (5, (2 << 20) + 5), (6, (1 << 20) - 1), (5, 20_000)]
)
async def test_its_level_is_kept(former: Filesystem, start_node: StartNode, raid: int, size: int) -> None:
    data = os.urandom(size)
    await Client(LocalTransport(former, OPERATOR)).put(io.BytesIO(data), "/d/file", raid=raid)
    alone = await Filesystem.open(await open_store("memory:"), node="alone")
    pair, _ = await two(start_node)
    for target in (alone, pair):
        there = Client(LocalTransport(target, OPERATOR))
        await put_again(former.dispatch, "/d/file", 1, target.dispatch, "/kept/file", "rw-r-----")
        got = io.BytesIO()
        await there.fetch("/kept/file", got)
        assert got.getvalue() == data
        pointer = await there.get("/kept/file")
        check = await there.verify("/kept/file")
        assert check["readable"] and not check["amiss"] and pointer.perms == "rw-r-----"
        kept = 0 if target is pair else raid  # two nodes outlive the loss of none with raid 5
        assert check["layout"].startswith(f"raid{kept} ") or (check["layout"] == "inline" and not raid)
    await alone.close()
