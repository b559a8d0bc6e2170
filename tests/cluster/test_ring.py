"""One ring for a cluster: changed at any node, the same at all, and nobody whose key was taken back is served."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from emerge_wasm.cli.main import main
from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, REVOKED, Ring, RingEntry
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError, Invalid, PermissionDenied, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from tests.backends import Started
from tests.node.conftest import eventually, names
from tests.scale import examples

from .keyed import Machine, Machines


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    async with AsyncExitStack() as stack:
        yield Machines(tmp_path, stack)


async def three(machines: Machines) -> tuple[Machine, Machine, Machine]:
    a, b, c = [await machines.add(name) for name in "abc"]
    await eventually(lambda: all(len(names(each.node.cluster)) == 2 for each in (a, b, c) if each.node))
    return a, b, c


def lines(machine: Machine) -> list[str]:
    return sorted(entry.line() for entry in machine.ring.entries())


async def test_a_change_at_any_node_is_one_at_all(machines: Machines) -> None:
    """When the call has returned, each lets the key in; and once it is revoked, refuses its next message."""
    all_ = await three(machines)
    for number, at in enumerate(all_):
        anna = machines.key(f"anna{number}")
        added = await machines.call(at, "addkey", anna.pair.name, anna.pair.public, False, ["staff"])
        assert added["missing"] == []
        assert len({tuple(lines(each)) for each in all_}) == 1
        for each in all_:
            assert (await machines.call(each, "whoami", by=anna))["groups"] == ["staff"]
        revoked = await machines.call(at, "revokekey", anna.pair.name)
        assert [row["role"] for row in revoked["keys"] if row["name"] == anna.pair.name] == ["revoked"]
        for each in all_:
            with pytest.raises(PermissionDenied):
                await machines.call(each, "whoami", by=anna)
    told = [await machines.call(each, "ring") for each in all_]
    assert told[0] == told[1] == told[2]


async def test_the_file_is_a_way_too(machines: Machines) -> None:
    """What an operator changes in the file of any machine, the others have."""
    all_ = await three(machines)
    for number, at in enumerate(all_):
        pair = make_pair(f"bert{number}")
        at.ring.add(RingEntry(CLIENT, pair.name, pair.public))
        await eventually(lambda pair=pair: all(each.ring.find(pair.public) for each in all_))  # type: ignore[misc]
        at.ring.revoke(pair.name)
        await eventually(lambda pair=pair: not any(each.ring.find(pair.public) for each in all_))  # type: ignore[misc]


def test_a_folder_that_cannot_be_written_to_will_do_for_reading(tmp_path: Path) -> None:
    ring = Ring(tmp_path / FILE_NAME)
    entry = RingEntry(CLIENT, "anna", make_pair("anna").public, since="2026")
    ring.add(entry)
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").mkdir()
    ring.follow({}, {entry.public: entry})
    with pytest.raises(Unavailable, match="cannot be written"):
        ring.revoke("anna")
    assert ring.find(entry.public) == entry


async def test_what_makes_no_sense_is_refused_everywhere(machines: Machines) -> None:
    all_ = await three(machines)
    anna = machines.key("anna")
    await machines.call(all_[0], "addkey", "anna", anna.pair.public)
    before = lines(all_[0])
    for each in all_:
        for args, kind in (
            (("addkey", "anna", make_pair("x").public), Invalid),
            (("addkey", "bert", anna.pair.public), Invalid),
            (("addkey", "bert", "short"), Invalid),
            (("addkey", "a b", make_pair("x").public), Invalid),
            (("addkey", "bert", make_pair("x").public, True, ["g"]), Invalid),
            (("revokekey", "nobody"), EmergeError),
        ):
            with pytest.raises(kind):
                await machines.call(each, *args)
        for name, args in {"ring": (), "addkey": ("x", make_pair("x").public), "revokekey": ("root",)}.items():
            with pytest.raises(PermissionDenied, match="only a superuser"):
                await machines.call(each, name, *args, by=anna)
    assert all(lines(each) == before for each in all_)


async def test_without_who_keeps_it_nothing_changes(machines: Machines) -> None:
    """The error names that node; whoever was let in still is."""
    a, b, c = await three(machines)
    anna = machines.key("anna")
    await machines.call(a, "addkey", "anna", anna.pair.public)
    before = lines(b)
    await a.stop()
    for name, args in {"addkey": ("x", make_pair("x").public), "revokekey": ("anna",)}.items():
        with pytest.raises(Unavailable, match="node a, which keeps the cluster's ring, is away"):
            await machines.call(b, name, *args)
    assert lines(b) == lines(c) == before
    await b.stop()
    await b.start()
    for each in (b, c):
        assert (await machines.call(each, "whoami", by=anna))["principal"] == "anna"
    await a.start()
    await machines.call(b, "revokekey", "anna")
    assert lines(a) == lines(b) == lines(c) != before


async def test_who_comes_back_goes_by_the_newest_ring(machines: Machines) -> None:
    """Before it serves a client; also when the node that keeps the ring has another key by now, or is away."""
    a, b, c = await three(machines)
    for number, away in enumerate(((), (a,))):
        anna = machines.key(f"anna{number}")
        await machines.call(a, "addkey", anna.pair.name, anna.pair.public)
        assert (await machines.call(b, "whoami", by=anna))["principal"] == anna.pair.name
        await b.stop()
        await machines.call(a, "revokekey", anna.pair.name)
        await rotate(machines, a, a)
        for each in away:
            await each.stop()
        starting = asyncio.create_task(b.start())
        while not starting.done():
            with pytest.raises((PermissionDenied, Unavailable)):
                await machines.call(b, "whoami", by=anna)
        await starting
        with pytest.raises(PermissionDenied):
            await machines.call(b, "whoami", by=anna)
        for each in away:
            await each.start()
    await eventually(lambda: lines(a) == lines(b) == lines(c))


async def rotate(machines: Machines, machine: Machine, at: Machine) -> None:
    """Replace a machine's key, by a change at a node, and take the old one back there."""
    old = machine.credential.pair.public
    fresh = make_pair(machine.name)
    await machines.call(at, "addkey", machine.name, fresh.public, True, None, False, True)
    write_pair(machine.credential.path, fresh)
    await eventually(lambda: machine.credential.pair == fresh)
    until = asyncio.get_running_loop().time() + 5
    while True:  # it says that it will show the new key before it does
        try:
            await machines.call(machine, "hello")
            break
        except Unavailable:
            assert asyncio.get_running_loop().time() < until
    await machines.call(at, "revokekey", old)


