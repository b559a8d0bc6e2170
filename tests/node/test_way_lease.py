"""What callers may come to over several nodes is at each moment what the rights of the directories say."""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import NamedTuple

from emerge_wasm import codec
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import PermissionDenied
from emerge_wasm.filesystem.layout.access import changed_perms, mode_of, permits
from emerge_wasm.node.node import Node
from emerge_wasm.node.way_lease import WayLeases
from emerge_wasm.operations import Context, Dispatch

from ..scale import examples
from .conftest import OPERATOR, Connect, StartNode, eventually, names

ABOVE = ("/", "/shared", "/shared/far")
PATH = "/shared/far/volume/x"
CALLERS = [Context("anna"), Context("ben", ("staff",)), Context("carla", ("staff", "guests"))]


class Rights(NamedTuple):
    perms: str = "rwxr-xr-x"
    owner: str = ""
    group: str = ""

    def pass_through(self, who: Context) -> bool:
        return permits(who, self.owner, self.group, mode_of(self.perms), "x")


class Step(NamedTuple):
    """The rights of all directories above, the operation that made them so, and when it began and was acknowledged."""

    rights: dict[str, Rights]
    made_by: str
    began: float
    acknowledged: float


class Seen(NamedTuple):
    who: Context
    where: str
    began: float
    ended: float
    passed: bool


async def change(rng: random.Random, to: ZeroMQTransport, rights: dict[str, Rights]) -> tuple[dict[str, Rights], str]:
    """Change the rights of a directory, in one of the ways there are."""
    path = rng.choice(ABOVE)
    was = rights[path]
    asked = rng.choice(["700", "750", "755", "o-x", "a+x", "g-x", "u-x,g+x"])
    changed = {**rights, path: was._replace(perms=changed_perms(was.perms, asked))}
    how = rng.choice(["chmod", "transaction", "chown"])
    if how == "transaction":
        await to.call("begin", ["t"])
        await to.call("chmod", [path, asked], {"transaction": "t"})
        await to.call("commit", ["t"])
    elif how == "chown":
        owner, group = rng.choice(["anna", "ben", "root"]), rng.choice(["staff", "guests", ""])
        await to.call("chown", [path, owner, group])
        changed = {**rights, path: was._replace(owner=owner, group=group)}
    else:
        await to.call("chmod", [path, asked])
    return changed, f"{how} {path} {changed[path]}"


async def read_on(to: ZeroMQTransport, who: Context, where: str, seen: list[Seen], ended: asyncio.Event) -> None:
    as_who = {"as": who.principal, "groups": list(who.groups)}
    while not ended.is_set():
        began = monotonic()
        try:
            await to.call("get", [PATH], as_who)
            passed = True
        except PermissionDenied:
            passed = False
        seen.append(Seen(who, where, began, monotonic(), passed))
        await asyncio.sleep(0.002)


def check_history(steps: list[Step], seen: list[Seen]) -> None:
    """Check that all that was seen fits one order of events: each look at a moment while it was under way."""
    latest: list[tuple[float, int]] = []  # (when a look ended, the step that it saw at least)
    for look in sorted(seen, key=lambda each: each.began):
        least = max((number for number, step in enumerate(steps) if step.acknowledged < look.began), default=0)
        least = max([least, *(number for ended, number in latest if ended < look.began)])
        most = max((number for number, step in enumerate(steps) if step.began < look.ended), default=0)
        fitting = (
            number
            for number in range(least, most + 1)
            if all(row.pass_through(look.who) for row in steps[number].rights.values()) == look.passed
        )
        number = next(fitting, None)
        assert number is not None, (look, steps[least : most + 1])
        latest = [*(row for row in latest if row[1] > number or row[0] > look.began), (look.ended, number)]


async def test_rights_above_a_volume_are_never_stale(start_node: StartNode, connect: Connect) -> None:
    nodes: list[Node] = []
    for name in "abc":
        nodes.append(await start_node(name, tuple(node.endpoint for node in nodes[:1])))
        if name == "a":
            await nodes[0].volumes.found()
    for node in nodes:
        await eventually(lambda node=node: len(names(node.cluster)) == 2)
    operators = [connect(node.endpoint) for node in nodes]
    await operators[0].call("mkdir", ["/shared/far"])
    await operators[0].call("mount", ["/shared/far/volume", "b"])
    await operators[1].call("store", [PATH, codec.encode({"n": 1})])
    for path in (*ABOVE, "/shared/far/volume", PATH):
        await operators[0].call("chmod", [path, "rwxr-xr-x"])
    await operators[0].call("chmod", ["/shared/far/volume", "777", True])

    rng = random.Random(11)
    rights = {path: Rights() for path in ABOVE}
    steps = [Step(rights, "the beginning", 0, 0)]
    seen: list[Seen] = []
    ended = asyncio.Event()
    readers = [
        asyncio.create_task(read_on(connect(node.endpoint), who, node.filesystem.node, seen, ended))
        for node in nodes[1:]
        for who in CALLERS
    ]
    for _ in range(examples(25)):
        began = monotonic()
        rights, how = await change(rng, operators[0], rights)
        steps.append(Step(rights, how, began, monotonic()))
        await asyncio.sleep(rng.choice([0, 0.01, 0.03]))
    ended.set()
    await asyncio.gather(*readers)
    check_history(steps, seen)
    assert {look.passed for look in seen} == {True, False}


async def test_an_answer_that_crosses_a_recall_is_not_relied_on() -> None:
    leases, calls = WayLeases(), dict[str, Dispatch]()
    leases.register(calls.__setitem__)
    asked = 0

    async def ask() -> float:
        nonlocal asked
        asked += 1
        if asked == 1:
            await calls["_cluster_ways"]("_cluster_ways", [], OPERATOR)  # type: ignore[misc]
        return 10.0

    for expected in (1, 2, 2):
        if not leases.holds("the way"):
            await leases.take("the way", ask)
        assert asked == expected
