"""What a node answers at once is, byte for byte, what the operation's route answers; and no call overtakes another."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from emerge_wasm import codec
from emerge_wasm.context import Wire
from emerge_wasm.errors import EmergeError
from emerge_wasm.node.at_once import AT_ONCE
from emerge_wasm.node.node import Node
from emerge_wasm.stores import open_store
from emerge_wasm.wire import event
from emerge_wasm.wire.answer import Answers, AtOnce
from emerge_wasm.wire.event import Payload, encode_request, encode_request_frames
from emerge_wasm.wire.server import ServerChannels, ServerRequest
from tests.scale import examples

from .conftest import OPERATOR, StartNode, eventually, two

ID = b"0" * 32
MAKER = replace(OPERATOR, umask=0)
FOLDERS = ["", "/d", "/d/only", "/s", "/s/deep", "/ä b"]
VOLUMES = ["/s", "/d/only"]
WORLDS = ["memory", "sqlite", "cluster"]
SIZES = [0, 10, 10, 10, (64 << 10) - 12, 400_000]
"""Of states: within a version, the largest there, and in blocks."""


@dataclass
class World:
    """Nodes, and what happens to them."""

    nodes: list[Node]
    dice: Random
    paths: list[str] = field(default_factory=lambda: [folder or "/" for folder in FOLDERS])
    uuids: list[str] = field(default_factory=list)
    moments: list[str] = field(default_factory=lambda: [""])

    async def call(self, name: str, *args: object) -> object:
        answer = self.dice.choice(self.nodes).dispatch(name, list(args), MAKER)
        return await answer  # type: ignore[misc]

    async def plant(self) -> None:
        """Make what is removed again, and volumes where there can be any, one of them where something was."""
        for folder in FOLDERS[1:]:
            stored = await self.call("store", f"{folder}/x", codec.encode({}))
            self.paths.append(f"{folder}/x")
            self.moments.append(str(stored["date"]))  # type: ignore[index]
            await self.call("rm", folder, True)
        for folder in VOLUMES if len(self.nodes) > 1 else ():
            await self.call("mount", folder, "b")

    async def change(self) -> None:
        """Change something, or fail to."""
        dice, path = self.dice, self.dice.choice(self.paths)
        fresh = f"{dice.choice(FOLDERS)}/{dice.choice('xyz')}{dice.randrange(2)}"
        state = codec.encode({"n": dice.randrange(9), "data": dice.randbytes(dice.choice(SIZES))})
        perms = dice.choice(["rwxrwxrwx", "rwxrwxrwx", "rwxrwx---", "rwxrwxr--", "rwx--x--x", "r-xr-xrwx"])
        steps: list[tuple[int, str, list[object]]] = [
            (6, "store", [fresh, state]),
            (4, "store", [path, state]),
            (2, "mkdir", [fresh]),
            (2, "chmod", [path, perms, dice.random() < 0.3]),
            (3, "chmod", [dice.choice(self.paths[: len(FOLDERS)]), perms]),
            (2, "chown", [path, dice.choice(["anna", "ben", ""]), dice.choice(["staff", ""])]),
            (2, "mv", [path, fresh]),
            (1, "cp", [path, fresh, True]),
            (1, "rm", [path, dice.random() < 0.5]),
        ]
        if len(self.nodes) > 1:
            steps += [(1, "mount", [path, dice.choice("ab")]), (1, "unmount", [path])]
        _, name, args = dice.choices(steps, [weight for weight, _, _ in steps])[0]
        try:
            made = await self.call(name, *args)
        except EmergeError:
            return
        if fresh in args:
            self.paths.append(fresh)
        if isinstance(made, dict) and "uuid" in made:
            self.uuids.append(f"/registry/{made['uuid']}")
            self.moments.append(str(made["date"]))

    def question(self) -> tuple[Payload, str]:
        """A request of an operation that may be answered at once, well-formed as a rule."""
        dice = self.dice
        name = dice.choice(sorted(AT_ONCE))
        odd = [*self.uuids, "/none", "/s/none", "/registry", "/registry/ff", "", "x", "/a//b", "/..", "/d/"]
        args: list[object] = [dice.choice(self.paths if dice.random() < 0.8 else odd)]
        wrong: list[object] = [None, 7, b"", ["/"]]
        by_number = name in ("get", "getobject", "versions")
        second: list[object] = [0, 0, 0, 1, 2, 3, 99, -1] if by_number else ["", "", "", "x", "x1"]
        planted = self.moments[1 : len(FOLDERS)]
        dates = ["", dice.choice(self.moments), dice.choice(planted), dice.choice(planted), "today"]
        third = dates if name in ("get", "getobject") else [1, 2, 3, 1000, 1000, 1000, 0, 10**6]
        for more in (second, third, dates):
            if dice.random() < 0.5:
                args.append(dice.choice(more if dice.random() < 0.97 else wrong))
            else:
                break
        context: Wire = {}
        if dice.random() < 0.4:
            context |= {"as": dice.choice(["anna", "ben", ""]), "groups": dice.choice([[], ["staff"]])}
        if dice.random() < 0.1:
            context |= dice.choice(
                [{"transaction": "t"}, {"max_age": 60}, {"umask": -1}, {"call_id": "c"}, {"more": 1}]
            )
        encode = dice.choice([encode_request, encode_request_frames])
        return encode(ID, name, args, context or None), f"{name}{args} {context}"


async def answered(node: Node, payload: Payload, *, at_once: bool) -> tuple[Payload, bool]:
    """What a node answers, in its frames, and whether that was at once."""
    sent: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()

    def send(peer: Hashable, payload: Payload) -> None:
        sent.set_result(payload)

    server, channels = node.server, ServerChannels(heartbeat=0, ids=lambda: ID)  # type: ignore[arg-type]
    # private: both ways that the server has, each by itself
    answers = Answers(server._handle, send, channels, send, server._read if at_once else lambda request: None)
    answers.receive("asker", payload)
    soon = sent.done()
    payload = await sent
    assert not len(channels)
    return payload, soon


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("seed", range(examples(1)))
async def test_the_same_answers_at_once_as_by_the_route(
    start_node: StartNode, tmp_path: Path, kind: str, seed: int
) -> None:
    if kind == "cluster":
        nodes = [*await two(start_node)]
    elif kind == "sqlite":
        nodes = [await start_node("a", store=await open_store(f"sqlite:///{tmp_path}/store.db"))]
    else:
        nodes = [await start_node("a")]
    world = World(nodes, Random(f"{kind} {seed}"))
    at_once = asked = 0
    await world.plant()
    for _ in range(40):
        await world.change()
    for _ in range(15):
        for _ in range(world.dice.randrange(4)):
            await world.change()
        for _ in range(40):
            node, (payload, question) = world.dice.choice(nodes), world.question()
            now, soon = await answered(node, payload, at_once=True)
            assert (now, False) == await answered(node, payload, at_once=False), question
            at_once, asked = at_once + soon, asked + 1
    assert at_once > asked / (10 if kind == "cluster" else 2)


@pytest.mark.parametrize("seed", range(examples(20)))
async def test_no_call_of_a_client_overtakes_another(seed: int) -> None:
    """Whether it is answered at once, by its route, or is given up for that, each is begun when all before it were."""
    dice = Random(seed)
    begun: dict[object, list[int]] = {}
    answered: set[Hashable] = set()

    async def by_route(request: ServerRequest) -> object:
        begun.setdefault(request.channel.peer, []).append(request.args[0])
        for _ in range(request.args[1]):
            await asyncio.sleep(0)
        return request.args[0]

    async def at_once(request: ServerRequest) -> object:
        if request.args[1]:
            await asyncio.sleep(0)  # it is given up here
        begun.setdefault(request.channel.peer, []).append(request.args[0])
        return request.args[0]

    def send(peer: Hashable, payload: Payload) -> None:
        answer = event.decode(payload)
        assert answer.name == "OK", answer
        answered.add((peer, answer.header["response_to"], answer.args[0]))  # type: ignore[index]

    def read(request: ServerRequest) -> AtOnce | None:
        return at_once(request) if request.name == "read" else None

    answers = Answers(by_route, send, ServerChannels(heartbeat=0), send, read)
    expected: set[Hashable] = set()
    for number in range(200):
        peer, channel = dice.choice(["one", "two"]), b"%d" % number
        answers.receive(
            peer, encode_request(channel, dice.choice(["read", "store"]), [number, dice.choice([0, 0, 1, 3])])
        )
        expected.add((peer, channel, number))
        for _ in range(dice.choice([0, 0, 0, 1, 2])):
            await asyncio.sleep(0)
    await eventually(lambda: len(answered) == 200)
    assert answered == expected
    assert all(numbers == sorted(numbers) for numbers in begun.values())


async def test_a_request_that_is_given_up_before_it_began_leaves_nothing(start_node: StartNode) -> None:
    node = await start_node("a")
    sent: list[object] = []
    channels = ServerChannels(heartbeat=0)
    answers = Answers(node.server._handle, lambda peer, payload: sent.append(payload), channels, read=node.server._read)
    for number in range(3):
        channel = b"%d" % number
        answers.receive("asker", encode_request(channel, "mkdir", [f"/d{number}"]))
        answers.receive("asker", event.encode_end(channels.ids, channel))
    await asyncio.sleep(0.01)
    assert not sent and not answers._tasks and not answers._unbegun  # private: nothing else shows what is left
    answers.receive("asker", encode_request(b"get", "get", ["/"]))
    assert len(sent) == 1
