"""What every filesystem must do with methods that it runs: on many objects, as a stream, with the filesystem at hand.
More scenarios like those of `filesystem.py`, over the async `Client`, with nothing but the standard library."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from emerge_wasm import EmergeFile, ExecutionFailed, Invalid, LimitExceeded, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.codec import Reference
from tests.contracts.filesystem import refused, scenario


@dataclass
class Tank(EmergeFile):
    """Holds water, and lets it flow."""

    litres: int = 0

    def fill(self, litres: int = 1) -> int:
        if litres < 0:
            raise ValueError("less than nothing")
        self.litres += litres
        print(f"{self.litres} l")  # noqa: T201
        return self.litres

    def read(self) -> Iterator[str]:
        for litre in range(self.litres):
            yield f"{litre + 1} l\n"

    async def fill_slowly(self) -> int:
        before = self.litres
        await asyncio.sleep(0.01)
        self.litres = before + 1
        return self.litres

    def pour(self, fs: Any, other: str, litres: int) -> int:
        """Into another tank; both change, or (in a transaction) none."""
        self.litres -= litres
        return int(fs.run(other, "fill", litres))

    def again(self, fs: Any) -> Any:
        return fs.run(f"{self.path}/{self.name}", "again")

    def through(self, fs: Any, other: str, method: str, *args: object) -> Any:
        return fs.run(other, method, *args)

    def level(self, fs: Any, other: str) -> int:
        return int(fs.getobject(other).litres)


@dataclass
class FullTanks(EmergeFile):
    """Which tanks hold much: a query object."""

    least: int = 5
    results: list[Any] = field(default_factory=list)

    def query(self, fs: Any) -> list[Any]:
        tanks = [fs.getobject(pointer.full_path) for pointer in fs.list("/tanks")]
        return [tank for tank in tanks if tank.litres >= self.least]


async def tanks(client: Client) -> None:
    await client.storeall(
        [Tank(name=name, path="/tanks", litres=litres) for name, litres in zip("abc", (1, 5, 9), strict=True)]
    )


async def levels(client: Client) -> list[int]:
    return [(await client.cat(f"/tanks/{name}"))["litres"] for name in "abc"]


@scenario
async def a_directory_runs_all_its_objects(client: Client) -> None:
    await tanks(client)
    await client.store(Tank(name="deep", path="/tanks/below"))
    assert await client.run("/tanks", "fill", 10) == [
        {"path": f"/tanks/{name}", "result": result} for name, result in zip("abc", (11, 15, 19), strict=True)
    ]
    rows = await client.run("/tanks", "fill", -1)
    assert [row["error"]["code"] for row in rows] == ["ExecutionFailed"] * 3
    assert await levels(client) == [11, 15, 19] and await client.cat("/tanks/below/deep.litres") == 0
    await refused(client.run("/nowhere", "fill"), NotFound, "/nowhere")


@scenario
async def a_run_tells_what_happens(client: Client) -> None:
    await tanks(client)
    async with aclosing(client.runstream("/tanks", "fill", 1)) as stream:
        events = [event async for event in stream]
    assert events[-1] == {"event": "progress", "done": 3, "failed": 0, "total": 3}
    results = {event["path"]: event for event in events if event["event"] == "result"}
    assert [results[path]["result"] for path in sorted(results)] == [2, 6, 10]
    for path, done in results.items():
        told = "".join(event["text"] for event in events if event["event"] == "output" and event["path"] == path)
        assert told == done["output"] == f"{done['result']} l\n"
        assert done["pointer"]["version"] == done["receipt"]["made"] == 2


@scenario
async def an_object_is_read_in_parts(client: Client) -> None:
    await client.store(Tank(name="a", path="/tanks", litres=3))
    async with aclosing(client.readobject("/tanks/a")) as parts:
        assert b"".join([part async for part in parts]) == b"1 l\n2 l\n3 l\n"
    async with await client.open("/tanks/a") as file:
        assert await file.read() == b"1 l\n2 l\n3 l\n"
    await refused(anext(aiter(client.readobject("/tanks"))), Invalid, "/tanks")
    await refused(anext(aiter(client.readobject("/nowhere"))), NotFound, "/nowhere")


@scenario
async def runs_of_one_object_lose_nothing(client: Client) -> None:
    await tanks(client)
    results = await asyncio.gather(*(client.run("/tanks/a", "fill_slowly") for _ in range(4)))
    assert sorted(results) == [2, 3, 4, 5] and await levels(client) == [5, 5, 9]


@scenario
async def a_method_reaches_other_objects(client: Client) -> None:
    await tanks(client)
    assert await client.run("/tanks/c", "pour", "/tanks/a", 4) == 5
    assert await client.run("/tanks/c", "level", "/tanks/a") == 5
    assert await levels(client) == [5, 5, 5]
    await refused(client.run("/tanks/c", "pour", "/tanks/nowhere", 4), ExecutionFailed, "NotFound")
    assert await levels(client) == [5, 5, 5], "what failed changed nothing"


@scenario
async def a_method_has_the_rights_of_its_caller(client: Client) -> None:
    await tanks(client)
    for path, perms in {
        "/": "rwxr-xr-x",
        "/tanks": "rwxr-xr-x",
        "/tanks/a": "rwx------",
        "/tanks/c": "rwxr-xr-x",
    }.items():
        await client.chmod(path, perms)
    ann = client.as_user("ann")
    await refused(ann.run("/tanks/c", "level", "/tanks/a"), ExecutionFailed, "PermissionDenied")
    await refused(ann.run("/tanks/a", "fill"), PermissionDenied, "/tanks/a")
    assert await client.run("/tanks/c", "level", "/tanks/a") == 1


@scenario
async def what_one_runs_of_anothers_may_do_what_both_may(client: Client) -> None:
    """And all that the caller may only if they say so: then not of what its method runs, either."""
    await client.mkdir("/tanks")
    for path, perms in {"/": "rwxr-xr-x", "/tanks": "rwxrwxrwx"}.items():
        await client.chmod(path, perms)
    ann, ben, carl = (client.as_user(name) for name in ("ann", "ben", "carl"))
    for who, name, perms in [(ann, "d", "777"), (ann, "hers", "750"), (ben, "his", "750"), (ben, "shown", "744")]:
        await who.store(Tank(name=name, path="/tanks", litres=7))
        await who.chmod(f"/tanks/{name}", perms)
    await carl.store(Tank(name="c", path="/tanks"))
    await carl.chmod("/tanks/c", "777")
    error = await refused(ben.run("/tanks/d", "level", "/tanks/his"), ExecutionFailed, "ann may not read /tanks/his")
    assert "the rights that ben and ann" in str(error.remedy) and "--as-me" in str(error.remedy)
    assert await ben.run("/tanks/d", "level", "/tanks/shown") == 7
    for who in (ben, ben.with_own_rights()):
        await refused(who.run("/tanks/d", "level", "/tanks/hers"), ExecutionFailed, "ben may not read /tanks/hers")
    assert await ben.with_own_rights().run("/tanks/d", "level", "/tanks/his") == 7
    assert [row.get("owners") for row in await ben.receipts("/tanks/d", limit=2)] == [None, ["ann"]]
    assert await ben.run("/tanks/his", "level", "/tanks/his") == 7
    through = ("/tanks/d", "level", "/tanks/his")
    await refused(ben.run("/tanks/his", "through", *through), ExecutionFailed, "ann may not read")
    await refused(ben.with_own_rights().run("/tanks/c", "through", *through), ExecutionFailed, "ann may not read")
    await refused(ben.run("/tanks/d", "through", "/tanks/his", *through[1:]), ExecutionFailed, "ann may not")
    await ben.run("/tanks/d", "fill", 1)  # its own object changes all the same
    assert (await ann.cat("/tanks/d"))["litres"] == 8


@scenario
async def what_a_superuser_runs_has_its_owners_rights(client: Client) -> None:
    """And all of the caller's only where the object is theirs, or they say so: a method could be anybody's."""
    await tanks(client)
    for path, perms in {"/": "rwxr-xr-x", "/tanks": "rwxrwxrwx", "/tanks/a": "rwx------"}.items():
        await client.chmod(path, perms)
    ann = client.as_user("ann")
    await ann.store(Tank(name="d", path="/tanks", litres=2))
    me = await client.whoami()
    for run in (client.run, client.run_with_receipt):
        await refused(run("/tanks/d", "level", "/tanks/a"), ExecutionFailed, "PermissionDenied", "ann")
    for other in ("/tanks/c", "/tanks/d"):  # not by way of another one, either
        await refused(
            client.run("/tanks/d", "through", other, "level", "/tanks/a"), ExecutionFailed, "PermissionDenied"
        )
    await refused(client.run("/tanks/c", "through", "/tanks/d", "level", "/tanks/a"), ExecutionFailed, "ann")
    assert await client.run("/tanks/c", "level", "/tanks/a") == 1
    rows = await client.run("/tanks", "level", "/tanks/a")
    assert [row["path"] for row in rows if "error" in row] == ["/tanks/d"]
    assert await client.run("/tanks/d", "fill", 3) == 5  # its own object changes all the same
    assert await client.with_own_rights().run("/tanks/d", "level", "/tanks/a") == 1
    async with client.transaction() as tx:
        assert await tx.run("/tanks/d", "level", "/tanks/d") == 5
        await refused(tx.run("/tanks/d", "level", "/tanks/a"), ExecutionFailed, "PermissionDenied")
    acted = {row["method"]: row.get("acted_as") for row in await client.receipts("/tanks/d")}
    assert acted == {"fill": "ann", "level": None}  # that with the caller's own is the newest but one of them
    assert (await client.receipts("/tanks/d"))[0]["principal"] == me["principal"]


@scenario
async def a_transaction_holds_for_what_methods_do(client: Client) -> None:
    await tanks(client)
    async with client.transaction() as tx:
        await tx.update("/tanks/a", litres=100)
        assert await tx.run("/tanks/c", "pour", "/tanks/a", 4) == 104
        assert await tx.run("/tanks/c", "level", "/tanks/a") == 104
        assert await levels(client) == [1, 5, 9]
    assert await levels(client) == [104, 5, 5]
    name = (await client.begin())["transaction"]
    await client.within(transaction=name).run("/tanks/c", "pour", "/tanks/a", 4)
    await client.rollback(name)
    assert await levels(client) == [104, 5, 5]


@scenario
async def recursion_has_an_end(client: Client) -> None:
    await tanks(client)
    error = await refused(client.run("/tanks/a", "again"), LimitExceeded, "16")
    assert error.details["limit"] == "depth"
    assert await client.run("/tanks/a", "fill") == 2


@scenario
async def runs_leave_receipts(client: Client) -> None:
    await tanks(client)
    done = await client.run_with_receipt("/tanks/a", "fill", 2)
    again = await client.run_with_receipt("/tanks/a", "level", "/tanks/b")
    assert (done["receipt"]["version"], done["receipt"]["made"], again["receipt"]["made"]) == (1, 2, 0)
    assert await client.receipts("/tanks/a") == [again["receipt"], done["receipt"]]
    same = await client.run_with_receipt("/tanks/a", "level", "/tanks/b")
    for part in ("arguments", "result", "bundle", "version"):
        assert same["receipt"][part] == again["receipt"][part] != ""


@scenario
async def query_objects_keep_their_results(client: Client) -> None:
    await tanks(client)
    await client.store(FullTanks(name="full", path="/questions"))
    results = await client.query("/questions/full")
    assert results == [Reference((await client.get(f"/tanks/{name}")).uuid) for name in "bc"]
    await client.update("/tanks/a", litres=50)
    assert (await client.getobject("/questions/full")).results == results, "read again without asking"
    assert len(await client.query("/questions/full")) == 3
    assert [row["operation"] for row in await client.versions("/questions/full")] == ["query", "query", "store"]
