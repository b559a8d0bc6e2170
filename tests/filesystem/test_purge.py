"""What is purged is gone, with all its bytes, and nothing else is: not what is there, and nothing of others."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError, NotFound, PermissionDenied
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.layout.record import VersionRecord
from emerge_wasm.filesystem.versions import compare
from emerge_wasm.objects import EmergeFile
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

ROOT = Context("root", superuser=True)
WHO = st.sampled_from(["anna", "bert"])
PATHS = [f"/all{deep}/{name}" for deep in ("", "/d", "/d/e") for name in "ab"]
ANY = st.sampled_from([*PATHS, "/all/d", "/all/d/e", "/all"])
STEP = st.one_of(
    st.tuples(st.just("store"), WHO, st.sampled_from(PATHS), st.sampled_from([1, 90, 70_000])),
    st.tuples(st.just("rm"), WHO, ANY),
    st.tuples(st.just("rm"), WHO, st.sampled_from(PATHS)),
    st.tuples(st.just("mv"), WHO, ANY, ANY),
    st.tuples(st.just("restore"), WHO, ANY),
    st.tuples(st.just("retain"), WHO, st.sampled_from(["/all", "/all/d"]), st.sampled_from(["1", "all"])),
)


async def world(largest: int = 10_000) -> tuple[Filesystem, dict[str, Client]]:
    """A filesystem with /all, in which anna and bert may do everything."""
    store = MemoryStore()
    store.capabilities = replace(store.capabilities, largest_batch=largest)
    filesystem = await Filesystem.open(store, node="n")
    root = Client(LocalTransport(filesystem, ROOT))
    for path in ("/all/d/e", "/all/d", "/all"):
        await root.mkdir(path)
        await root.chmod(path, "rwxrwxrwx")
    everybody = {who: Client(LocalTransport(filesystem, Context(who, umask=0))) for who in ("anna", "bert")}
    return filesystem, {"root": root, **everybody}


async def take(clients: dict[str, Client], step: tuple[Any, ...]) -> None:
    what, who, path, *more = step
    client = clients[who]
    try:
        if what == "store":
            directory, _, name = path.rpartition("/")
            await client.store(EmergeFile(name=name, path=directory, data="x" * more[0]))
        elif what == "rm":
            await client.rm(path, True)
        else:
            await getattr(client, what)(path, *more)
    except EmergeError:
        return


async def records(filesystem: Filesystem) -> dict[bytes, VersionRecord]:
    rows = await filesystem.core.store.scan("versions", limit=100_000)
    return {key: VersionRecord.unpack(raw) for key, raw in rows}


def sizes(found: dict[bytes, VersionRecord]) -> Counter[str]:
    bytes = Counter[str]()
    for record in found.values():
        if record.entry.has_own_state:
            bytes[record.entry.owner] += record.entry.size
    return bytes


async def tree(root: Client) -> list[tuple[str, str, int]]:
    return [(each.full_path, each.uuid, each.version) async for each in root.tree("/")]


@settings(max_examples=examples(60), deadline=None)
@example(
    steps=[
        ("store", "bert", "/all/d/a", 90),
        ("store", "anna", "/all/d/b", 90),
        ("rm", "anna", "/all/d"),
    ],
    who="anna",
    path="/all",
    largest=10_000,
)
@given(
    steps=st.lists(STEP, min_size=15, max_size=40),
    who=st.sampled_from(["anna", "bert", "root"]),
    path=st.one_of(st.just("/all"), ANY),
    largest=st.sampled_from([40, 10_000]),
)
def test_what_one_removed_goes_and_nothing_else(
    steps: list[tuple[Any, ...]], who: str, path: str, largest: int
) -> None:
    async def main() -> None:
        filesystem, clients = await world(largest)
        full = [("store", owner, path, 90) for owner, path in zip(["anna", "bert", "anna"] * 2, PATHS, strict=True)]
        for step in (*full, *steps):
            await take(clients, step)
        was, seen = await records(filesystem), await tree(clients["root"])
        living = {bytes.fromhex(uuid) for _, uuid, _ in seen}
        purged = {"purged": 0, "bytes": 0}
        try:
            purged = await clients[who].purge(path)
        except EmergeError as error:
            assert path in error.message and error.remedy
        now = await records(filesystem)
        assert await tree(clients["root"]) == seen
        dropped = {key: record for key, record in was.items() if key not in now}
        assert {key: now[key] for key in was.keys() & now.keys()} == {key: was[key] for key in was.keys() & now.keys()}
        for key, record in dropped.items():
            assert key[:16] not in living and (who == "root" or record.entry.owner == who)
        assert sizes(dropped).total() == purged["bytes"]
        assert len({key[:16] for key in dropped}) == len(now.keys() - was.keys()) == purged["purged"]
        states = {key for key, _ in await filesystem.core.store.scan("states", limit=100_000)}
        assert states <= now.keys()
        if path == "/all":
            assert (await clients[who].purge(path)) == {"purged": 0, "bytes": 0}
        if (who, path) == ("root", "/all"):
            newest = {key[:16]: record for key, record in sorted(now.items())}
            left = [uuid for uuid, record in newest.items() if record.operation == "rm" and record.entry.size]
            assert left == []
        assert (await audit(filesystem.core.store)).faults == []
        await filesystem.close()

    asyncio.run(main())


@pytest.mark.asyncio
async def test_the_past_of_others_is_where_it_was() -> None:
    filesystem, clients = await world()
    anna, bert = clients["anna"], clients["bert"]
    await bert.store(EmergeFile(name="his", path="/all/d", data=1))
    pointer = await anna.store(EmergeFile(name="hers", path="/all/d", data=1))
    await anna.rm("/all/d/hers")
    assert [each.name for each in await bert.list("/all/d", as_of=pointer.date)] == ["e", "hers", "his"]
    await clients["root"].rm("/all/d", True)
    with pytest.raises(PermissionDenied, match=r"anna may not purge /all/d/his.*bert"):
        await anna.purge("/all/d/his")
    assert await anna.purge("/all/d") == {"purged": 1, "bytes": pointer.size}
    assert [each.name for each in await bert.list("/all/d", as_of=pointer.date)] == ["e", "his"]
    await bert.restore("/all/d/his")
    assert await bert.cat("/all/d/his.data") == 1
    with pytest.raises(NotFound, match="nothing was removed from /all/d/hers"):
        await anna.restore("/all/d/hers")
    with pytest.raises(NotFound, match="and purged"):
        await anna.get(f"/registry/{pointer.uuid}")
    await filesystem.close()


@pytest.mark.asyncio
async def test_what_is_restored_while_it_is_purged_is_there_whole_or_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem, clients = await world()
    anna = clients["anna"]
    commit = compare.commit

    async def purge_first(core: Any, change: Any) -> None:
        monkeypatch.setattr(compare, "commit", commit)
        await anna.purge("/all/a")
        await commit(core, change)

    await anna.store(EmergeFile(name="a", path="/all", data=1))
    await anna.rm("/all/a")
    monkeypatch.setattr(compare, "commit", purge_first)
    with pytest.raises(NotFound, match="/all/a"):
        await anna.restore("/all/a")
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()
