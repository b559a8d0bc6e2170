"""What a run may do is what its caller may and the owner of its object, too: over users, groups, owners, modes, chains
of runs and operations that are made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.trust import CONFINED
from emerge_wasm.context import Context, RunOwner
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.layout.author import new_authors
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.operations import OWN
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import OPERATOR, Connect, StartNode, connect, eventually, stack, start_node
from tests.scale import examples

__all__ = ["connect", "stack", "start_node"]  # fixtures

ROOT = OPERATOR.principal
USERS = [ROOT, "ann", "ben", "carl"]
GROUPS = ["", "crew", "staff"]
DENIED = "denied"


async def act(fs: Any, operation: str) -> Any:
    """Do one thing: names that are found, or whose the thing is, None where there is nothing to tell."""
    try:
        match operation:
            case "read":
                await fs.cat("/d/x")
            case "list":
                return [each.name for each in await fs.list("/d")]
            case "search":
                return [each.name for each in await fs.search(lambda o: o.size >= 0, "/d")]
            case "change":
                await fs.update("/d/x", size=2)
            case "replace":
                await fs.store(EmergeFile(name="x", path="/d", data=[2]))
            case "make":
                await fs.store(EmergeFile(name="new", path="/d"))
                return "new"
            case "make a directory":
                await fs.mkdir("/d/new")
                return "new"
            case "remove":
                await fs.rm("/d/x")
            case "move":
                await fs.mv("/d/x", "/e/y")
            case "copy":
                await fs.cp("/d/x", "/e/y")
            case "mode":
                await fs.chmod("/d/x", "rwxrwxrwx")
            case "group":
                await fs.chown("/d/x", group="")
            case "history":
                await fs.versions("/d/x")
            case "run":
                await fs.run("/d/x", "nothing")
            case _:
                raise AssertionError(operation)
    except PermissionDenied:
        return "denied"
    return None


OPERATIONS = ["read", "list", "search", "change", "replace", "make", "make a directory", "remove", "move", "copy"]
OPERATIONS += ["mode", "group", "history", "run"]


@dataclass
class Thing(EmergeFile):
    """Something to be read and changed."""

    size: int = 0

    def nothing(self) -> None:
        """Does nothing."""


@dataclass
class Tool(EmergeFile):
    """Does what it is told, or has another do it."""

    notes: list[str] = field(default_factory=list)

    async def do(self, afs: Any, operation: str, others: list[list[Any]]) -> Any:
        if not others:
            return await act(afs, operation)
        path, widened = others[0]
        fs = afs.with_own_rights() if widened else afs
        return await fs.run(path, "do", operation, others[1:])


@dataclass(frozen=True)
class Owned:
    """Whose a thing is, and what it lets them do."""

    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class World:
    """Who is in which groups, and what there is."""

    groups: dict[str, list[str]]
    things: dict[str, Owned]
    tools: list[Owned]


OWNED = st.builds(Owned, st.sampled_from(USERS), st.sampled_from(GROUPS), st.sampled_from([0o777, 0o770, 0o755, 0o750]))
OPEN = st.builds(Owned, st.sampled_from(USERS), st.sampled_from(GROUPS), st.just(0o777))
ANY = OWNED | st.builds(Owned, st.sampled_from(USERS), st.sampled_from(GROUPS), st.integers(0, 0o777))
WORLDS = st.builds(
    World,
    st.fixed_dictionaries({name: st.lists(st.sampled_from(GROUPS[1:]), unique=True) for name in USERS[1:]}),
    st.fixed_dictionaries({"/d": OPEN | OWNED, "/e": OPEN, "/d/x": ANY, "/d/y": ANY}),
    st.lists(OPEN, min_size=1, max_size=3),
)


async def arrange(root: Client, world: World) -> None:
    """Make the world anew: things in /d and /e, tools in /tools."""
    there = {each.full_path for each in await root.list("/")}
    for path in there & {"/d", "/e", "/tools"}:
        for each in await root.list(path):
            await root.rm(each.full_path, recursive=True)
    await root.storeall([Thing(name=path[3:], path="/d") for path in world.things if path.startswith("/d/")])
    await root.storeall([Tool(name=f"t{number}", path="/tools") for number in range(len(world.tools))])
    if "/e" not in there:
        await root.mkdir("/e")
    for path in ("/", "/tools"):
        await root.chmod(path, "rwxr-xr-x")
    for path, owned in [*world.things.items(), *((f"/tools/t{n}", tool) for n, tool in enumerate(world.tools))]:
        await root.chown(path, owned.owner, owned.group)
        await root.chmod(path, f"{owned.mode:03o}")


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Client]:
    """The world, as root sees it."""
    runner = Here(given=lambda host: give_filesystem(host, CONFINED))
    filesystem = await Filesystem.open(MemoryStore(), runner=runner)
    try:
        root = Client(LocalTransport(filesystem, Context(ROOT, superuser=True)))
        await arrange(root, world)
        yield root
    finally:
        await filesystem.close()


Opened = Callable[[World], AbstractAsyncContextManager[Client]]


async def alone(opened: Opened, world: World, who: str, groups: list[str], operation: str) -> Any:
    """What somebody is answered who asks for themselves."""
    async with opened(world) as root:
        return await act(root if who == ROOT else root.as_user(who, *groups), operation)


async def check(opened: Opened, world: World, caller: str, widened: list[bool], operation: str) -> None:
    """Run the first tool, which has each do what is asked by the next one, the last: what they are answered."""
    chain = [[f"/tools/t{number}", wide] for number, wide in zip(range(len(world.tools)), widened, strict=False)]
    bounds = [tool for tool, wide in zip(world.tools, widened, strict=False) if not wide]
    bounds = [tool for tool in bounds if tool.owner not in (caller, ROOT)]
    if caller == ROOT:  # acts as the first of them, whom their own further on do not bound
        bounds = [tool for tool in bounds if tool is bounds[0] or tool.owner != bounds[0].owner]
    asked = [await alone(opened, world, caller, world.groups.get(caller, []), operation)]
    for each in bounds:
        asked.append(await alone(opened, world, each.owner, [each.group] if each.group else [], operation))
    async with opened(world) as root:
        me = root if caller == ROOT else root.as_user(caller, *world.groups[caller])
        first, wide = chain[0]
        got = await (me.with_own_rights() if wide else me).run(first, "do", operation, chain[1:])
        if DENIED in asked:
            assert got == DENIED, asked
        elif isinstance(asked[0], list):
            assert sorted(got) == sorted(set.intersection(*map(set, asked))), asked
        else:
            assert got == asked[0], asked
        if got == "new":
            assert (await root.get("/d/new")).owner == (bounds[-1].owner if bounds else caller)
        (receipt,) = await root.receipts(first)
        told = [*filter(None, [receipt.get("acted_as")]), *receipt.get("owners", [])]
        assert told == [each.owner for each in bounds if each is world.tools[0]]
        assert receipt["principal"] == caller


ASKED = st.tuples(
    WORLDS, st.sampled_from(USERS), st.lists(st.booleans(), min_size=3, max_size=3), st.sampled_from(OPERATIONS)
)


@given(ASKED)
@settings(max_examples=examples(120), deadline=None)
def test_a_run_may_do_what_caller_and_owners_may(asked: tuple[World, str, list[bool], str]) -> None:
    asyncio.run(check(opened, *asked))


async def test_what_a_guest_made_has_a_guests_rights() -> None:
    """Also where a superuser runs it: nobody owns it, who can be trusted with more."""
    things = {"/d": Owned(ROOT, "", 0o755), "/d/x": Owned(ROOT, "", 0o750), "/e": Owned(ROOT, "", 0o777)}
    world = World({}, things, [Owned(ROOT, "", 0o777)])
    async with opened(world) as root:
        assert isinstance(root.transport, LocalTransport)
        guest = Client(LocalTransport(root.transport.filesystem, Context(via="guest")))
        await guest.with_umask(0).store(Tool(name="t0", path="/e"))
        assert (await root.get("/e/t0")).owner == ""
        assert await root.run("/e/t0", "do", "read", []) == DENIED
        assert await root.run("/e/t0", "do", "list", []) == []
        assert await root.with_own_rights().run("/e/t0", "do", "list", []) == ["x"]
        assert [row.get("acted_as") for row in await root.receipts("/e/t0")] == [None, "", ""]


async def test_nobody_stands_for_what_a_method_sends() -> None:
    """A method could make its caller stand for a class of its author's."""
    store, sent = MemoryStore(), {"hash": b"class", OWN: b"hash"}
    assert len(await new_authors(store, Context("ann"), sent)) == 1
    for inside in (Context("ann", runs=("0" * 32,)), Context("ann", owners=(RunOwner("mallory"),))):
        assert await new_authors(store, inside, sent) == []


async def test_so_it_is_where_another_node_has_what_it_reaches_for(start_node: StartNode, connect: Connect) -> None:
    runner = Here(given=lambda host: give_filesystem(host, CONFINED))
    a = await start_node("a", runner=runner)
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), runner=runner)
    await eventually(lambda: a.cluster.peers() and b.cluster.peers())
    root = Client(connect(a.endpoint))
    await root.mkdir("/tools")
    await a.volumes.change("_cluster_mount", "/d", b.filesystem.uuid)

    @asynccontextmanager
    async def near(world: World) -> AsyncIterator[Client]:
        await arrange(root, world)
        yield root

    asked: list[tuple[World, str, list[bool], str]] = []
    given(ASKED)(settings(max_examples=examples(12), database=None)(lambda each: asked.append(each)))()
    for world, caller, widened, operation in asked:
        await check(near, world, caller, widened, operation)
    assert {each.node for each in await root.list("/d")} <= {"b"}
