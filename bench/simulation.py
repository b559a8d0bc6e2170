"""Fifty nodes' membership in one process over a hub that counts: messages and bytes a second, and after a death.

The nodes are the product's own `Cluster`, its messages and calls in the bytes that they have on the wire; only the
sockets are the hub's, and the clock is the loop's own: where nothing is to be done, the time of the next timer has
come. `EMERGE_BENCH_NODES` is how many there are.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self
from unittest.mock import patch

from emerge_wasm import codec
from emerge_wasm.cluster import link, membership
from emerge_wasm.cluster.membership import Cluster
from emerge_wasm.errors import Unavailable
from emerge_wasm.operations import Context, Dispatch, Values, Wire
from emerge_wasm.wire import event

from .measure import Row, print_rows

NODES = int(os.environ.get("EMERGE_BENCH_NODES", "50"))
SECONDS = 10.0
CALLER = Context(superuser=True, via="cluster")
CHANNEL = b"0" * 32
TRANSIT_SECONDS = 0.001


class LoopClock(selectors.DefaultSelector):
    """A clock that goes on when its loop waits, and waits for nothing."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0
        return super().select(0)


def make_loop() -> asyncio.AbstractEventLoop:
    """An event loop on such a clock."""
    clock = LoopClock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    return loop


class Hub:
    """Carries what the nodes say and ask, and counts it."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.speakers: dict[str, HubBroadcast] = {}
        self.servers: dict[str, dict[str, Dispatch]] = {}

    def count(self, kind: str, size: int) -> None:
        self.messages[kind] += 1
        self.bytes[kind] += size

    def broadcast(self, hear: Callable[[Wire, str], None], greet: Callable[[], None], *_: object) -> HubBroadcast:
        return HubBroadcast(self, hear, greet)

    def transport(self, endpoint: str, **_: object) -> HubTransport:
        return HubTransport(self, endpoint)


class HubBroadcast:
    """One node's announcements, and those that it listens to."""

    malformed = 0
    endpoint = ""

    def __init__(self, hub: Hub, hear: Callable[[Wire, str], None], greet: Callable[[], None]) -> None:
        self._hub = hub
        self._hear = hear
        self._greet = greet
        self._heard: dict[str, str] = {}

    def open(self, bind: str | None) -> None:
        self.endpoint = f"tcp://10.0.0.{len(self._hub.speakers)}:1"
        self._hub.speakers[self.endpoint] = self

    def say(self, message: Wire) -> None:
        if self.endpoint not in self._hub.speakers:
            return
        payload = codec.encode(message)
        for other in list(self._hub.speakers.values()):
            if self.endpoint in other._heard:
                self._hub.count(message["kind"], len(payload))
                asyncio.get_running_loop().call_later(TRANSIT_SECONDS, other.receive, self.endpoint, payload)

    def receive(self, speaker: str, payload: bytes) -> None:
        if speaker in self._heard:
            message = codec.decode(payload)
            assert isinstance(message, dict)
            self._hear(message, self._heard[speaker])

    def follow(self, endpoint: str, node: str) -> None:
        self._heard[endpoint] = node
        speaker = self._hub.speakers.get(endpoint)
        if speaker is not None:
            asyncio.get_running_loop().call_soon(speaker._greet)

    async def parted(self, seconds: float) -> None:
        await asyncio.sleep(TRANSIT_SECONDS)

    def leave(self, endpoint: str) -> None:
        self._heard.pop(endpoint, None)

    def close(self) -> None:
        self._hub.speakers.pop(self.endpoint, None)
        self._heard.clear()


class HubTransport:
    """Calls to the node at an endpoint."""

    node = ""

    def __init__(self, hub: Hub, endpoint: str) -> None:
        self._hub = hub
        self._endpoint = endpoint

    @property
    def connected(self) -> bool:
        return self._endpoint in self._hub.servers

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if not self.connected:
            raise Unavailable(f"no node answers at {self._endpoint}")
        self._hub.count(name, len(event.encode_request(CHANNEL, name, args)))
        await asyncio.sleep(TRANSIT_SECONDS)
        answer = self._hub.servers[self._endpoint][name](name, list(args), CALLER)
        assert isinstance(answer, Awaitable)
        value = await answer
        self._hub.count(f"{name}, answered", len(event.encode_ok(event.Ids(), CHANNEL, value)))
        return value

    async def connect(self) -> None:
        if not self.connected:
            raise Unavailable(f"no node answers at {self._endpoint}")

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def start(hub: Hub, number: int) -> Cluster:
    endpoint = f"tcp://10.0.0.{number}:2"
    cluster = Cluster(f"node{number}", f"{number:032x}", join=["tcp://10.0.0.0:2"] if number else [])
    handlers = hub.servers[endpoint] = {}
    cluster.belong("c" * 32, 1)
    cluster.serve(handlers.__setitem__, _hold)
    await cluster.start(endpoint)
    return cluster


async def _hold(paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
    return [], []


async def until(nodes: list[Cluster], members: int) -> float:
    """How long it takes until each node sees so many others."""
    now = asyncio.get_running_loop().time
    began = now()
    for _ in range(10_000):
        if all(len(node.peers()) == members for node in nodes):
            return now() - began
        await asyncio.sleep(0.01)
    raise AssertionError(f"some do not see {members} others: {sorted(len(node.peers()) for node in nodes)}")


async def simulate(count: int) -> list[Row]:
    hub = Hub()
    with (
        patch.object(membership, "Broadcast", hub.broadcast),
        patch.object(link, "ZeroMQTransport", hub.transport),
    ):
        async with AsyncExitStack() as stack:
            nodes = []
            for number in range(count):
                nodes.append(await start(hub, number))
                stack.push_async_callback(nodes[-1].stop)
            met = await until(nodes, count - 1)
            await asyncio.sleep(5)  # what is told of those who came has been told
            before = hub.messages.total(), hub.bytes.total()
            cpu = time.process_time()
            await asyncio.sleep(SECONDS)
            messages, size = hub.messages.total() - before[0], hub.bytes.total() - before[1]
            cpu = (time.process_time() - cpu) / SECONDS
            await kill(hub, nodes[-1])
            before_death = hub.messages.total()
            known = await until(nodes[:-1], count - 2)
            told = hub.messages.total() - before_death
    return [
        Row("seconds until all know all", met, []),
        Row("messages a second, in all", messages / SECONDS, []),
        Row("messages a second, to one node", messages / SECONDS / count, []),
        Row("KiB a second, in all", size / SECONDS / 1024, []),
        Row("KiB a second, to one node", size / SECONDS / 1024 / count, []),
        Row("ms of CPU a second, of one node", cpu / count * 1000, []),
        Row("seconds until a death is known to all", known, [], "≤ 5"),
        Row("messages a second meanwhile, in all", told / known, []),
    ]


async def kill(hub: Hub, node: Cluster) -> None:
    """End a node without a word."""
    hub.servers.pop(node.identity.rpc)
    hub.speakers.pop(node.identity.pub)
    await node.stop()


def run(count: int) -> list[Row]:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(simulate(count))


def main() -> None:
    print_rows(f"{NODES} nodes by simulation", "in one process", [], run(NODES))


if __name__ == "__main__":
    main()
