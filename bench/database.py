"""Several nodes on one PostgreSQL beside one node on it: reads, changes and runs a second, by the same clients.

On a machine with few cores nodes, clients and database share them, so only what waits can grow with the nodes there.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from contextlib import AsyncExitStack, ExitStack

from emerge_wasm import EmergeFile, dataclass
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from tests.backends.postgresql import server as postgresql

from .measure import Row, in_turn, print_rows
from .process import started
from .stores import rate

NODES = 4
OBJECTS = 200
AT_ONCE = 64
COUNTS = {"getobject": 2000, "store": 600, "run": 400, "run that waits 0.1 s": 120}
ROUND = itertools.count()


@dataclass
class Waiting(EmergeFile):
    price: float = 2.0

    def double(self) -> float:
        return self.price * 2

    def wait(self) -> float:
        time.sleep(0.1)
        return self.price


def measure(endpoints: list[str], what: str) -> float:
    """How many of these a second, 64 under way, evenly over these nodes."""

    async def run() -> float:
        async with AsyncExitStack() as stack:
            transports = [await stack.enter_async_context(ZeroMQTransport(endpoint)) for endpoint in endpoints]
            clients = [Client(transport) for transport in transports]
            path = f"/made/round{next(ROUND)}"

            def one(number: int) -> object:
                client = clients[number % len(clients)]
                if what == "getobject":
                    return client.remote.getobject(f"/bench/o{number % OBJECTS}")
                if what == "store":
                    return client.store(EmergeFile(name=f"o{number}", path=path, data="x" * 200))
                method = "wait" if "waits" in what else "double"
                return client.remote.run(f"/bench/o{number % OBJECTS}", method)

            work = [lambda n=n: one(n) for n in range(COUNTS[what])]
            return await rate(work, AT_ONCE)

    return asyncio.run(run())


async def fill(endpoint: str) -> None:
    async with ZeroMQTransport(endpoint) as transport:
        await Client(transport).storeall(Waiting(name=f"o{number}", path="/bench") for number in range(OBJECTS))


def main() -> None:
    with postgresql() as database, ExitStack() as stack:
        command = ("emerge_wasm.cli", "--json", "node", "start", "--port", "0", "--store", database.url("bench"))
        lines = [stack.enter_context(started(*command, "--name", f"n{number}")) for number in range(NODES)]
        endpoints = [json.loads(line)["node"] for line in lines]
        asyncio.run(fill(endpoints[0]))
        rows = []
        for what in COUNTS:
            some, one = in_turn(
                lambda what=what: measure(endpoints, what), lambda what=what: measure(endpoints[:1], what), rounds=3
            )
            rows.append(Row(what, some, [one]))
        print_rows(f"{NODES} nodes on one PostgreSQL", "a second, 64 under way", ["one node"], rows)


if __name__ == "__main__":
    main()