async def test_who_was_away_learns_that_all_others_have_new_keys(machines: Machines) -> None:
    """The node that keeps the ring shows the key that it had before to who does not know the new one."""
    a, b = [await machines.add(name) for name in "ab"]
    await b.stop()
    await rotate(machines, a, a)
    assert b.ring.find(a.credential.pair.public) is None
    await b.start()
    await eventually(lambda: lines(a) == lines(b), 6)
    await eventually(lambda: a.node and names(a.node.cluster) == ["b"], 6)


async def test_no_member_brings_an_older_ring_back(machines: Machines) -> None:
    """Nor one of its own: what is not from where it is kept counts for nothing, whatever version it says."""
    a, b, c = await three(machines)
    anna, eve = machines.key("anna"), make_pair("eve")
    old = (await machines.call(a, "addkey", "anna", anna.pair.public))["version"]
    before = lines(b)
    await machines.call(a, "revokekey", "anna")
    now = lines(a)
    assert c.node is not None and b.node is not None and a.node is not None
    forged = RingEntry(CLIENT, "eve", eve.public, superuser=True).line()
    for to in (a.node, b.node):
        for version, keys in ((old, before), (10**9, before), (10**9, [*before, forged] if to is b.node else before)):
            await c.node.cluster.link(to.cluster.identity).call("_cluster_ring", [version, keys])
    assert lines(a) == lines(b) == now
    with pytest.raises(PermissionDenied):
        await machines.call(b, "whoami", by=anna)


