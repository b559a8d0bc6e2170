"""A page of objects ends where the next state would not fit, and has one at least; the pages together have all."""

from __future__ import annotations

from itertools import accumulate
from random import Random

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.objects import read
from emerge_wasm.results import ObjectPage
from emerge_wasm.stores.memory import MemoryStore


@pytest.mark.parametrize("seed", range(12))
async def test_a_page_has_as_many_as_fit(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = Random(seed)
    bound = dice.choice([300, 3_000, 12_000])
    monkeypatch.setattr(read, "PAGE_BYTES", bound)
    transport = LocalTransport(await Filesystem.open(MemoryStore()))
    async with Client(transport) as client:
        names = [f"{number:02}" for number in range(40)]
        await client.storeall(EmergeFile(name=name, path="/d") for name in names)
        for name in names:
            await client.update(f"/d/{name}", note=bytes(dice.choice([0, 10, 200, 900])))
        sizes: list[int] = [len((await transport.call("getobject", [f"/d/{name}"]))["state"]) for name in names]  # type: ignore[index]
        at, cursor = 0, ""
        while at < len(names):
            page: ObjectPage = await transport.call("objects", ["/d", cursor, 15])  # type: ignore[assignment]
            fit = sum(size <= bound for size in accumulate(sizes[at : at + 15]))
            assert [row["pointer"]["name"] for row in page["objects"]] == names[at : at + max(fit, 1)]
            at, cursor = at + max(fit, 1), page["cursor"]
        assert not cursor
