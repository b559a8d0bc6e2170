"""Moves into and out of a database that two processes serve, either of which is killed: what moves is at one place."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

from emerge_wasm import codec
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Conflict, EmergeError, Invalid, NotFound, Unavailable
from tests.backends import Started
from tests.conftest import Server, start_server
from tests.scale import SCALE

from .conftest import Connect

OBJECTS = 4
PHASE = 0.6 * SCALE
"""Seconds between deaths."""
PREDICATE = wire_predicate("o.mark == 7")[0]


class Places:
    """Nodes one and other on a database, which has `/`, and far with a file and `/far`."""

    def __init__(self, start: Callable[[str], Server], connect: Connect) -> None:
        self._start = start
        self._connect = connect
        self.moved = self.looked = 0
        self.servers: dict[str, Server] = {}
        self.links: dict[str, ZeroMQTransport] = {}

    def start(self, name: str) -> None:
        self.servers[name] = self._start(name)
        self.links[name] = self._connect(self.servers[name].found["node"])

    def kill(self, name: str) -> None:
        self.servers[name].stop(signal.SIGKILL)
        del self.links[name]

    async def call(self, name: str, *args: object, at: str = "") -> Any:
        links = [self.links[at]] if at else list(self.links.values())
        return await Random().choice(links).call(name, list(args))

    async def until(self, name: str, *args: object) -> Any:
        """Ask until it is answered."""
        until = asyncio.get_running_loop().time() + 20
        while True:
            try:
                return await self.call(name, *args)
            except (Unavailable, Conflict, Invalid):  # Invalid: not entered yet
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.1)

    async def found(self, *paths: str) -> list[str]:
        """The uuids that are at these paths; again where something may have moved from one to the other meanwhile."""
        until = asyncio.get_running_loop().time() + 20
        while True:
            here: list[str] = []
            for path in paths:
                with suppress(NotFound):
                    here.append((await self.until("get", path))["uuid"])
            if len(here) == 1 or asyncio.get_running_loop().time() > until:
                return here
            await asyncio.sleep(0.2)

    async def moves(self, number: int, ended: asyncio.Event) -> None:
        names = [f"/d{number}", f"/far/d{number}"]
        while not ended.is_set():
            with suppress(EmergeError):
                await self.call("mv", *names)
                self.moved += 1
            names.reverse()
            await asyncio.sleep(0)

    async def looks(self, ended: asyncio.Event) -> list[int]:
        """How many objects were counted, or found, where the answer does not say that it may be."""
        wrong: list[int] = []
        while not ended.is_set():
            with suppress(Unavailable, Conflict):
                counted = await self.call("count", "/", PREDICATE)
                found = await self.call("search", "/", PREDICATE)
                self.looked += 1
                for answer, number in ((counted, counted["count"]), (found, len(found["objects"]))):
                    if number != OBJECTS and not (answer.get("moved") or answer.get("missing")):
                        wrong.append(number)
            await asyncio.sleep(0.01)
        return wrong


async def test_what_moves_is_at_one_place_whoever_is_killed(
    backends: Started, connect: Connect, tmp_path: Path
) -> None:
    database = backends.url("postgresql")
    with ExitStack() as stack:

        def start(name: str) -> Server:
            store = database if name != "far" else f"sqlite:///{tmp_path}/far.db"
            join = ["--join", places.servers["one"].found["node"]] if name == "far" else []
            server = start_server(
                *("node", "start", "--name", name, "--port", "0", "--store", store, *join), sandbox=False
            )
            stack.callback(server.stop)
            return server

        places = Places(start, connect)
        for name in ("one", "other"):
            places.start(name)
        await places.call("foundcluster", at="one")
        places.start("far")
        await places.until("mount", "/far", "far")
        made = [await places.until("store", f"/d{number}/x", codec.encode({"mark": 7})) for number in range(OBJECTS)]
        ended = asyncio.Event()
        moving = [asyncio.create_task(places.moves(number, ended)) for number in range(OBJECTS)]
        looking = [asyncio.create_task(places.looks(ended)) for _ in range(3)]
        for name in ("other", "one"):
            await asyncio.sleep(PHASE)
            places.kill(name)
            await asyncio.sleep(0.4)
            places.start(name)
        await asyncio.sleep(0.5)
        ended.set()
        await asyncio.gather(*moving)
        wrong = await asyncio.gather(*looking)
        assert places.moved and places.looked, (places.moved, places.looked)
        for number, pointer in enumerate(made):
            assert await places.found(f"/d{number}/x", f"/far/d{number}/x") == [pointer["uuid"]]
        assert (await places.until("count", "/", PREDICATE))["count"] == OBJECTS
        assert not any(wrong), wrong
