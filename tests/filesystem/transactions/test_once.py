"""Calls with an id: done once, however often they are repeated, and recorded with what they changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, ExecutionFailed, Invalid, LimitExceeded, NotFound
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import Unavailable, error_from_wire
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.receipt import KEPT
from emerge_wasm.filesystem.transactions import call_record
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import refused


@dataclass
class Till(EmergeFile):
    """Counts what was put into it, here and in another one."""

    total: int = 0

    def put(self, amount: int) -> int:
        self.total += amount
        return self.total

    def move(self, fs, other: str, amount: int, fail: bool = False) -> int:
        self.total -= amount
        fs.run(other, "put", amount)
        if fail:
            raise ValueError("the other one has it already")
        return self.total

    def lines(self, count: int) -> str:
        return "x" * count


@dataclass
class Found(EmergeFile):
    """Keeps what it finds."""

    results: list[int] | None = None

    def query(self, fs):
        return [till.total for till in fs.objects("/tills")]


class Now:
    """A clock that a test can put on."""

    def __init__(self) -> None:
        self.moment = datetime.fromisoformat("2026-11-30T08:00:00+00:00")

    def __call__(self) -> str:
        self.moment += timedelta(microseconds=1)
        return self.moment.isoformat(timespec="microseconds")


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path, now: Now) -> AsyncIterator[Filesystem]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    filesystem = await Filesystem.open(await open_store(url), runner=Here(given=give_filesystem), clock=now)
    yield filesystem
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()


@pytest.fixture
async def client(filesystem: Filesystem) -> Client:
    client = Client(LocalTransport(filesystem))
    await client.storeall([Till(name=name, path="/tills", total=10) for name in "ab"])
    return client


async def totals(client: Client) -> list[int]:
    return [await client.cat(f"/tills/{name}.total") for name in "ab"]


async def position(client: Client) -> int:
    return (await client.changes())["position"]


# --- once
async def test_a_repeated_call_is_answered_as_the_first_and_changes_nothing(client: Client) -> None:
    changes = [
        lambda fs: fs.run("/tills/a", "put", 1),
        lambda fs: fs.run_with_receipt("/tills/a", "put", 1),
        lambda fs: fs.update("/tills/a", total=50),
        lambda fs: fs.store(Till(name="new", path="/tills")),
        lambda fs: fs.add("/tills/list", "data", 1, 2),
        lambda fs: fs.mkdir("/made/here"),
        lambda fs: fs.cp("/tills", "/copies", recursive=True),
        lambda fs: fs.mv("/copies", "/moved"),
        lambda fs: fs.chmod("/moved", "rwx------", recursive=True),
        lambda fs: fs.restore("/tills/a", 1),
        lambda fs: fs.rm("/moved", recursive=True),
        lambda fs: fs.run("/tills", "put", 1),
    ]
    await client.store(EmergeFile(name="list", path="/tills", data=[]))
    for number, change in enumerate(changes):
        before = await position(client)
        first = await change(client.once(f"call {number}"))
        after = await position(client)
        assert after == before + 1, number
        assert [await change(client.once(f"call {number}")) for _ in range(2)] == [first, first], number
        assert await position(client) == after


async def test_the_answer_has_the_date_of_what_is_there(client: Client) -> None:
    stored = await client.once("1").store(Till(name="new", path="/tills"))
    assert stored == await client.get("/tills/new") == await client.once("1").store(Till(name="new", path="/tills"))


async def test_what_a_method_does_elsewhere_is_done_with_it_or_not_at_all(client: Client) -> None:
    for _ in range(3):
        assert await client.once("move").run("/tills/a", "move", "/tills/b", 3) == 7
        await refused(client.once("fail").run("/tills/a", "move", "/tills/b", 3, fail=True), ExecutionFailed)
    assert await totals(client) == [7, 13]


async def test_a_call_that_failed_can_be_made_again(client: Client) -> None:
    await refused(client.once("x").run("/tills/later", "put", 1), NotFound)
    await client.store(Till(name="later", path="/tills"))
    assert await client.once("x").run("/tills/later", "put", 1) == 1


@pytest.mark.parametrize("same", [True, False])
async def test_calls_at_once(client: Client, same: bool) -> None:
    async def put(number: int) -> int:
        return await client.once("0" if same else str(number)).run("/tills/a", "put", 1)

    results = await asyncio.gather(*map(put, range(12)))
    assert sorted(results) == ([11] * 12 if same else list(range(11, 23)))
    assert (await totals(client))[0] == (11 if same else 22)


# --- whose it is, and what for
async def test_an_id_is_for_one_call(client: Client) -> None:
    await client.once("1").run("/tills/a", "put", 1)
    for other in (
        client.once("1").run("/tills/b", "put", 1),
        client.once("1").run("/tills/a", "move", "/tills/b", 1),
        client.once("1").update("/tills/a", total=0),
    ):
        await refused(other, Invalid, "call id '1'", "run /tills/a put", "an id of its own")
    assert await client.once("1").run("/tills/a", "put", 2) == 11, "its data may differ: it may have been read anew"
    assert await client.once("1").cat("/tills/a.total") == 11, "what only reads needs no record"
    assert await totals(client) == [11, 10]


async def test_ids_are_the_callers_own(client: Client, filesystem: Filesystem) -> None:
    await client.chmod("/tills", "rwxrwxrwx")
    await client.chmod("/tills/a", "rwxrwxrwx")
    ann = Client(LocalTransport(filesystem, Context("ann")))
    assert [await who.once("1").run("/tills/a", "put", 1) for who in (client, ann, client, ann)] == [11, 12, 11, 12]
    assert (await client.recall("/tills/a", "1"))["result"] == 11
    assert await ann.recall("/tills/a", "2") == {
        "known": False,
        "operation": "",
        "target": "",
        "result": None,
        "note": b"",
    }


async def test_what_cannot_be_recorded_is_refused_before_it_is_done(client: Client) -> None:
    before = await position(client)
    await refused(anext(aiter(client.once("1").readobject("/tills/a"))), Invalid, "readobject")
    with pytest.raises(Invalid, match="empty"):
        client.once("")
    await refused(client.once("1").run("/tills/a", "lines", 2 << 20), LimitExceeded, "lines", "store it as an object")
    assert await position(client) == before


# --- runs whose events are streamed
async def results(client: Client, path: str, *call: Any, most: int = 99) -> dict[str, Any]:
    """The results of a run, by their paths; it is ended after so many events."""
    found = {}
    async with aclosing(client.runstream(path, *call)) as events:
        async for event in events:
            if event["event"] == "error":
                raise error_from_wire(event["error"])
            if event["event"] == "result":
                found[event["path"]] = {name: each for name, each in event.items() if name != "event"}
            most -= 1
            if not most:
                break
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["/tills", "/tills/a"]), st.sampled_from(["put", "lines"]), st.lists(st.integers(1, 4)))
async def test_a_streamed_run_that_was_cut_off_is_made_once_however_often_it_is_asked_for(
    client: Client, path: str, method: str, cuts: list[int]
) -> None:
    """What had been run when it was cut off is told again, with its receipt; the others are run."""
    before, id = await totals(client), os.urandom(8).hex()
    receipts = {name: len(await client.receipts(f"/tills/{name}")) for name in "ab"}
    told: dict[str, Any] = {}
    for most in [*cuts, 99, 99]:
        found = await results(client.once(id), path, method, 1, most=most)
        assert found | told == told | found, "what was told once is told so again"
        told |= found
    ran = ["a", "b"] if path == "/tills" else ["a"]
    assert sorted(told) == [f"/tills/{name}" for name in ran]
    after = await totals(client)
    assert after == [total + (method == "put" and name in ran) for name, total in zip("ab", before, strict=True)]
    for name in ran:
        made = await client.receipts(f"/tills/{name}")
        assert len(made) == min(receipts[name] + 1, KEPT)
        assert made[0] == told[f"/tills/{name}"]["receipt"]


async def test_who_asks_for_a_run_that_is_going_on_waits_for_it(client: Client) -> None:
    answers = await asyncio.gather(*(results(client.once("1"), "/tills/a", "put", 1) for _ in range(5)))
    assert answers == answers[:1] * 5
    assert await totals(client) == [11, 10]


async def test_a_query_with_an_id_is_made_once(client: Client) -> None:
    await client.store(Found(name="found", path="/"))
    assert [await client.once("1").query("/found") for _ in range(2)] == [[10, 10]] * 2
    assert (await client.get("/found")).version == 2


async def test_of_a_run_with_too_large_a_result_its_receipt_is_told(client: Client) -> None:
    done = await results(client.once("1"), "/tills/a", "lines", 2 << 20)
    for _ in range(2):
        id = done["/tills/a"]["receipt"]["id"]
        await refused(results(client.once("1"), "/tills/a", "lines", 2 << 20), LimitExceeded, "lines", id)
    assert len(await client.receipts("/tills/a")) == 1


async def test_a_run_that_failed_is_made_again(client: Client) -> None:
    await refused(results(client.once("1"), "/tills/later", "put", 1), NotFound)
    await client.store(Till(name="later", path="/tills"))
    for _ in range(2):
        await results(client.once("1"), "/tills/later", "put", 1)
    assert await client.cat("/tills/later.total") == 1


# --- in a transaction
async def test_in_a_transaction_it_is_recorded_with_that(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.transaction() as tx:
            assert await tx.once("1").run("/tills/a", "put", 1) == 11
            raise ZeroDivisionError
    assert not (await client.recall("/tills/a", "1"))["known"]
    for _ in range(2):
        async with client.transaction() as tx:
            assert [await tx.once("1").run("/tills/a", "put", 1) for _ in range(2)] == [11, 11]
    assert await totals(client) == [11, 10]


async def test_a_commit_with_an_id_is_made_once_with_what_came_of_it(client: Client) -> None:
    answers = []
    for _ in range(2):
        begun = (await client.begin())["transaction"]
        await client.within(transaction=begun).run("/tills/a", "put", 1)
        answers.append(await client.once("c", b"done").commit(begun))
        await refused(client.commit(begun), NotFound)
    assert await totals(client) == [11, 10]
    assert answers[0] == answers[1] and answers[0]["changes"] == 1
    known = await client.recall("/tills/a", "c")
    assert (known["operation"], known["note"]) == ("commit", b"done")


# --- expiry
async def test_a_call_is_forgotten_after_a_week(client: Client, filesystem: Filesystem, now: Now) -> None:
    async def records() -> int:
        return len(await filesystem.core.store.scan("meta", b"call/", b"call0"))

    for number in range(30):
        await client.once(str(number)).run("/tills/a", "put", 1)
    now.moment += timedelta(seconds=call_record.KEPT_SECONDS - 60)
    assert await client.once("7").run("/tills/a", "put", 1) == 18 and await records() == 60
    now.moment += timedelta(seconds=61)
    assert await client.once("7").run("/tills/a", "put", 1) == 41 == (await client.cat("/tills/a"))["total"]
    for number in range(10):
        await client.once(f"other {number}").run("/tills/b", "put", 1)
    assert await records() == 22
    assert await client.once("7").run("/tills/a", "put", 1) == 41


# --- when the store does not answer
class Lossy:
    """A store that makes some commits and says that nobody can tell."""

    def __init__(self, store: Store, fates: list[bool]) -> None:
        self._store = store
        self._fates = fates
        self.capabilities, self.get, self.scan, self.close = store.capabilities, store.get, store.scan, store.close

    async def commit(self, batch: Batch) -> list[int]:
        if not self._fates:
            return await self._store.commit(batch)
        if self._fates.pop():
            await self._store.commit(batch)
        raise Unavailable("the line is cut", unknown=True)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "move", "all", "update"]), st.lists(st.booleans(), max_size=3)), max_size=6
    )
)
async def test_a_call_that_is_repeated_until_it_answers_is_done_once(calls: list[tuple[str, list[bool]]]) -> None:
    fates: list[bool] = []
    store = Lossy(await open_store("memory:"), fates)
    filesystem = await Filesystem.open(store, runner=Here(given=give_filesystem))
    client = Client(LocalTransport(filesystem))
    await client.storeall([Till(name=name, path="/tills", total=0) for name in "ab"])
    expected = [0, 0]
    for number, (kind, losses) in enumerate(calls):
        fates[:] = losses
        fs = client.once(str(number))
        while True:
            try:
                if kind == "put":
                    await fs.run("/tills/a", "put", 1)
                elif kind == "move":
                    await fs.run("/tills/a", "move", "/tills/b", 1)
                elif kind == "all":
                    await fs.run("/tills", "put", 1)
                else:
                    await fs.update("/tills/a", total=expected[0] + 1)
                break
            except Unavailable:
                continue
        fates.clear()
        expected = [
            expected[0] + {"put": 1, "move": -1, "all": 1, "update": 1}[kind],
            expected[1] + {"put": 0, "move": 1, "all": 1, "update": 0}[kind],
        ]
        assert await totals(client) == expected
    await filesystem.close()
