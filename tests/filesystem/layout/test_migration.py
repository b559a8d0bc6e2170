"""A store that an older Emerge wrote is opened and has all that a new one has. tests/data/format1.db: see below."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emerge_wasm import Invalid
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.layout.record import ROOT, entry_key
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store

OLD = Path(__file__).parents[2] / "data" / "format1.db"
"""Written by Emerge at format 1: /inventory/w stored, updated, moved to /shelf/a/v; /inventory/gone stored, removed;
/inventory/plain stored; /shelf/a moved to /shelf/b."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    shutil.copy(OLD, tmp_path / "old.db")
    return f"sqlite:///{tmp_path}/old.db"


async def test_all_is_there_and_the_past_too(url: str) -> None:
    store = await open_store(url)
    async with Client(LocalTransport(await Filesystem.open(store))) as client:
        now = [p.full_path async for p in client.tree("/")]
        assert now == ["/inventory", "/inventory/plain", "/shelf", "/shelf/b", "/shelf/b/v"]
        await client.trust("*")  # it was stored when nobody was asked to stand for a class
        item = await client.getobject("/shelf/b/v")
        assert (item.unit_price, item.total_cost(), item.version) == (2.0, 4.0, 3)
        changes = (await client.changes(0))["changes"]
        dates = {change["path"]: change["pointer"]["date"] for change in changes}
        then = [p.full_path async for p in client.tree("/", as_of=dates["/inventory/gone"])]
        assert then == ["/inventory", "/shelf", "/shelf/a", "/shelf/a/v"]
        before = [change["pointer"]["date"] for change in changes if change["operation"] == "store"]
        assert await client.cat("/inventory/gone", as_of=before[1])
        assert not (await audit(store)).faults
        await client.restore("/inventory/gone")
        assert (await client.get("/inventory/gone")).version == 3


async def test_cut_off_it_begins_again(url: str) -> None:
    """At each commit of it in turn, the process that migrates is gone."""

    class Mortal:
        def __init__(self, store: Store, lives: int) -> None:
            self.store, self.lives = store, lives

        def __getattr__(self, name: str) -> object:
            return getattr(self.store, name)

        async def commit(self, batch: Batch) -> list[int]:
            self.lives -= 1
            if self.lives < 0:
                raise ConnectionAbortedError
            return await self.store.commit(batch)

    for lives in range(2):
        store = await open_store(url)
        with pytest.raises(ConnectionAbortedError):
            await Filesystem.open(Mortal(store, lives))  # type: ignore[arg-type]
        assert await store.get([("meta", b"format")]) == [b"1"]
        await store.close()
    store = await open_store(url)
    await Filesystem.open(store)
    assert await store.get([("meta", b"format")]) == [b"2"] and not (await audit(store)).faults
    await store.close()


async def test_what_is_in_the_way_is_named(url: str) -> None:
    store = await open_store(url)
    await store.commit(Batch(puts=[("entries", entry_key(ROOT, "registry"), b"x" * 40)]))
    with pytest.raises(Invalid, match="/registry"):
        await Filesystem.open(store)
    await store.close()
