"""Running methods where the objects live: one at a time of each object, again when others came between, `fs` inside,
and what is limited."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from emerge_wasm import Conflict, EmergeFile, ExecutionFailed, Invalid, LimitExceeded, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import Reference
from emerge_wasm.context import Context, asker
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem import Filesystem, RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs import host as hosting
from emerge_wasm.filesystem.runs.inside.execute import execute
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.invoke import OBJECT_LOCKS
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import refused


@dataclass
class Counter(EmergeFile):
    """Counts, and asks others to."""

    count: int = 0
    note: str = ""

    def add(self, by: int = 1) -> int:
        self.count += by
        return self.count

    async def add_slowly(self, by: int = 1) -> int:
        before = self.count
        await asyncio.sleep(0.01)
        self.count = before + by
        return self.count

    def look(self) -> int:
        print("looking")  # noqa: T201
        return self.count

    def fail(self) -> None:
        self.count = -1
        raise ValueError("no")

    def ask(self, fs: Any, other: str, method: str = "add", by: int = 1) -> Any:
        """Run a method of another object."""
        return fs.run(other, method, by)

    def ask_and_add(self, fs: Any, path: str) -> Any:
        self.count += 100
        return fs.run(path, "add", 1)

    async def ask_both(self, afs: Any, first: str, second: str) -> list[int]:
        return list(await asyncio.gather(afs.run(first, "add_slowly"), afs.run(second, "add_slowly")))

    def sample(self, fs: int = 44100) -> int:
        """A parameter that only happens to have that name, given by it."""
        return fs if isinstance(fs, int) else -1

    def again(self, fs: Any) -> Any:
        return fs.run("/c/a", "again")

    def fill(self, fs: Any, count: int) -> int:
        self.count += count
        for number in range(count):
            fs.store(EmergeFile(name=f"n{number}", path="/filled", data=number))
        return count

    def fill_on(self, fs: Any, count: int) -> int:
        for number in range(count):
            try:
                fs.store(EmergeFile(name=f"n{number}", path="/filled", data=number))
            except Exception as error:
                self.note = str(error)
        return count

    def pass_on(self, fs: Any, first: str, second: str) -> Any:
        fs.run(first, "add", 10)
        return fs.run(second, "add", 10)

    def who(self, fs: Any) -> Any:
        return fs.whoami()

    def spread(self, fs: Any) -> list[str]:
        return [pointer.name for pointer in fs.dir("/c")]

    def together(self, fs: Any, fail: bool) -> None:
        with fs.transaction() as tx:
            tx.update("/c/b", count=7)
            tx.run("/c/d", "add", 7)
            if fail:
                raise ValueError("no")

    def end(self, fs: Any, name: str) -> Any:
        return fs.commit(name)

    def change_and_fail(self, fs: Any, path: str) -> str:
        fs.update("/c/b", count=5)
        try:
            fs.run(path, "fail")
        except Exception as error:
            return type(error).__name__
        return ""


@dataclass
class Question(EmergeFile):
    """A query object."""

    above: int = 0
    asked: int = 0
    results: list[Any] = field(default_factory=list)

    def query(self, fs: Any) -> Any:
        self.asked += 1
        found = [fs.getobject(pointer.full_path) for pointer in fs.dir("/c")]
        return [each for each in found if each.count > self.above] + [{"asked": self.asked, "pointer": fs.get("/c/a")}]


@pytest.fixture
async def client(filesystem: Filesystem) -> Client:
    client = Client(LocalTransport(filesystem, Context("ann", superuser=True)))
    await client.storeall([Counter(name=name, path="/c") for name in "abcd"])
    return client


async def counts(client: Client) -> list[int]:
    return [(await client.cat(f"/c/{name}"))["count"] for name in "abcd"]


# --- one at a time, and again
async def test_runs_of_one_object_come_one_after_the_other(client: Client) -> None:
    results = await asyncio.gather(*(client.run("/c/a", "add_slowly") for _ in range(5)))
    assert sorted(results) == [1, 2, 3, 4, 5]
    assert (await client.get("/c/a")).version == 6
    assert [row["operation"] for row in await client.versions("/c/a")] == ["run"] * 5 + ["store"]


async def test_those_of_several_go_together(filesystem: Filesystem, client: Client) -> None:
    running, most = 0, 0

    class Counting(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await super().run(call, host)
            finally:
                running -= 1

    filesystem.runner = Counting()
    await asyncio.gather(*(client.run(f"/c/{name}", "add_slowly") for name in "abcd"))
    assert (most, await counts(client)) == (4, [1, 1, 1, 1])


async def test_it_runs_again_from_what_others_stored_meanwhile(filesystem: Filesystem, client: Client) -> None:
    ran: list[int] = []

    class Interfering(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            ran.append(call.pointer["version"])
            if len(ran) < 3:
                await client.update("/c/a", count=10 * len(ran))
            return await super().run(call, host)

    filesystem.runner = Interfering()
    assert await client.run("/c/a", "add") == 21
    assert ran == [1, 2, 3] and await client.cat("/c/a.count") == 21
    assert len(await client.receipts("/c/a")) == 1, "of the run that counted"


async def test_another_field_is_merged_without_running_again(filesystem: Filesystem, client: Client) -> None:
    ran: list[int] = []

    class Interfering(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            ran.append(1)
            await client.update("/c/a", note="theirs")
            return await super().run(call, host)

    filesystem.runner = Interfering()
    done = await client.run_with_receipt("/c/a", "add")
    assert len(ran) == 1 and (done["receipt"]["version"], done["receipt"]["made"]) == (1, 3)
    assert (await client.cat("/c/a"))["note"] == "theirs" and await client.cat("/c/a.count") == 1


async def test_it_gives_up_when_others_always_come_between(filesystem: Filesystem, client: Client) -> None:
    ran: list[int] = []

    class Interfering(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            ran.append(1)
            await client.update("/c/a", count=1000 * len(ran))
            return await super().run(call, host)

    filesystem.runner = Interfering()
    await refused(client.run("/c/a", "add"), Conflict, "/c/a", "count")
    assert len(ran) == 5 and await client.cat("/c/a.count") == 5000


async def test_an_object_that_is_replaced_or_removed_meanwhile(filesystem: Filesystem, client: Client) -> None:
    class Removing(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            await client.rm("/c/a")
            return await super().run(call, host)

    filesystem.runner = Removing()
    await refused(client.run("/c/a", "add"), Conflict, "/c/a", "moved or removed")
    await refused(client.run("/c/a", "add"), NotFound, "/c/a")


# --- fs inside
async def test_a_method_is_handed_fs(client: Client) -> None:
    assert await client.run("/c/a", "ask", "/c/b") == 1
    assert await client.run("/c/a", "ask", "/c/b", by=4) == 5
    assert await client.run("/c/a", "ask", other="/c/b") == 6
    assert await client.run("/c/a", "ask_both", "/c/b", "/c/d") == [7, 1]
    assert await client.run("/c/a", "sample", fs=8000) == 8000
    assert await client.run("/c/a", "spread") == ["a", "b", "c", "d"]
    await refused(client.run("/c/a", "ask"), Invalid, "other")
    assert await counts(client) == [0, 7, 0, 1]


async def test_it_has_the_rights_of_who_called(client: Client) -> None:
    await client.chmod("/c/b", "rwx------")
    await client.chmod("/c/a", "rwxrwxrwx")
    await client.chmod("/c", "rwxrwxrwx")
    bob = client.as_user("bob")
    found = await bob.run("/c/a", "who")
    assert (found["principal"], found["superuser"], found["via"]) == ("bob", False, "run")
    error = await refused(bob.run("/c/a", "ask", "/c/b"), ExecutionFailed, "PermissionDenied")
    assert "fs.run(other, method, by)" in error.details["traceback"]
    assert await counts(client) == [0, 0, 0, 0]
    await refused(bob.run("/c/b", "add"), PermissionDenied)


async def test_a_method_runs_another_one_of_its_own_object(client: Client) -> None:
    assert await client.run("/c/a", "ask", "/c/a") == 1
    assert await client.cat("/c/a.count") == 1
    await refused(client.run("/c/a", "ask_and_add", "/c/a"), Conflict, "/c/a")


async def test_recursion_without_end(client: Client) -> None:
    error = await refused(client.run("/c/a", "again"), LimitExceeded, "16 runs", "without end")
    assert error.details["limit"] == "depth"
    assert await client.run("/c/a", "add") == 1, "nothing is held"


async def test_two_that_wait_for_each_other(filesystem: Filesystem, client: Client) -> None:
    inside: set[str] = set()
    both = asyncio.Event()

    class Meeting(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            inside.add(call.path)
            if len(inside) == 2:
                both.set()
            await both.wait()
            return await super().run(call, host)

    filesystem.runner = Meeting(given=give_filesystem)
    works = client.run("/c/a", "ask", "/c/b"), client.run("/c/b", "ask", "/c/a")
    ended = await asyncio.wait_for(asyncio.gather(*works, return_exceptions=True), 5)
    failed = [each for each in ended if isinstance(each, ExecutionFailed)]
    assert len(failed) == 1 and "Conflict" in str(failed[0]) and 1 in ended
    assert sorted(await counts(client)) == [0, 0, 0, 1]
    assert OBJECT_LOCKS.of(filesystem.core).is_idle


async def test_nobody_makes_up_runs_from_afar(client: Client) -> None:
    for name in ("runs", "held"):
        client.context[name] = ["x"]
        await refused(client.run("/c/a", "add"), Invalid, name)
        del client.context[name]


# --- limits
async def test_a_method_that_stores_in_a_loop(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting.Caller.__init__, "__defaults__", (None, 20))  # patched: a run may make 10,000 calls
    for method in ("fill", "fill_on"):
        error = await refused(client.run("/c/a", method, 50), LimitExceeded, "20 times", "storeall")
        assert error.details["limit"] == "filesystem calls"
        assert await counts(client) == [0, 0, 0, 0]
        stored = await client.list("/filled")
        assert 0 < len(stored) <= 20 and {pointer.version for pointer in stored} == {1}
        await client.rm("/filled", recursive=True)
    assert await client.receipts("/c/a") == [], "what came to nothing leaves none"
    name = (await client.begin())["transaction"]
    await refused(client.within(transaction=name).run("/c/a", "fill", 50), LimitExceeded)
    assert (await client.commit(name))["changes"] == 0
    await refused(client.list("/filled"), NotFound)


async def test_what_goes_on_when_its_run_is_over_is_refused(filesystem: Filesystem, client: Client) -> None:
    hosts: list[Any] = []

    class Keeping(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            hosts.append(host)
            return await super().run(call, host)

    filesystem.runner = Keeping()
    await client.run("/c/a", "look")
    await refused(hosts[0].call("get", ["/c/a"]), Unavailable, "over")


async def test_names_that_are_no_methods(client: Client) -> None:
    for name in ("keep:query", "merge:count", "", "a b"):
        await refused(client.run("/c/a", name), NotFound)
    await refused(client.run("/c/a", "_x"), PermissionDenied, "private")
    await refused(client.query("/c/a"), NotFound, "query")
    await refused(client.query("/c"), Invalid, "/c", "directory")
    filesystem = await Filesystem.open(await open_store("memory:"))
    without = Client(LocalTransport(filesystem, Context("tester", superuser=True)))
    await without.store(EmergeFile(name="x"))
    await refused(without.run("/x", "y"), Unavailable, "runs no code")


# --- transactions
async def test_a_method_sees_its_transaction_and_is_part_of_it(client: Client) -> None:
    async with client.transaction() as tx:
        await tx.update("/c/b", count=40)
        assert await tx.run("/c/a", "ask", "/c/b") == 41
        assert await tx.run("/c/a", "ask_both", "/c/b", "/c/d") == [42, 1]
        assert await tx.cat("/c/b.count") == 42
        assert await counts(client) == [0, 0, 0, 0]
        assert [receipt["made"] for receipt in await tx.receipts("/c/d")] == [2]
    assert await counts(client) == [0, 42, 0, 1]
    assert len(await client.receipts("/c/a")) == 2


async def test_what_fails_inside_leaves_no_trace_and_the_rest_stays(client: Client) -> None:
    async with client.transaction() as tx:
        assert await tx.run("/c/a", "change_and_fail", "/c/c") == "ExecutionFailed"
        await tx.run("/c/c", "add")
        await refused(tx.run("/c/a", "ask", "/c/nowhere"), ExecutionFailed, "NotFound")
        error = await refused(tx.run("/c/a", "end", tx.context["transaction"]), ExecutionFailed, "cannot end it")
        assert error.path == "/c/a"
    assert await counts(client) == [0, 5, 1, 0]


async def test_a_directory_in_a_transaction(client: Client) -> None:
    async with client.transaction() as tx:
        rows = await tx.run("/c", "ask", "/c/b")
        assert [row.get("result") for row in rows] == [1, 2, 3, 4]
        async with aclosing(tx.runstream("/c", "add_slowly")) as events:
            kinds = [event["event"] async for event in events]
        assert kinds.count("result") == 4
    assert await counts(client) == [1, 5, 1, 1]


async def test_a_method_that_makes_a_transaction(client: Client) -> None:
    await refused(client.run("/c/a", "together", True), ExecutionFailed, "ValueError")
    assert await counts(client) == [0, 0, 0, 0]
    await client.run("/c/a", "together", False)
    assert await counts(client) == [0, 7, 0, 7]


# --- query objects
async def test_a_query_keeps_its_results(client: Client) -> None:
    await client.update("/c/b", count=3)
    await client.store(Question(name="q", path="/q", above=2))
    results = await client.query("/q/q")
    b, a = [Reference((await client.get(f"/c/{name}")).uuid) for name in "ba"]
    assert results == [b, {"asked": 1, "pointer": a}]
    assert (await client.getobject("/q/q")).results == results
    assert [row["operation"] for row in await client.versions("/q/q")] == ["query", "store"]
    assert sorted(pointer.name for pointer in await client.references("/q/q")) == ["a", "b"]
    assert await client.run("/q/q", "query") is not None, "a plain run keeps nothing"
    assert await client.cat("/q/q.results") == results
    assert [receipt["method"] for receipt in await client.receipts("/q/q")] == ["query", "query"]


async def test_execute_leaves_a_parameter_alone_that_was_given(client: Client) -> None:
    wire = await client.transport.call("getobject", ["/c/a"])
    bundles = await client.fetch_bundles(wire["pointer"]["bundle"])
    call = RunCall("/c/a", wire["pointer"], wire["state"], bundles, "sample", [], {}, 5.0)
    assert (await execute(call)).result == 44100
    assert (await execute(call, given={"fs": lambda: None})).result == -1


async def test_a_run_that_is_cancelled_in_a_transaction_leaves_no_trace(filesystem: Filesystem, client: Client) -> None:
    reached = asyncio.Event()

    class Stopping(Here):
        """Its second run never ends."""

        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            if call.path == "/c/d":
                reached.set()
                await asyncio.Event().wait()
            return await super().run(call, host)

    filesystem.runner = Stopping(given=give_filesystem)
    async with client.transaction() as tx:
        await tx.update("/c/b", count=1)
        task = asyncio.ensure_future(tx.run("/c/a", "pass_on", "/c/b", "/c/d"))
        await reached.wait()
        task.cancel()
        await asyncio.wait([task])
        assert await tx.cat("/c/b.count") == 1
        await tx.update("/c/c", count=3)
    assert await counts(client) == [0, 1, 3, 0]
    assert OBJECT_LOCKS.of(filesystem.core).is_idle


@pytest.mark.parametrize("state", [b"garbage", b"\x91\x01", b"\xa3abc", b"\x81\xa1a" + b"\x91" * 2000 + b"\xc0"])
async def test_what_is_no_state_is_not_stored(filesystem: Filesystem, client: Client, state: bytes) -> None:
    """Whatever a process that ran shipped code says that the object is now."""

    class Liar(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            return RunOutcome(None, state, "", 1.0)

    filesystem.runner = Liar()
    with pytest.raises((Invalid, LimitExceeded)):
        await client.run("/c/a", "add")
    assert (await client.get("/c/a")).version == 1 and await client.cat("/c/a.count") == 0


def test_a_superuser_is_nobody_else_of_the_same_name() -> None:
    """Their code runs in processes of their own: what one leaves there would have the other's rights."""
    who = [Context("ann"), Context("ann", superuser=True), Context(""), Context("", superuser=True), Context("*")]
    assert len({asker(context) for context in who}) == len(who)
