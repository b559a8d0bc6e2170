"""Objects that are read from one of two filesystems and stored in the other, whatever is done in whatever order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
sides = st.integers(0, 1)
steps = st.one_of(
    st.tuples(st.just("make"), sides, names),
    st.tuples(st.just("read"), sides, names, st.booleans()),
    st.tuples(st.just("store"), sides, st.integers(0, 9), st.none() | names, st.booleans()),
    st.tuples(st.just("update"), sides, names),
    st.tuples(st.just("rm"), sides, names),
)


@dataclass
class Side:
    """A filesystem, and what must be in it: uuid and values of all versions by name; `known`: every uuid so far."""

    client: Client
    node: str
    there: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def put(self, name: str, uuid: str, value: int) -> None:
        held, values = self.there.get(name, (uuid, []))
        self.there[name] = held, [*values, value]
        self.known.add(uuid)

    async def check(self) -> None:
        found = {p.name: (p.uuid, p.version) for p in await self.client.list("/")}
        assert found == {name: (uuid, len(values)) for name, (uuid, values) in self.there.items()}
        for name, (_, values) in self.there.items():
            assert await self.client.cat(f"/{name}.data") == values[-1]


class Both:
    """Two filesystems, and the instances that a program has of their objects."""

    def __init__(self, one: Side, other: Side) -> None:
        self.sides = one, other
        self.held: list[EmergeFile] = []
        self.value = 0

    async def make(self, side: int, name: str) -> None:
        """Store a new instance: a new object, or a new version of the one there."""
        self.value += 1
        obj = EmergeFile(name=name, data=self.value)
        await self.sides[side].client.store(obj)
        self.sides[side].put(name, obj.uuid, self.value)
        self.held.append(obj)

    async def read(self, side: int, name: str, first: bool) -> None:
        at = self.sides[side]
        if name in at.there:
            obj = await at.client.getobject(f"/{name}", 1 if first else 0)
            assert (obj.uuid, obj.data) == (at.there[name][0], at.there[name][1][0 if first else -1])
            self.held.append(obj)

    async def store(self, side: int, number: int, name: str | None, many: bool) -> None:
        """Store what was read somewhere, perhaps under another name, by either operation."""
        if not self.held:
            return
        at, obj = self.sides[side], self.held[number % len(self.held)]
        self.value += 1
        obj.data, obj.name = self.value, name or obj.name
        uuid, version, node = obj.uuid, obj.version, obj.node
        there, values = at.there.get(obj.name, ("", []))
        new = uuid not in at.known and not there
        if not new and (there, len(values)) != (uuid, version):
            try:
                await (at.client.storeall([obj]) if many else at.client.store(obj))
            except Conflict as error:
                assert error.remedy and (obj.uuid, obj.version, obj.node) == (uuid, version, node)
                return
            raise AssertionError(f"{uuid}@{version} was stored over {there}@{len(values)}")
        await (at.client.storeall([obj]) if many else at.client.store(obj))
        at.put(obj.name, obj.uuid, self.value)
        assert obj.node == at.node and obj.version == len(at.there[obj.name][1]) and (obj.uuid == uuid) != new
        if new:
            assert [row["from"] for row in await at.client.versions(f"/{obj.name}")] == [f"{node}:{uuid}@{version}"]

    async def update(self, side: int, name: str) -> None:
        at = self.sides[side]
        if name in at.there:
            self.value += 1
            await at.client.update(f"/{name}", data=self.value)
            at.put(name, at.there[name][0], self.value)

    async def rm(self, side: int, name: str) -> None:
        if self.sides[side].there.pop(name, None):
            await self.sides[side].client.rm(f"/{name}")


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(steps, max_size=25))
def test_nothing_is_lost_between_two_filesystems(work: list[tuple[str, int]]) -> None:
    async def run() -> None:
        opened = [await Filesystem.open(MemoryStore(), node=node) for node in ("one", "other")]
        context = Context("tester", superuser=True)
        both = Both(*[Side(Client(LocalTransport(each, context)), each.node) for each in opened])
        for kind, *args in work:
            await getattr(both, kind)(*args)
            for side in both.sides:
                await side.check()
        assert both.sides[0].known.isdisjoint(both.sides[1].known)
        for filesystem in opened:
            assert (await audit(filesystem.core.store)).faults == []
            await filesystem.close()

    asyncio.run(run())