async def test_a_revoked_member_changes_nothing_through_one_that_was_away(machines: Machines) -> None:
    a, b, c = await three(machines)
    await b.stop()
    await machines.call(a, "revokekey", "c")
    own = c.credential
    starting = asyncio.create_task(b.start())
    eve = make_pair("eve")
    while True:
        with pytest.raises((PermissionDenied, Unavailable)):
            await machines.call(b, "addkey", "eve", eve.public, by=Credential(own.path))
        if starting.done():
            break
    await starting
    await eventually(lambda: lines(a) == lines(b))
    assert all(each.ring.find(eve.public) is None for each in (a, b))


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_all_rings_are_equal_in_the_end(machines: Machines, seed: int) -> None:
    """Keys added, revoked and replaced at random nodes, which stop and start; no node serves a key that it has heard
    to be revoked."""
    chance = random.Random(seed)
    all_ = list(await three(machines))
    people: dict[str, Credential] = {}
    revoked: dict[str, Credential] = {}
    for turn in range(14):
        up = [each for each in all_ if each.node is not None]
        at = chance.choice(all_)
        what = chance.choice(["add", "add", "revoke", "rotate", "file", "toggle", "toggle"])
        try:
            if what == "toggle":
                await (at.stop() if at.node is not None and len(up) > 1 else at.start() if at.node is None else rest())
            elif at.node is None:
                continue
            elif what in ("add", "file"):
                key = machines.key(f"p{turn}")
                if what == "file":
                    at.ring.add(RingEntry(CLIENT, key.pair.name, key.pair.public))
                else:
                    await machines.call(at, "addkey", key.pair.name, key.pair.public)
                people[key.pair.name] = key
            elif what == "rotate":
                await rotate(machines, at, chance.choice(up))
            elif what == "revoke" and people:
                name = chance.choice(sorted(people))
                await machines.call(at, "revokekey", name)
                revoked[name] = people.pop(name)
        except EmergeError as error:
            assert isinstance(error, Unavailable) or "has no key of" in error.message, error
        for each in up:
            for name, key in revoked.items():
                entry = next((e for e in each.ring.entries() if e.public == key.pair.public), None)
                if each.node is not None and entry is not None and entry.role == REVOKED:
                    with pytest.raises(EmergeError):
                        await machines.call(each, "whoami", by=key)
                    assert name
    for each in all_:
        if each.node is None:
            await each.start()
    await eventually(lambda: lines(all_[0]) == lines(all_[1]) == lines(all_[2]), 5)
    for each in all_:
        assert len([e for e in each.ring.entries() if e.role == MEMBER]) >= 3
        for key in revoked.values():
            with pytest.raises(PermissionDenied):
                await machines.call(each, "whoami", by=key)
        for key in people.values():
            assert (await machines.call(each, "whoami", by=key))["principal"] == key.pair.name


async def rest() -> None:
    await asyncio.sleep(0)


async def test_keys_are_replaced_under_load_and_no_call_fails(machines: Machines) -> None:
    """Each of three nodes in turn, by a call or by the file; clients ask each of them for what is on each."""
    all_ = await three(machines)
    for each in all_:
        await machines.call(each, "mkdir", f"/{each.name}")
    for each in all_[1:]:
        await machines.call(all_[0], "rm", f"/{each.name}")
        await machines.call(all_[0], "mount", f"/{each.name}", each.name)
    stop, done = asyncio.Event(), Counter[str]()
    root = Credential(machines.folder / "people" / "root.key")
    for each in all_:
        root.ring.add(RingEntry(MEMBER, each.name, each.credential.pair.public))

    async def load(at: Machine, to: Machine, number: int) -> None:
        async with ZeroMQTransport(at.endpoint, credential=root, node=at.name) as transport:
            while not stop.is_set():
                done[at.name + to.name] += 1
                path = f"/{to.name}/{at.name}{number}-{done[at.name + to.name]}"
                await transport.call("store", [path, encode({"n": 1})])
                assert await transport.call("cat", [path]) == {"n": 1}

    async with asyncio.TaskGroup() as tasks:
        for at in all_:
            for to in all_:
                tasks.create_task(load(at, to, 0))
        for number, each in enumerate(all_):
            before = done.copy()
            fresh = make_pair(each.name)
            root.ring.add(RingEntry(MEMBER, each.name, fresh.public), another=True)
            if number == 1:
                each.ring.add(RingEntry(MEMBER, each.name, fresh.public), another=True)
            else:
                await machines.call(all_[1], "addkey", each.name, fresh.public, True, None, False, True)
            write_pair(each.credential.path, fresh)
            await eventually(lambda each=each, fresh=fresh: each.credential.pair == fresh, 5)  # type: ignore[misc]
            await eventually(lambda before=before: all(done[way] > before[way] + 3 for way in before), 10)  # type: ignore[misc]
        stop.set()


