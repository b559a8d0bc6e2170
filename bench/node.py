"""A node's store, getobject and run beside a bare ZeroMQ echo of the same bytes; and the same through the relay."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emerge_wasm import EmergeFile, connect
from emerge_wasm.codec import encode

from .measure import Row, in_turn, print_rows
from .process import cluster, echo
from .wire import make_event, websocket_rate, zeromq_rate

COUNT = {1: 1000, 64: 4000}
STATE = encode({"id": "x", "data": None, **{f"field{number}": "x" * 20 for number in range(9)}})
AIMS = {"store": "≥ 0.3", "getobject": "≥ 0.5", "run": ""}


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


def node_rate(endpoint: str, operation: str, in_flight: int) -> float:
    return zeromq_rate(endpoint, make_events(operation, COUNT[in_flight]), in_flight)


def relay_rate(place: dict[str, str], operation: str, in_flight: int) -> float:
    url = place["url"].replace("http", "ws") + "/ws"
    return websocket_rate(url, place["token"], make_events(operation, COUNT[in_flight]), in_flight)


def echo_rate(endpoint: str, operation: str, in_flight: int) -> float:
    return zeromq_rate(endpoint, make_events(operation, COUNT[in_flight]), in_flight, checked=False)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder)) as place,
        echo("asyncio") as peer,
        echo() as bare,
    ):
        fs = connect(place["node"])
        fs.storeall(EmergeFile(name=f"object{number}", path="/bench", data="x" * 200) for number in range(500))
        fs.store(Bench(name="run", path="/bench"))
        by_node, by_relay = [], []
        for (operation, aim), in_flight in itertools.product(AIMS.items(), COUNT):
            ours, relayed, *peers = in_turn(
                partial(node_rate, place["node"], operation, in_flight),
                partial(relay_rate, place, operation, in_flight),
                partial(echo_rate, peer, operation, in_flight),
                partial(echo_rate, bare, operation, in_flight),
            )
            what = f"{operation}, {in_flight} in flight"
            by_node.append(Row(what, ours, peers, aim))
            by_relay.append(Row(what, relayed, peers))
        fs.close()
    names = ["echo from asyncio", "echo, blocking"]
    print_rows("Node over ZeroMQ, SQLite with full durability", "a second", names, by_node)
    print_rows("The same through the relay, over a WebSocket", "a second", names, by_relay)


if __name__ == "__main__":
    main()
