"""What goes from one node to another is as in one filesystem: the same objects, versions, rights, at every moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.codec import Reference
from emerge_wasm.errors import EmergeError, Invalid, NotFound, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.handover.part import LAST
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context, Dispatch
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import SCALE, examples

from .conftest import OPERATOR, StartNode, eventually

Call = Callable[..., Awaitable[Any]]

VOLUMES = {"/b": "b", "/c": "c", "/a/b": "b", "/b/in/c": "c"}
FIXED = {"/a", "/b", "/c", "/a/b", "/b/in", "/b/in/c"}
"""The tops of volumes and what is above them: their owners made them."""

PLACES = ("/a", "/a/x", "/b", "/b/x", "/c", "/c/y", "/a/b", "/b/in/c", "/b/in", "/new/deep")
LOW = ("/a/x", "/b/x", "/c/y", "/new/deep", "/new")
"""Those that are no volumes, and have none below."""

NAMES = ("o1", "o2", "o3", "d1", "d2")
ANN = Context("ann", groups=("staff",))
BEN = Context("ben")


def call_of(*dispatches: Dispatch) -> Call:
    """Call one of these dispatches after another."""
    turn = 0

    async def call(name: str, *args: object, context: Context = OPERATOR) -> Any:
        nonlocal turn
        turn += 1
        answer: Any = dispatches[turn % len(dispatches)](name, list(args), context)
        if hasattr(answer, "__aiter__"):
            return [each async for each in answer]
        return await answer

    return call


@dataclass
class World:
    """One of the two that are compared."""

    call: Call
    labels: dict[str, str] = field(default_factory=dict)
    """What each uuid is called in both."""

    def label(self, uuid: str, otherwise: str) -> str:
        return self.labels.setdefault(uuid, otherwise)

    async def tried(self, label: str, name: str, *args: object, context: Context = OPERATOR) -> object:
        """Make a call; its outcome as both should have it."""
        given = list(args)
        if name == "storeall":
            assert isinstance(args[0], list)
            given[0] = [[path, codec.encode(state)] for path, state in args[0]]
        if name in ("store", "update"):
            assert isinstance(args[1], dict)
            given[1] = codec.encode({key: self.meant(value) for key, value in args[1].items()})
        try:
            answer = await self.call(name, *given, context=context)
        except EmergeError as error:
            return type(error).__name__
        if isinstance(answer, list):
            return [self.pointer(row, f"{label}.{number}") for number, row in enumerate(answer)]
        return self.pointer(answer, label) if isinstance(answer, dict) else answer

    def meant(self, value: object) -> object:
        return Reference(self.uuid(value[1:])) if isinstance(value, str) and value[:1] == "@" else value

    def uuid(self, label: str) -> str:
        return next((uuid for uuid, each in self.labels.items() if each == label), "0" * 31 + "9")

    def pointer(self, row: dict[str, Any], label: str = "") -> dict[str, Any]:
        kept = {key: row[key] for key in KEPT if key in row}
        return {**kept, "uuid": self.label(row["uuid"], label or f"{row['path']}/{row['name']}")}

    async def seen(self, moments: list[str]) -> dict[str, object]:
        """All that can be seen of it."""
        found: dict[str, object] = {}
        for row in await self.call("tree", "/"):
            path = f"{row['path'].rstrip('/')}/{row['name']}"
            if path not in FIXED:
                found[path] = self.pointer(row)
                found |= {f"{path} {key}": value for key, value in (await self.about(path, row["type"])).items()}
        registry = (await self.call("list", "/registry"))["entries"]
        found["registry"] = sorted(str(self.pointer(row)) for row in registry if row["type"] != "directory")
        for moment in moments:
            try:
                rows = [self.pointer(row) for row in await self.call("tree", "/", moment)]
            except NotFound:  # a version of then is kept no more
                continue
            found[moment] = sorted(str(row) for row in rows if row["type"] != "directory")
        page = await self.call("search", "/", wire_predicate("o.n > 3")[0])
        found["search"] = sorted(row["pointer"]["name"] for row in page["objects"])
        return found

    async def about(self, path: str, kind: str) -> dict[str, object]:
        """What there is to know of one object or directory."""
        versions = [self.pointer(each) for each in await self.call("versions", path)]
        if kind == "directory":
            return {"versions": versions, "keep": await self.call("retain", path)}
        about: dict[str, object] = {"versions": versions}
        for number in (each["version"] for each in versions):
            about[f"at {number}"] = self.told(codec.decode((await self.call("getobject", path, number))["state"]))
        for back in (False, True):
            page = await self.call("references", path, back)
            about[f"references {back}"] = sorted(self.pointer(each)["uuid"] for each in page["entries"])
        return about

    def told(self, state: dict[str, Any]) -> dict[str, Any]:
        return {key: self.name_of(value) for key, value in state.items()}

    def name_of(self, value: object) -> object:
        return self.labels.get(value.uuid, "?") if isinstance(value, Reference) else value


KEPT = ("name", "path", "type", "perms", "owner", "group", "size", "version", "author", "operation", "from", "removed")


def step(
    random: Random, number: int, there: list[str], places: Sequence[str] = PLACES, low: Sequence[str] = LOW
) -> tuple[object, ...]:
    """A call that makes, changes, moves or removes something, of what is there as a rule."""
    fresh = [f"{random.choice(places)}/{random.choice(NAMES)}" for _ in range(3)]
    other, also = fresh[1:]
    path = random.choice(there) if there and random.random() < 0.8 else fresh[0]
    inside = f"{path}/{random.choice(NAMES)}"
    refers = f"@{random.randrange(number + 1)}"
    steps: list[tuple[object, ...]] = [
        *[("store", fresh[0], {"n": number})] * 3,
        *[("store", f"{fresh[0]}/{random.choice(NAMES)}", {"n": number, "to": refers})] * 3,
        ("store", f"{fresh[0]}/{random.choice(NAMES)}", {"n": number, "big": "x" * 70_000}),
        *[("update", path, {"n": number, "to": refers})] * 2,
        ("mkdir", other),
        ("rm", path, True),
        *[("restore", random.choice([fresh[0], inside]))] * 2,
        ("chmod", path, random.choice(["rwxrwxrwx", "rwxr-x---", "rwx------"])),
        ("chown", path, random.choice(["ann", "ben"]), "staff"),
        ("retain", random.choice(low), random.choice(["2", "all"])),
        *[("mv", path, other)] * 4,
        *[("mv", path, random.choice(places))] * 4,
        ("mv", random.choice(low), other),
        *[("cp", path, other, True)] * 2,
        ("cp", random.choice(places), other, True),
        ("storeall", [[other, {"n": number}], [also, {"n": -number}], [also + "s", {"n": number}]]),
        ("mixin", path, random.choice(there or ["/"]), "Mixed", random.choice(NAMES), random.choice(places)),
    ]
    return random.choice(steps)


@pytest.fixture
async def bare(start_node: StartNode) -> list[Node]:
    a = await start_node("a")
    await a.volumes.found()
    b, c = [await start_node(name, (a.endpoint,)) for name in "bc"]
    await eventually(lambda: all(len(node.cluster.peers()) == 2 for node in (a, b, c)))
    return [a, b, c]


@pytest.fixture
async def nodes(bare: list[Node]) -> list[Node]:
    for path, node in VOLUMES.items():
        await call_of(bare[0].dispatch)("mount", path, node)
    return bare


@pytest.fixture
async def alone() -> AsyncIterator[World]:
    filesystem = await Filesystem.open(MemoryStore(), node="alone")
    yield World(call_of(filesystem.dispatch))
    await filesystem.close()


def now() -> str:
    return datetime.now(UTC).isoformat()


async def do_one(
    alone: World, cluster: World, random: Random, number: int, places: Sequence[str], low: Sequence[str]
) -> None:
    """Make one call in both, with the same outcome."""
    there = [f"{row['path']}/{row['name']}" for row in await alone.call("tree", "/") if row["path"] != "/"]
    name, *args = step(random, number, [path for path in there if path not in {*FIXED, "/p", "/p/in"}], places, low)
    context = random.choice([OPERATOR, OPERATOR, ANN, BEN])
    outcomes = [await world.tried(str(number), str(name), *args, context=context) for world in (alone, cluster)]
    assert outcomes[0] == outcomes[1], (number, name, args, context.principal)


async def compare(alone: World, cluster: World, moments: list[str]) -> None:
    seen = [await world.seen(moments) for world in (alone, cluster)]
    for key in (seen[0] | seen[1]).keys() - (set(moments) - seen[0].keys()):
        assert seen[0].get(key) == seen[1].get(key), key


MOUNTS = [("mount", "/p", "b"), ("mount", "/p/in", "c"), ("unmount", "/p/in"), ("mount", "/p", "c"), ("unmount", "/p")]


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_a_volume_has_all_that_was_there_before(bare: list[Node], alone: World, seed: int) -> None:
    """Also when it goes on to another node, or back to the owner of what is above it."""
    cluster = World(call_of(*(node.dispatch for node in bare)))
    for path in ("/p", "/p/in"):
        for world in (alone, cluster):
            pointer = await world.call("mkdir", path)
            world.label(pointer["uuid"], path)
            await world.call("chmod", path, "rwxrwxrwx")
            await world.call("retain", path, "9")
            await world.call("index", path, ["n"])
    random, moments, number = Random(seed), list[str](), 0
    for mount in (*MOUNTS, *MOUNTS):
        for number in range(number, number + 8):  # noqa: B020  # it goes on
            await do_one(alone, cluster, random, number, ("/p/x", "/p/in", "/p/in/x"), ("/p/x", "/p/in/x"))
        number += 1
        moments.append(now())
        await cluster.call(*mount)
        await compare(alone, cluster, moments[-1:])
        for world in (alone, cluster):
            indexes = [row["path"] for row in await world.call("index", "/p/in") if row["state"] != "suggested"]
            assert indexes[-1:] == ["/p/in"] and (indexes[0] == "/p" or mount == MOUNTS[1]), mount
    for node in bare:
        assert (await audit(node.filesystem.core.store)).faults == []


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_a_cluster_is_as_one_filesystem(nodes: list[Node], alone: World, seed: int) -> None:
    cluster = World(call_of(*(node.dispatch for node in nodes)))
    for path in sorted(FIXED):
        for world in (alone, cluster):
            await world.call("mkdir", path)
            await world.call("chmod", path, "rwxrwxrwx")
    moments: list[str] = []
    random = Random(seed)
    for number in range(60):
        await do_one(alone, cluster, random, number, PLACES, LOW)
        if number % 10 == 9:
            await compare(alone, cluster, moments[-3:])
            moments.append(now())
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []


class Mortal:
    """A store whose process dies at a commit, before or after it is made, and until it is revived."""

    def __init__(self, inner: Store, error: BaseException) -> None:
        self._inner = inner
        self.error = error
        self.left = -1
        """Commits until then; -1: it lives."""
        self.made = False
        self.capabilities = inner.capabilities
        self.get, self.scan, self.close = inner.get, inner.scan, inner.close

    async def commit(self, batch: Batch) -> list[int]:
        if self.left < 0:
            return await self._inner.commit(batch)
        self.left -= self.left > 0
        if self.left or self.made:
            positions = await self._inner.commit(batch)
        if self.left:
            return positions
        self.made = False
        raise self.error


@pytest.mark.parametrize("kind", ["object", "directory"])
@pytest.mark.parametrize("dying", ["source", "target"])
async def test_a_move_is_whole_wherever_a_node_dies(start_node: StartNode, dying: str, kind: str) -> None:
    """Each commit of either side is the last of its process, once before it is made and once after."""
    stores = {
        "source": Mortal(MemoryStore(), asyncio.CancelledError()),
        "target": Mortal(MemoryStore(), Unavailable("x")),
    }
    a = await start_node("a", store=stores["source"])
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), store=stores["target"])
    await eventually(lambda: len(a.cluster.peers()) == len(b.cluster.peers()) == 1)
    a.handovers.patience = 0.0
    call = call_of(a.dispatch)
    await call("mount", "/b", "b")
    died, step = True, 0
    while died:
        step += 1
        for made in (False, True):
            inside = ["/x", "/sub/y"] if kind == "directory" else [""]
            source, target = f"/s{step}{made}", f"/b/t{step}{made}"
            for path in inside:
                await call("store", source + path, codec.encode({"n": step}))
            mortal = stores[dying]
            mortal.left, mortal.made = step, made
            try:
                await call("mv", source, target)
            except (asyncio.CancelledError, Unavailable):
                pass
            died, mortal.left = mortal.left == 0, -1
            for node in (a, b, a):
                await node.handovers.sweep()
            there = [each for each in (source, target) if (await call("whohas", [each]))["paths"]]
            assert len(there) == 1, (step, made, there)
            for path in inside:
                row = await call("store", there[0] + path, codec.encode({"n": -step}))
                assert row["version"] == (2 if path or there[0] == source else 3)
            for node in (a, b):
                store = node.filesystem.core.store
                assert await unfinished(store) == []
                assert (await audit(store)).faults == []
    assert step > 4


async def unfinished(store: Store) -> list[bytes]:
    """What of moves is left in a store, but for the mark of which was the last."""
    rows = await store.scan("meta", b"handover/", b"handover0")
    return [key for key, _ in rows if not key.startswith(LAST)]


async def settled(call: Call, nodes: Sequence[Node], path: str) -> Any:
    """What is at a path, once the nodes have settled what was left unfinished."""
    for _ in range(30):
        try:
            return await call("get", path)
        except Unavailable:
            await asyncio.sleep(0.1)
            for node in nodes:
                await node.handovers.sweep()
    return await call("get", path)


@pytest.mark.parametrize("dying", ["source", "target"])
async def test_a_volume_is_mounted_with_all_it_has_wherever_a_node_dies(start_node: StartNode, dying: str) -> None:
    """Until it is there, or the command is repeated, nothing of it is missing without a word."""
    stores = {each: Mortal(MemoryStore(), Unavailable("it died")) for each in ("source", "target")}
    a = await start_node("a", store=stores["source"])
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), store=stores["target"])
    await eventually(lambda: len(a.cluster.peers()) == len(b.cluster.peers()) == 1)
    a.handovers.patience = b.handovers.patience = 0.0
    call, mortal = call_of(a.dispatch, b.dispatch), stores[dying]
    died, step = True, 0
    while died:
        step += 1 if SCALE > 1 else 3
        for made in (False, True):
            path = f"/v{step}{made}"
            for inside in ("/x", "/sub/y"):
                await call("store", path + inside, codec.encode({"n": step}))
            for change in (("mount", path, "b"), ("unmount", path)):
                asked = (dying, change[0]) == ("source", "mount")  # others would never answer, as no process does
                mortal.error = asyncio.CancelledError() if asked else Unavailable("it died")
                mortal.left, mortal.made = step, made
                try:
                    await call_of(a.dispatch)(*change)
                except (asyncio.CancelledError, Unavailable):
                    pass
                died, mortal.left = mortal.left == 0, -1
                for inside in ("/x", "/sub/y"):
                    try:
                        assert (await call("get", path + inside))["version"] == 1
                    except Unavailable:
                        continue
                for node in (a, b, a):
                    await node.handovers.sweep()
                if died:
                    for inside in ("/x", "/sub/y"):  # it goes on, or is undone, by itself
                        assert (await settled(call, (a, b), path + inside))["version"] == 1, (step, made)
                    try:
                        await call(*change)
                    except Invalid:  # it is unmounted
                        assert change[0] == "unmount"
                for inside in ("/x", "/sub/y"):
                    row = await call("get", path + inside)
                    assert (row["version"], row["node"]) == (1, "b" if change[0] == "mount" else "a"), (step, made)
                for node in (a, b):
                    await node.handovers.sweep()
                    assert await unfinished(node.filesystem.core.store) == []
                    assert (await audit(node.filesystem.core.store)).faults == []
    assert step > 4
