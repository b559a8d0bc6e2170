"""Receipts: what a run leaves behind, where it is kept, for how long, and who sees it."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, ExecutionFailed, Invalid, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import encode
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.receipt import KEPT, RECEIPT_WRITER
from emerge_wasm.store import Batch, prefix_end
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import refused
from tests.scale import examples

OLD = Path(__file__).parents[2] / "data" / "format2.db"
"""Written by an Emerge without the space `receipts`: /inventory/w stored with 10, 3 sold by its method `sell`."""


@dataclass
class Thing(EmergeFile):
    size: int = 0

    def grow(self, by: int = 1) -> int:
        self.size += by
        return self.size

    def look(self, *args: object, **kwargs: object) -> int:
        return self.size

    def fail(self) -> None:
        raise ValueError("no")


@pytest.fixture
async def client(filesystem: Filesystem) -> Client:
    client = Client(LocalTransport(filesystem, Context("ann", superuser=True)))
    await client.store(Thing(name="a", path="/t"))
    return client


def sha(value: object) -> str:
    return sha256(encode(value)).hexdigest()


async def test_what_it_tells(client: Client) -> None:
    done = await client.run_with_receipt("/t/a", "grow", by=3)
    assert (done["result"], done["output"], done["pointer"]["version"]) == (3, "", 2)
    receipt = done["receipt"]
    pointer = await client.get("/t/a", version=1)
    assert receipt == {
        "id": receipt["id"],
        "date": receipt["date"],
        "node": "here",
        "principal": "ann",
        "method": "grow",
        "version": 1,
        "bundle": pointer.bundle,
        "arguments": sha([[], {"by": 3}]),
        "result": sha(3),
        "milliseconds": done["milliseconds"],
        "made": 2,
    }
    assert await client.receipts("/t/a") == [receipt]
    looked = (await client.run_with_receipt("/t/a", "look", 1, [2]))["receipt"]
    assert (looked["version"], looked["made"], looked["arguments"]) == (2, 0, sha([[1, [2]], {}]))
    assert await client.receipts("/t/a") == [looked, receipt]
    await refused(client.run("/t/a", "fail"), ExecutionFailed)
    assert len(await client.receipts("/t/a")) == 2, "a failed run has no result to explain"


STEPS = st.lists(
    st.tuples(st.sampled_from(("look", "grow", "fail")), st.integers(0, 3), st.booleans(), st.integers(0, 2)),
    max_size=12,
)


async def play(steps: list[tuple[str, int, bool, int]]) -> None:
    """Runs whose receipt is asked for or not, and others that look for receipts between them, at once or later."""
    filesystem = await Filesystem.open(await open_store("memory://"), node="here", runner=Here())
    client = Client(LocalTransport(filesystem, Context("ann", superuser=True)))
    await client.store(Thing(name="a", path="/t"))
    expected: list[tuple[str, str, str, str, int]] = []
    size, version = 0, 1
    for method, by, told, look in steps:
        made, args = 0, [by] if method != "fail" else []
        if method == "grow" and by:
            made = version + 1
        work = client.run_with_receipt if told else client.run
        if method == "fail":
            await refused(work("/t/a", "fail"), ExecutionFailed)
        else:
            size += by if method == "grow" else 0
            done = await work("/t/a", method, *args)
            assert (done["result"] if told else done) == size
            expected.append((method, sha([args, {}]), sha(size), "ann", made))
            version = made or version
        for _ in range(look):
            rows = await client.receipts("/t/a")
            said = [(row["method"], row["arguments"], row["result"], row["principal"], row["made"]) for row in rows]
            assert sorted(said) == sorted(expected), "each is there as soon as its run has answered"
            assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
            assert len({row["id"] for row in rows}) == len(rows)
            assert not told or method == "fail" or done["receipt"] in rows
    await filesystem.close()


@settings(max_examples=examples(40), deadline=None)
@given(STEPS)
def test_each_run_has_one_whether_it_is_asked_for_or_not(steps: list[tuple[str, int, bool, int]]) -> None:
    asyncio.run(play(steps))


async def test_pages(client: Client) -> None:
    for _ in range(5):
        await client.run("/t/a", "look")
    rows = await client.receipts("/t/a")
    assert len(rows) == 5 and sorted(rows, key=lambda row: row["id"], reverse=True) == rows
    first = await client.receipts("/t/a", limit=2)
    assert first + await client.receipts("/t/a", before=first[-1]["id"]) == rows
    for work in (client.receipts("/t/a", before="x"), client.receipts("/t/a", limit=0)):
        await refused(work, Invalid)


async def test_they_are_seen_by_those_who_may_read_the_object(client: Client) -> None:
    await client.run("/t/a", "look")
    await client.chmod("/t/a", "rwx--x--x")
    await client.chmod("/t", "rwxr-xr-x")
    bob = client.as_user("bob")
    assert await bob.run("/t/a", "look") == 0
    await refused(bob.receipts("/t/a"), PermissionDenied, "/t/a")
    assert [row["principal"] for row in await client.receipts("/t/a")] == ["bob", "ann"]


async def test_one_of_a_version_is_in_its_commit(filesystem: Filesystem, client: Client) -> None:
    commits: list[list[str]] = []
    store = filesystem.core.store
    commit = store.commit

    async def watched(batch: Batch) -> list[int]:
        commits.append([space for space, _, _ in batch.puts])
        return await commit(batch)

    store.commit = watched  # type: ignore[method-assign]
    await client.run("/t/a", "grow")
    assert len(commits) == 1 and {"versions", "receipts"} <= set(commits[0])
    commits.clear()
    for _ in range(20):
        await client.run("/t/a", "look")
    assert commits == [], "they are written behind"
    await asyncio.sleep(0.15)
    assert commits == [["receipts"] * 20]


async def test_what_waits_is_written_when_it_closes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    for count in (1, 2):
        filesystem = await Filesystem.open(await open_store(url), runner=Here())
        client = Client(LocalTransport(filesystem))
        if count == 1:
            await client.store(Thing(name="a", path="/t"))
        await client.run("/t/a", "look")
        await filesystem.close()
    filesystem = await Filesystem.open(await open_store(url))
    assert len(await Client(LocalTransport(filesystem)).receipts("/t/a")) == 2
    await filesystem.close()


async def test_the_newest_hundred_are_kept(
    filesystem: Filesystem, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    for number in range(KEPT + 40):
        made.append((await client.run_with_receipt("/t/a", ("look", "grow")[number % 2]))["receipt"]["id"])
    assert [row["id"] for row in await client.receipts("/t/a")] == made[: -KEPT - 1 : -1]
    monkeypatch.setattr(os, "urandom", lambda size: bytes(size))  # patched: one run in sixteen prunes, by chance
    for method in ("grow", "look", "grow"):
        await client.run("/t/a", method)
        await RECEIPT_WRITER.of(filesystem.core).flush(filesystem.core.store)
    uuid = bytes.fromhex((await client.get("/t/a")).uuid)
    assert len(await filesystem.core.store.scan("receipts", uuid, prefix_end(uuid))) == KEPT


async def test_they_follow_the_object(client: Client) -> None:
    await client.run("/t/a", "grow")
    await client.mv("/t/a", "/u/b")
    assert [row["made"] for row in await client.receipts("/u/b")] == [2]
    await client.rm("/u/b")
    await client.restore("/u/b")
    assert [row["made"] for row in await client.receipts("/u/b")] == [2]
    await client.cp("/u/b", "/u/c")
    assert await client.receipts("/u/c") == []


async def test_in_a_transaction(client: Client) -> None:
    async with client.transaction() as tx:
        await tx.run("/t/a", "grow")
        await tx.run("/t/a", "look")
        assert len(await client.receipts("/t/a")) == 0
        await client.run("/t/a", "look")  # one from outside does not overtake it
    assert [row["method"] for row in await client.receipts("/t/a")] == ["look", "look", "grow"]
    name = (await client.begin())["transaction"]
    await client.within(transaction=name).run("/t/a", "grow")
    await client.rollback(name)
    assert len(await client.receipts("/t/a")) == 3


async def test_arguments_that_cannot_travel_are_refused_at_once(client: Client) -> None:
    await refused(client.run("/t/a", "look", object()), Exception, "object")


async def test_a_store_from_before_there_were_receipts(tmp_path: Path) -> None:
    shutil.copy(OLD, tmp_path / "old.db")
    filesystem = await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/old.db"), runner=Here())
    async with Client(LocalTransport(filesystem)) as client:
        assert [row["operation"] for row in await client.versions("/inventory/w")] == ["run", "store"]
        assert await client.receipts("/inventory/w") == []
        assert await client.run("/inventory/w", "sell", 2) == 5
        assert [row["made"] for row in await client.receipts("/inventory/w")] == [3]
        assert (await audit(filesystem.core.store)).faults == []
