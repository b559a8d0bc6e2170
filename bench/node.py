"""A node's store, getobject and run beside a bare ZeroMQ echo of the same bytes; and the same through the relay."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emerge_wasm import EmergeFile, connect
from emerge_wasm.codec import encode

from .engine import commit_rate
from .measure import Row, in_turn, print_rows
from .process import cluster, echo
from .wire import asyncio_rate, make_event, websocket_rate, zeromq_rate

Rate = Callable[..., float]

COUNT = {1: 1000, 64: 4000}
STATE = encode({"id": "x", "data": None, **{f"field{number}": "x" * 20 for number in range(9)}})
AIMS = {"store": "", "getobject": "≥ 0.5", "run": ""}
BESIDE_ENGINE = {1: "≥ 0.5", 64: "≥ 0.35"}
RELAYED = {1: "≥ 0.7", 64: ""}
"""What the relay keeps of the rate of the node itself, by how many are in flight."""


@dataclass
class Bench(EmergeFile):
    price: float = 2.0

    def double(self) -> float:
        return self.price * 2


ROUND = itertools.count()


def make_events(operation: str, count: int) -> list[bytes]:
    """Requests; stores go to paths that no earlier round used."""
    if operation == "store":
        path = f"/bench/round{next(ROUND)}"
        return [make_event("store", [f"{path}/{number}", STATE]) for number in range(count)]
    if operation == "getobject":
        return [make_event("getobject", [f"/bench/object{number % 500}"]) for number in range(count)]
    return [make_event("run", ["/bench/run", "double"]) for _ in range(count)]


def node_rate(rate: Rate, endpoint: str, operation: str, in_flight: int) -> float:
    return rate(endpoint, make_events(operation, COUNT[in_flight]), in_flight)


def echo_rate(rate: Rate, endpoint: str, operation: str, in_flight: int) -> float:
    return rate(endpoint, make_events(operation, COUNT[in_flight]), in_flight, checked=False)


def relay_rate(place: dict[str, str], operation: str, in_flight: int) -> float:
    url = place["url"].replace("http", "ws") + "/ws"
    return websocket_rate(url, place["token"], make_events(operation, COUNT[in_flight]), in_flight)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as place, ExitStack() as stack:
        node, from_asyncio, bare = place["node"], stack.enter_context(echo("asyncio")), stack.enter_context(echo())
        with connect(node) as fs:
            fs.storeall(EmergeFile(name=f"object{number}", path="/bench", data="x" * 200) for number in range(500))
            fs.store(Bench(name="run", path="/bench"))
        by_asyncio, by_bare, by_relay, by_engine = [], [], [], []
        for (operation, aim), in_flight in itertools.product(AIMS.items(), COUNT):
            what = f"{operation}, {in_flight} in flight"
            here, there, raw, limit, relayed = in_turn(
                partial(node_rate, asyncio_rate, node, operation, in_flight),
                partial(echo_rate, asyncio_rate, from_asyncio, operation, in_flight),
                partial(node_rate, zeromq_rate, node, operation, in_flight),
                partial(echo_rate, zeromq_rate, bare, operation, in_flight),
                partial(relay_rate, place, operation, in_flight),
            )
            by_asyncio.append(Row(what, here, [there], aim))
            by_bare.append(Row(what, raw, [limit]))
            by_relay.append(Row(what, relayed, [here, there], RELAYED[in_flight]))
            if operation == "store":
                (engine,) = in_turn(partial(commit_rate, Path(folder), COUNT[in_flight], in_flight))
                by_engine.append(Row(what, here, [engine], BESIDE_ENGINE[in_flight]))
    asyncio_echo, bare_echo = "echo, asyncio ends", "echo, blocking ends"
    print_rows(
        "Node over ZeroMQ, from an asyncio program; SQLite, full durability", "a second", [asyncio_echo], by_asyncio
    )
    print_rows("The same from a bare blocking socket: ZeroMQ's own limit", "a second", [bare_echo], by_bare)
    print_rows("What is durable beside its engine alone, as many to a commit", "a second", ["bare SQLite"], by_engine)
    print_rows("The same through the relay, over a WebSocket", "a second", ["the node itself", asyncio_echo], by_relay)


if __name__ == "__main__":
    main()
