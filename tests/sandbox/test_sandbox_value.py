"""What a method returns and gets is what the codec gives, by every client: here, over ZeroMQ, over HTTP."""

from __future__ import annotations

import re
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.objects import EmergeFile
from emerge_wasm.operations import Context
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores.memory import MemoryStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

TESTER = Context("tester", superuser=True)
ROME = ZoneInfo("Europe/Rome")
VALUES: list[Any] = [
    *((), (1,), ((1, "a"), [2, (3,)]), [(1,), {2: (3,)}], {"a": {1, 2}}, {1: 2, (3, 4): 5}, frozenset({(1, 2)})),
    *(b"x", bytearray(b"x"), 1 + 2j, 2**70, Decimal("1.50"), Fraction(1, 2), range(2, 8, 3), slice(1, 2), ..., None),
    *(deque([1, (2,)], maxlen=2), Counter("ab"), OrderedDict(b=1, a=(2,)), defaultdict(list, {1: [2]})),
    *(SimpleNamespace(a=(1,)), array("d", [1.5]), PurePosixPath("/a"), ip_address("::1"), re.compile("a+")),
    *(
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ROME),
        time(1, tzinfo=ROME),
        ROME,
        timezone(timedelta(hours=1), "X"),
    ),
    *(np.float64(1.5), np.arange(6).reshape(2, 3), np.array(["a"]), pd.DataFrame({"a": [1, 2]})),
    pd.Timestamp("2024-10-27 02:30").tz_localize("Europe/Rome", ambiguous=False),
]


@dataclass
class Cell:
    value: Any
    owner: Any = None
    near: list[Any] = field(default_factory=list)


@dataclass
class Keeper(EmergeFile):
    """Gives what it has, and what it is given."""

    held: Any = None
    cells: list[Cell] = field(default_factory=list)
    chosen: Any = None

    def give(self) -> Any:
        return self.held

    def echo(self, *values: Any, **named: Any) -> Any:
        return values[0] if values else named["value"]

    def whole(self) -> list[bool]:
        return [
            self.chosen is self.cells[0],
            all(cell.owner is self for cell in self.cells),
            self.cells[0].near[0] is self.cells[1],
        ]

    def choose(self, number: int) -> None:
        self.chosen = self.cells[number]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def clients(pool: Pool) -> AsyncIterator[dict[str, Client]]:
    """Clients of one filesystem, whose methods run in a sandbox."""
    async with AsyncExitStack() as stack:
        filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool)
        stack.push_async_callback(filesystem.close)
        node = await stack.enter_async_context(Node(filesystem, "tcp://127.0.0.1:0", context=TESTER))
        server = await stack.enter_async_context(RESTNodeServer(filesystem, port=0, token="t", context=TESTER))
        yield {
            "here": Client(LocalTransport(filesystem, TESTER)),
            "node": await stack.enter_async_context(Client(ZeroMQTransport(node.endpoint))),
            "rest": await stack.enter_async_context(Client(RESTTransport(server.url, "t"))),
        }


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


@pytest.mark.parametrize("name", ["here", "node", "rest"])
async def test_a_method_gets_and_gives_any_value(clients: dict[str, Client], name: str) -> None:
    client = clients[name]
    await client.storeall([Keeper(path=f"/{name}", name=f"v{n}", held=value) for n, value in enumerate(VALUES)])
    for number, value in enumerate(VALUES):
        path = f"/{name}/v{number}"
        answers = [
            (await client.getobject(path)).held,
            await client.run(path, "give"),
            await client.run(path, "echo", value),
            await client.run(path, "echo", value=value),
            await client.cat(f"{path}.held"),
        ]
        assert [same(each, value) for each in answers] == [True] * 5, (value, answers)


@pytest.mark.parametrize("name", ["here", "node", "rest"])
async def test_what_is_one_object_is_one_in_a_method_and_after_it(clients: dict[str, Client], name: str) -> None:
    client = clients[name]
    keeper = Keeper(path=f"/{name}", name="keeper", cells=[Cell(1), Cell(2)])
    keeper.cells[0].near, keeper.cells[1].near = [keeper.cells[1]], [keeper.cells[0]]
    for cell in keeper.cells:
        cell.owner = keeper
    keeper.chosen = keeper.cells[0]
    await client.store(keeper)
    path = f"/{name}/keeper"
    assert await client.run(path, "whole") == [True, True, True]
    await client.run(path, "choose", 1)
    read = await client.getobject(path)
    assert (read.version, read.chosen is read.cells[1], read.cells[1].owner is read) == (2, True, True)
    assert read.cells[1].near[0] is read.cells[0]
    assert await client.run(path, "choose", 1) is None
    assert (await client.get(path)).version == 2, "what is as it was makes no version"
    assert await client.cat(f"{path}.chosen.owner.cells.0.value") == 1
    await client.update(path, held=(1, 2))
    assert (await client.getobject(path)).chosen is not None
    assert [each.name for each in await client.search(lambda o: o.chosen.value == 2, f"/{name}")] == ["keeper"]


async def test_a_merge_keeps_together_what_is_one(clients: dict[str, Client]) -> None:
    client = clients["here"]
    cells = [Cell(1), Cell(2)]
    await client.store(Keeper(path="/merged", name="one", cells=cells, chosen=cells[1]))
    mine, theirs = [await client.getobject("/merged/one") for _ in range(2)]
    theirs.held = "theirs"
    await client.store(theirs)
    mine.cells.append(Cell(3))
    await client.store(mine)
    read = await client.getobject("/merged/one")
    assert (read.version, read.held, len(read.cells), read.chosen is read.cells[1]) == (3, "theirs", 3, True)
