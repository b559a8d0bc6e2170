"""Whatever a peer announces, a node serves on, and sees the members that are there and no others."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import uuid4

import pytest

from emerge_wasm.cluster.broadcast import MESSAGE_LIMIT
from emerge_wasm.codec import decode, encode
from emerge_wasm.errors import EmergeError
from emerge_wasm.operations import Wire
from tests.node.conftest import OPERATOR, StartNode, broadcast_of, eventually, names, two
from tests.node.conftest import stack as stack
from tests.node.conftest import start_node as start_node
from tests.scale import SCALE, TURN

MESSAGES = 5_000 * SCALE
BATCH = 100

ODD: list[Any] = [
    *(None, True, -1, 1 << 63, float("inf"), float("nan"), "", "x" * 5_000, "\ud800", b"", b"\x93"),
    *([], {}, [[]] * 200, {"self": {}}, "tcp://127.0.0.1:1", "tcp://*:0", "ipc:///", uuid4().hex, "here", "suspect"),
]


def spoilt(value: Any, dice: random.Random) -> Any:
    """A value like this one in which something is another."""
    if isinstance(value, dict) and value and dice.randrange(4):
        name = dice.choice(list(value))
        match dice.randrange(4):
            case 0:
                return {each: value[each] for each in value if each != name}
            case 1:
                return {**value, str(dice.choice(ODD))[:9]: dice.choice(ODD)}
            case _:
                return {**value, name: spoilt(value[name], dice)}
    if isinstance(value, list) and value and dice.randrange(3):
        at = dice.randrange(len(value))
        return [*value[:at], spoilt(value[at], dice), *value[at + 1 :]] * dice.choice([1, 1, 1, 50])
    return dice.choice(ODD)


def announced(message: Wire, dice: random.Random) -> bytes:
    """The bytes of such a message, spoilt as a value or as bytes, or noise. One that is longer than may be ends the
    connection, see below."""
    for _ in range(dice.choice([0, 1, 1, 2, 3])):
        message = spoilt(message, dice)
    try:
        data = bytearray(encode(message))
    except EmergeError:
        return dice.randbytes(dice.randrange(1, 200))
    for _ in range(dice.choice([0, 0, 0, 1, 4])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data[: MESSAGE_LIMIT // 2]) if dice.randrange(20) else dice.randbytes(dice.randrange(1, 400))


async def test_any_announcement_is_heard_or_ignored(start_node: StartNode, caplog: pytest.LogCaptureFixture) -> None:
    """A member says whatever it likes: about itself, about the other two, and about some that do not exist."""
    failed: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failed.append(context))
    dice = random.Random(f"announcements {TURN}")
    a, b = await two(start_node)
    c = await start_node("c", (a.endpoint,))
    await eventually(lambda: sorted(names(a.cluster)) == ["b", "c"] and len(names(c.cluster)) == 2)
    said: list[Wire] = []
    speaker = broadcast_of(b)
    say = speaker.say

    def listened(message: Wire) -> None:
        said.append(decode(encode(message)))
        say(message)

    speaker.say = listened  # type: ignore[method-assign]  # to hear what it says by itself
    await eventually(lambda: said)
    made_up = [
        {"kind": "suspect", "uuid": b.cluster.identity.uuid, "node": c.cluster.identity.uuid},
        {"kind": "suspect", "uuid": b.cluster.identity.uuid, "node": a.cluster.identity.uuid},
        {
            "kind": "whohas",
            "uuid": b.cluster.identity.uuid,
            "id": "1",
            "asked": [a.cluster.identity.uuid],
            "paths": ["/a"],
            "uuids": [],
            "blocks": [],
        },
        {"kind": "show", "uuid": b.cluster.identity.uuid, "id": "2", "asked": [a.cluster.identity.uuid]},
    ]
    listener = broadcast_of(a)
    hear, heard = listener._hear, 0

    def marked(message: Wire, node: str) -> None:
        nonlocal heard
        heard = max(heard, message.get("sent", 0)) if message.get("kind") == "mark" else heard
        hear(message, node)

    listener._hear = marked
    assert speaker._speaker is not None
    for sent in range(BATCH, MESSAGES + 1, BATCH):
        for _ in range(BATCH):
            speaker._speaker.send([announced(dice.choice([said[-1], said[-1], *made_up]), dice)])
        async with asyncio.timeout(60):
            while heard < sent and not failed:  # while it follows another endpoint it hears nothing
                say({"kind": "mark", "sent": sent})
                await asyncio.sleep(0.005)
            assert (await a.dispatch("whoami", [], OPERATOR))["principal"] == OPERATOR.principal
    assert not failed
    assert a.cluster.malformed > MESSAGES / 10
    await eventually(lambda: sorted(names(a.cluster)) == ["b", "c"], 15)
    await eventually(lambda: sorted(names(c.cluster)) == ["a", "b"], 15)
    assert not failed and not [each for each in caplog.records if each.levelname == "ERROR"]


@pytest.mark.parametrize("over", [1, 8 << 20])
async def test_who_announces_more_than_may_be_is_heard_again(start_node: StartNode, over: int) -> None:
    a, b = await two(start_node)
    speaker, listener = broadcast_of(b), broadcast_of(a)
    hear, heard = listener._hear, 0

    def marked(message: Wire, node: str) -> None:
        nonlocal heard
        heard = max(heard, message.get("sent", 0)) if message.get("kind") == "mark" else heard
        hear(message, node)

    listener._hear = marked
    assert speaker._speaker is not None
    for turn in range(1, 4):
        speaker._speaker.send([bytes(MESSAGE_LIMIT + over)])
        async with asyncio.timeout(60):
            while heard < turn:
                speaker.say({"kind": "mark", "sent": turn})
                await asyncio.sleep(0.02)
    await eventually(lambda: names(a.cluster) == ["b"], 15)