async def test_on_one_database_the_ring_is_there(machines: Machines, backends: Started) -> None:
    """No cluster was founded: who shares the database shares the ring; a node that was away finds it there."""
    store = backends.url("postgresql")
    a, b = [Machine(machines.folder / name, name, store) for name in "ab"]
    for each, other in ((a, b), (b, a)):
        each.know(other)
    a.ring.add(RingEntry(CLIENT, "root", machines.key("root").pair.public, superuser=True))
    try:
        await a.start()
        await b.start()
        assert [entry.name for entry in b.ring.entries() if entry.role == CLIENT] == ["root"]
        await eventually(lambda: all(each.node and names(each.node.cluster) for each in (a, b)), 8)
        keys = [machines.key(name) for name in ("anna", "bert")]
        for at, key in zip((a, b), keys, strict=True):
            assert (await machines.call(at, "addkey", key.pair.name, key.pair.public))["missing"] == []
            for each in (a, b):
                assert (await machines.call(each, "whoami", by=key))["principal"] == key.pair.name
        b.ring.revoke("bert")
        await eventually(lambda: lines(a) == lines(b))
        await b.stop()
        await machines.call(a, "revokekey", "anna")
        await b.start()
        assert lines(a) == lines(b)
        for key in keys:
            with pytest.raises(PermissionDenied):
                await machines.call(b, "whoami", by=key)
    finally:
        await b.stop()
        await a.stop()


async def test_the_commands_ask_a_node_that_is_named(machines: Machines) -> None:
    a, b = [await machines.add(name) for name in "ab"]
    path = str(machines.folder / "people" / "root.key")
    anna = machines.key("anna")

    def emerge(*words: str) -> Result:
        named = ("-h", f"{b.endpoint}?key={b.credential.pair.public}", "--key", path, "--json", "keys")
        return CliRunner().invoke(main, [*named, *words])

    for words, role in (
        (("add", "anna", anna.pair.public, "--group", "staff"), "client"),
        (("revoke", "anna"), "revoked"),
    ):
        done = await asyncio.to_thread(emerge, *words)
        assert done.exit_code == 0, done.stderr
        listed = json.loads((await asyncio.to_thread(emerge, "list")).output)
        assert [row["role"] for row in listed if row["key"] == anna.pair.public] == [role]
        assert [e.role for e in a.ring.entries() if e.public == anna.pair.public] == [role]
    again = await asyncio.to_thread(emerge, "add", "anna", anna.pair.public)
    assert again.exit_code == 2 and "was revoked" in again.stderr


async def test_a_key_that_is_replaced_on_its_machine_is_shown_when_the_others_know_it(machines: Machines) -> None:
    """As `emerge keys rotate` does it, for each node in turn, who keeps the ring too, however slow the others are."""
    all_ = await three(machines)
    for each in all_:
        assert each.node is not None
        slow(each.node)
    for each in all_:
        fresh = make_pair(each.name)
        each.ring.add(RingEntry(MEMBER, each.name, fresh.public), another=True)
        write_pair(each.credential.path, fresh)
        for _ in range(200):
            others = [other for other in all_ if other is not each]
            shown = each.credential.pair == fresh
            assert not shown or all(other.ring.find(fresh.public) for other in others)
            if shown:
                break
            await asyncio.sleep(0.02)
        assert shown
        await eventually(lambda: all(other.node and len(names(other.node.cluster)) == 2 for other in all_), 10)


def slow(node: Node) -> None:
    """A node that takes its time to take a ring."""

    async def later(name: str, args: list[Any], context: Context) -> object:
        await asyncio.sleep(0.3)
        return await node.ring._on_ring(name, args, context)  # private: what it does at once

    node.server.register("_cluster_ring", later)
