"""Transactions of one filesystem: all or nothing, alone until the commit, and as if one came after the other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from emerge_wasm import Conflict, EmergeFile, Invalid, LimitExceeded, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem import Filesystem, RunCall, RunOutcome
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.transactions import transaction as module
from emerge_wasm.filesystem.transactions.transaction import TRANSACTIONS, Transactions
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import item, refused


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filesystem]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    filesystem = await Filesystem.open(await open_store(url), runner=Here())
    yield filesystem
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()


@pytest.fixture
async def client(filesystem: Filesystem) -> Client:
    client = Client(LocalTransport(filesystem))
    await client.storeall([item(name, quantity=10) for name in "abc"])
    return client


async def quantities(client: Client) -> list[int]:
    return [(await client.cat(f"/inventory/{name}"))["quantity"] for name in "abc"]


# --- all of it at once
async def test_one_commit_with_one_date(client: Client) -> None:
    before = (await client.changes())["position"]
    async with client.transaction() as tx:
        await tx.update("/inventory/a", quantity=1)
        early = (await tx.get("/inventory/a")).date
        await tx.mv("/inventory/b", "/moved/b")
        await tx.rm("/inventory/c")
        await tx.chmod("/", "rwxrwxrwx")
        await tx.update("/inventory/a", quantity=2)
    found = await client.changes(before)
    operations = [change["operation"] for change in found["changes"]]
    assert operations == ["update", "mkdir", "mv", "rm", "chmod", "update"]
    assert {change["position"] for change in found["changes"]} == {before + 1}
    dates = {change["pointer"]["date"] for change in found["changes"]}
    assert len(dates) == 1 and dates.pop() > early
    assert [p.date > early for p in [await client.get("/inventory/a"), await client.get("/moved/b")]] == [True, True]


async def test_the_past_has_it_all_from_the_commit_on(client: Client) -> None:
    async with client.transaction() as tx:
        await tx.mv("/inventory/a", "/inventory/z")
        inside = (await tx.get("/inventory/z")).date
        assert [p.name for p in await tx.list("/inventory", as_of=inside)] == ["b", "c", "z"]
    done = (await client.get("/inventory/z")).date
    assert [p.name for p in await client.list("/inventory", as_of=inside)] == ["a", "b", "c"]
    assert [p.name for p in await client.list("/inventory", as_of=done)] == ["b", "c", "z"]
    assert (await client.get("/inventory/z", as_of=done)).version == 2


async def test_what_has_a_date_of_its_own_keeps_it(client: Client) -> None:
    other = Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))
    await other.store(EmergeFile(name="old", data=1))
    file = io.BytesIO()
    await other.export("/old", file)
    file.seek(0)
    date = (await other.get("/old")).date
    async with client.transaction() as tx:
        await tx.load(file, "/")
    assert (await client.get("/old")).date == date


async def test_watchers_see_it_after_the_commit(client: Client) -> None:
    seen: list[str] = []
    async with aclosing(client.watch("/")) as changes:

        async def watch() -> None:
            async for change in changes:
                seen.append(change["path"])

        task = asyncio.ensure_future(watch())
        await asyncio.sleep(0)
        async with client.transaction() as tx:
            await tx.update("/inventory/a", quantity=1)
            await tx.store(item("d"))
            await asyncio.sleep(0.01)
            assert seen == []
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert seen == ["/inventory/a", "/inventory/d"]
        task.cancel()
        await asyncio.wait([task])


async def test_every_operation_sees_what_was_made_in_it(client: Client) -> None:
    async with client.transaction() as tx:
        box = item("box", "/new/deep", quantity=3)
        await tx.store(box)
        await tx.update("/new/deep/box", quantity=4)
        assert (await tx.getobject("/new/deep/box")).quantity == 4
        assert [p.full_path async for p in tx.tree("/new")] == ["/new/deep", "/new/deep/box"]
        assert [obj.quantity async for obj in tx.objects("/new/deep")] == [4]
        assert [row["version"] for row in await tx.versions("/new/deep/box")] == [2, 1]
        assert (await tx.diff("/new/deep/box", 1, 2))["fields"][0]["before"] == 3
        assert await tx.run("/new/deep/box", "sell", 3) == 1
        await tx.update("/inventory/a", data=await tx.reference("/new/deep/box"))
        assert [p.name for p in await tx.references("/new/deep/box", back=True)] == ["a"]
        assert (await tx.get(f"/registry/{box.uuid}")).full_path == "/new/deep/box"
        await tx.cp("/new", "/copy", recursive=True)
        assert await tx.rm("/new", recursive=True) == 3
        await refused(tx.get("/new/deep/box"), NotFound)
        await tx.restore("/new")
        await tx.retain("/copy", "1")
        await tx.update("/copy/deep/box", quantity=0)
        assert len(await tx.versions("/copy/deep/box")) == 1
        await tx.mixin("/inventory/a", "/new/deep/box", "Both", "both", "/")
        assert "quantity" in await tx.cat("/both")
        await tx.chown("/copy", "ann", recursive=True)
    assert (await client.getobject("/new/deep/box")).quantity == 1
    assert [p.name for p in await client.references("/new/deep/box", back=True)] == ["a", "both"]
    assert (await client.get("/copy/deep/box")).owner == "ann"


async def test_it_is_told_whose_operation_it_is_not(client: Client) -> None:
    async with client.transaction() as tx:
        await tx.update("/inventory/a", quantity=1)
        position = (await client.changes())["position"]
        assert (await tx.changes())["position"] == (await tx.hello())["position"] == position
        assert (await tx.whoami())["superuser"]


async def test_nothing_done_is_nothing_logged(client: Client) -> None:
    position = (await client.changes())["position"]
    name = (await client.begin())["transaction"]
    assert await client.commit(name) == {"position": position, "changes": 0}
    async with client.transaction() as tx:
        await tx.cat("/inventory/a")
    assert (await client.changes())["position"] == position


async def test_code_runs_and_its_state_is_part_of_it(client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.transaction() as tx:
            assert await tx.run("/inventory/a", "sell", 4) == 6
            assert (await tx.cat("/inventory/a.quantity"), await client.cat("/inventory/a.quantity")) == (6, 10)
            raise ZeroDivisionError
    assert await client.run("/inventory/a", "sell", 1) == 9


@dataclass
class Local(EmergeFile):
    """A class that was not here before."""

    size: int = 0


async def test_a_class_that_was_rolled_back_is_sent_again(filesystem: Filesystem, client: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client.transaction() as tx:
            await tx.store(Local(name="x"))
            raise ZeroDivisionError
    await client.store(Local(name="x", size=1))
    assert (await Client(LocalTransport(filesystem)).getobject("/x")).size == 1


# --- what fails
async def test_a_failing_operation_leaves_the_rest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await client.storeall([EmergeFile(name=f"{number:03}", path="/many") for number in range(60)])
    async with client.transaction() as tx:
        await tx.update("/inventory/a", quantity=1)
        await refused(tx.get("/nothing"), NotFound)
        await refused(tx.rm("/many"), Invalid, "not empty")
        open_ones = TRANSACTIONS.of(tx.transport.filesystem.core)  # type: ignore[attr-defined]  # a LocalTransport
        overlay = open_ones.find(Context(superuser=True), tx.context["transaction"]).overlay
        before = overlay.settle()
        monkeypatch.setattr(overlay, "limit", 150)  # patched: the limit is 100,000 rows
        await refused(tx.cp("/many", "/copy", recursive=True), LimitExceeded)
        monkeypatch.undo()
        after = overlay.settle()
        assert (after.puts, after.deletes, after.appends) == (before.puts, before.deletes, before.appends)
        await refused(tx.get("/copy"), NotFound)
        await tx.update("/inventory/b", quantity=2)
    assert await quantities(client) == [1, 2, 10]


async def test_a_cancelled_operation_leaves_no_trace(tmp_path: Path) -> None:
    started = asyncio.Event()

    class Forever(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    filesystem = await Filesystem.open(await open_store("memory:"), runner=Forever())
    client = Client(LocalTransport(filesystem))
    await client.store(item("a"))
    async with client.transaction() as tx:
        task = asyncio.ensure_future(tx.run("/inventory/a", "sell", 0))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        await tx.update("/inventory/a", quantity=7)
    assert (await client.get("/inventory/a")).version == 2


@pytest.mark.parametrize(
    ("read", "change", "path"),
    [
        (lambda tx: tx.cat("/inventory/a"), lambda c: c.update("/inventory/a", quantity=3), "/inventory/a"),
        (lambda tx: tx.cat("/inventory/a"), lambda c: c.rm("/inventory/a"), "/inventory/a"),
        (lambda tx: tx.cat("/inventory/a"), lambda c: c.mv("/inventory", "/stock"), "/inventory"),
        (lambda tx: refused(tx.cat("/inventory/x"), NotFound), lambda c: c.store(item("x")), "/inventory/x"),
        (lambda tx: tx.list("/inventory"), lambda c: c.store(item("x")), "/inventory"),
        (lambda tx: tx.list("/inventory"), lambda c: c.rm("/inventory/b"), "/inventory/b"),
        (lambda tx: tx.mkdir("/dir"), lambda c: c.mkdir("/dir"), "/dir"),
        (lambda tx: tx.rm("/inventory", True), lambda c: c.store(item("x")), "/inventory"),
        (lambda tx: tx.update("/inventory/a", quantity=1), lambda c: c.chmod("/", "rwxrwxrwx"), "/"),
        (lambda tx: tx.versions("/inventory/a"), lambda c: c.update("/inventory/a", quantity=3), "/inventory/a"),
        (
            lambda tx: tx.references("/inventory/a", back=True),
            lambda c: _refer(c, "/inventory/b", "/inventory/a"),
            "/inventory/a",
        ),
    ],
)
async def test_what_others_changed_is_named(client: Client, read: object, change: object, path: str) -> None:
    name = (await client.begin())["transaction"]
    tx = client.within(transaction=name)
    await read(tx)  # type: ignore[operator]  # a function, see above
    await tx.store(EmergeFile(name="mine"))
    await change(client)  # type: ignore[operator]
    error = await refused(client.commit(name), Conflict, path, "others", "again")
    assert error.path == path
    if (await client.list("/")) and path not in ("/", "/dir") and error.details["pointer"]:
        assert error.details["pointer"]["version"] >= 1
    await refused(client.get("/mine"), NotFound)
    await refused(client.commit(name), NotFound, "begin it again")


async def _refer(client: Client, source: str, target: str) -> None:
    await client.update(source, data=await client.reference(target))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update("/inventory/b", quantity=3),
        lambda c: c.store(item("x")),
        lambda c: c.rm("/inventory/c"),
        lambda c: c.mv("/inventory/b", "/elsewhere/b"),
        lambda c: _refer(c, "/inventory/b", "/inventory/a"),
    ],
)
async def test_what_was_not_read_may_change(client: Client, change: object) -> None:
    async with client.transaction() as tx:
        await tx.run("/inventory/a", "sell", 1)
        await tx.store(item("d"))
        await change(client)  # type: ignore[operator]  # a function, see above
    assert await client.cat("/inventory/a.quantity") == 9 and await client.get("/inventory/d")


async def test_seen_twice_and_differently_is_a_conflict_at_once(client: Client) -> None:
    name = (await client.begin())["transaction"]
    tx = client.within(transaction=name)
    await tx.list("/inventory")
    await client.update("/inventory/b", quantity=3)
    error = await refused(tx.list("/inventory"), Conflict, "/inventory/b")
    assert error.details["pointer"]["version"] == 2
    assert await client.rollback(name) is True


async def test_a_store_that_fails_at_the_commit(client: Client, filesystem: Filesystem) -> None:
    name = (await client.begin())["transaction"]
    await client.within(transaction=name).update("/inventory/a", quantity=1)

    async def gone(batch: Batch) -> list[int]:
        raise Unavailable("the database is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem.core.store, "commit", gone)  # patched: the store goes in the middle of a commit
        await refused(client.commit(name), Unavailable)
    assert await quantities(client) == [10, 10, 10]
    await refused(client.commit(name), NotFound)


# --- several at once
async def test_no_transfer_is_lost(client: Client) -> None:
    """Twelve at once move one piece each from object to object, again on Conflict; the sum stays."""
    names = ["/inventory/a", "/inventory/b", "/inventory/c"]

    async def transfer(number: int) -> None:
        source, target = names[number % 3], names[(number + 1 + number % 2) % 3]
        while True:
            try:
                async with client.transaction() as tx:
                    left = await tx.cat(f"{source}.quantity")
                    await asyncio.sleep(0)
                    await tx.update(source, quantity=left - 1)
                    await tx.update(target, quantity=await tx.cat(f"{target}.quantity") + 1)
                return
            except Conflict:
                continue

    await asyncio.gather(*(transfer(number) for number in range(12)))
    assert sum(await quantities(client)) == 30
    assert sum([(await client.get(name)).version for name in names]) == 3 + 24


async def test_no_write_skew(client: Client) -> None:
    """Both see two on duty and take one off; together they would leave none."""

    async def leave(mine: str) -> None:
        async with client.transaction() as tx:
            on_duty = [obj.name async for obj in tx.objects("/inventory") if obj.quantity]
            await asyncio.sleep(0)
            assert len(on_duty) == 3
            await tx.update(f"/inventory/{mine}", quantity=0)

    results = await asyncio.gather(leave("a"), leave("b"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "NoneType"]
    assert sorted(await quantities(client)) == [0, 10, 10]


async def test_one_operation_at_a_time(client: Client) -> None:
    async with client.transaction() as tx:
        await asyncio.gather(*(tx.run("/inventory/a", "sell", 1) for _ in range(10)))
        assert await tx.cat("/inventory/a.quantity") == 0
    assert (await client.get("/inventory/a")).version == 11


async def test_a_stream_lets_others_in_between(client: Client) -> None:
    async with client.transaction() as tx:
        seen = []
        async for pointer in tx.dir("/inventory"):
            seen.append(pointer.name)
            await tx.update(pointer.full_path, quantity=0)
        assert seen == ["a", "b", "c"]
        async with aclosing(tx.tree("/")) as pointers:
            await anext(pointers)
        await tx.update("/inventory/a", quantity=1)
    assert await quantities(client) == [1, 0, 0]


async def test_a_stream_ends_with_its_transaction(client: Client) -> None:
    name = (await client.begin())["transaction"]
    async with aclosing(client.within(transaction=name).dir("/inventory")) as pointers:
        await anext(pointers)
        await client.rollback(name)
        await refused(anext(pointers), NotFound, "begin it again")


async def test_what_waits_for_its_turn_when_it_ends_is_refused(filesystem: Filesystem, client: Client) -> None:
    go_on = asyncio.Event()

    class Slow(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            await go_on.wait()
            return await super().run(call, host)

    filesystem.runner = Slow()
    name = (await client.begin())["transaction"]
    tx = client.within(transaction=name)
    works = (tx.run("/inventory/a", "sell", 1), client.commit(name), tx.update("/inventory/a", quantity=99))
    first, end, late = [asyncio.ensure_future(work) for work in works]
    for _ in range(20):
        await asyncio.sleep(0)
    go_on.set()
    assert await first == 9 and (await end)["changes"] == 1
    await refused(late, NotFound, "ended meanwhile", "begin it again")
    assert await client.cat("/inventory/a.quantity") == 9


# --- whose, how many, how long
@pytest.fixture
def time(filesystem: Filesystem) -> list[float]:
    """The clock by which transactions expire."""
    now = [1000.0]
    TRANSACTIONS.set(filesystem.core, Transactions(clock=lambda: now[0]))
    return now


async def test_it_expires_when_left_alone(client: Client, time: list[float]) -> None:
    name = (await client.begin("slow", 10))["transaction"]
    tx = client.within(transaction=name)
    for _ in range(5):
        time[0] += 9
        await tx.update("/inventory/a", quantity=1)
    time[0] += 11
    await refused(tx.cat("/inventory/a"), NotFound, "slow", "begin it again")
    await refused(client.commit(name), NotFound, "slow")
    assert await client.rollback(name) is False
    assert await quantities(client) == [10, 10, 10]
    assert (await client.begin("slow"))["seconds"] == 60, "its name is free again"


async def test_it_does_not_expire_while_it_works(filesystem: Filesystem, client: Client, time: list[float]) -> None:
    class Slow(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            time[0] += 1000
            TRANSACTIONS.of(filesystem.core).sweep()
            return await super().run(call, host)

    filesystem.runner = Slow()
    async with client.transaction(seconds=10) as tx:
        assert await tx.run("/inventory/a", "sell", 1) == 9
        await tx.update("/inventory/b", quantity=1)
    assert await quantities(client) == [9, 1, 10]


async def test_those_left_alone_are_dropped_by_themselves(filesystem: Filesystem, client: Client) -> None:
    await client.begin("left", 1)
    opened = TRANSACTIONS.of(filesystem.core)
    assert len(opened) == 1
    opened._clock = lambda: float("inf")  # private: time passes at once
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    # private: what waits is seen nowhere else
    assert opened._timer is not None and opened._timer.when() - loop.time() <= 1.01
    # private: the moment at which the timer fires
    loop.call_at(opened._timer.when(), lambda: loop.call_soon(called.set))
    opened._timer.cancel()  # private: the timer never fires, as on a loop that stands still
    opened.sweep()
    assert len(opened) == 0 and opened._timer is None  # private: nothing is left that would wake the loop


async def test_it_belongs_to_who_began_it(client: Client) -> None:
    await client.chmod("/", "rwxrwxrwx")
    ann, bob = client.as_user("ann"), client.as_user("bob")
    await ann.begin("hers")
    await ann.within(transaction="hers").store(EmergeFile(name="x"))
    for work in (
        bob.within(transaction="hers").get("/x"),
        bob.commit("hers"),
        bob.rollback("hers"),
    ):
        await refused(work, PermissionDenied, "hers", "bob")
    await refused(bob.begin("hers"), Conflict, "hers", "another name")
    assert (await client.within(transaction="hers").get("/x")).owner == "ann"
    assert (await client.commit("hers"))["changes"] == 1


async def test_a_guest_is_not_the_nameless_superuser(client: Client, filesystem: Filesystem) -> None:
    await client.begin("secret")
    guest = Client(LocalTransport(filesystem, Context()))
    await refused(guest.commit("secret"), PermissionDenied, "secret", "a guest")
    await guest.begin("open")
    assert await guest.rollback("open") and await client.rollback("secret")


async def test_nobody_takes_all_the_places(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OWN_LIMIT", 2)  # patched: the limit is 100 transactions
    ann = client.as_user("ann")
    await ann.begin("one")
    await ann.begin()
    assert (await refused(ann.begin(), LimitExceeded, "2", "commit")).details["limit"] == "transactions"
    await client.as_user("bob").begin()
    await ann.rollback("one")
    await ann.begin()


async def test_all_of_them_together_are_limited(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_LIMIT", 30_000)  # patched: the limit is 1 GiB
    async with client.transaction() as first, client.transaction() as second:
        await first.store(EmergeFile(name="x", data="x" * 20_000))
        error = await refused(second.store(EmergeFile(name="y", data="y" * 20_000)), LimitExceeded, "open")
        assert error.details["limit"] == "transactions"
        await refused(second.get("/y"), NotFound)
        await second.store(EmergeFile(name="z"))
        assert (await second.cat("/z"))["data"] is None, "what it reads counts nothing"
    assert [p.name for p in await client.list("/")] == ["inventory", "x", "z"]


async def test_a_closed_filesystem_keeps_none() -> None:
    filesystem = await Filesystem.open(await open_store("memory:"))
    await Client(LocalTransport(filesystem)).begin()
    opened = TRANSACTIONS.of(filesystem.core)
    await filesystem.close()
    assert len(opened) == 0 and opened._timer is None  # private: nothing is left that would wake the loop


async def test_permissions_hold_inside(client: Client) -> None:
    async with client.as_user("ann").transaction() as tx:
        await refused(tx.update("/inventory/a", quantity=1), PermissionDenied)


async def test_limits(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_LIMIT", 2)  # patched: the limit is 1,000 transactions
    for seconds in (0, -1, 24 * 3600 + 1):
        await refused(client.begin("", seconds), Invalid, str(seconds))
    for name in ("a/b", "..", "\0", "x" * 256):
        await refused(client.begin(name), Invalid)
    await client.begin("one")
    await client.begin()
    error = await refused(client.begin(), LimitExceeded)
    assert error.details["limit"] == "transactions"
    await client.rollback("one")
    await client.begin("three")


async def test_dates_go_on(client: Client, filesystem: Filesystem) -> None:
    """A change made after the commit is of a later date, one before it of an earlier one."""
    async with client.transaction() as tx:
        await tx.update("/inventory/a", quantity=1)
        between = (await client.update("/inventory/b", quantity=1)).date
    after = (await client.update("/inventory/c", quantity=1)).date
    dates = [datetime.fromisoformat(each) for each in (between, (await client.get("/inventory/a")).date, after)]
    assert dates == sorted(set(dates))
