"""What is purged is gone, with all its bytes, and nothing else is: not what is there, and nothing of others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import EmergeError, NotFound, PermissionDenied
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.layout.record import VersionRecord
from emerge_wasm.filesystem.versions import compare
from emerge_wasm.objects import EmergeFile
from tests.filesystem.removals import ANY, PATHS, STEP, take, tree, world
from tests.scale import examples


async def records(filesystem: Filesystem) -> dict[bytes, VersionRecord]:
    rows = await filesystem.core.store.scan("versions", limit=100_000)
    return {key: VersionRecord.unpack(raw) for key, raw in rows}


def sizes(found: dict[bytes, VersionRecord]) -> Counter[str]:
    bytes = Counter[str]()
    for record in found.values():
        if record.entry.has_own_state:
            bytes[record.entry.owner] += record.entry.size
    return bytes


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
