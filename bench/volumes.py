"""A node among six, each with a volume of its own, beside one alone; and a volume of another node beside one's own."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.codec import encode
from emerge_wasm.operations import Wire

from .measure import Row, print_rows
from .process import spawned
from .stores import rate

NODES = 6
ENTRIES = 20
COUNTS = {1: 25, 64: 192}
TURNS = 12
STATE = encode({"id": "x", "data": "x" * 200})
ROUND = itertools.count()
OPERATOR: Wire = {}
USER: Wire = {"as": "anna"}
"""A caller whose rights are looked at on the way to each path."""


class Asked(NamedTuple):
    """A node to ask about what is below a path, and on whose behalf."""

    endpoint: str
    path: str
    who: Wire


class RunningNode(NamedTuple):
    """A node's process, and where it serves."""

    process: subprocess.Popen[str]
    endpoint: str


@contextmanager
def joined(folder: Path, count: int = NODES) -> Iterator[list[RunningNode]]:
    """Nodes that are one cluster; each but the first owns the volume /v1, /v2…"""
    with ExitStack() as stack:
        nodes: list[RunningNode] = []
        for number in range(count):
            join = ("--join", nodes[0].endpoint) if nodes else ()
            nodes.append(stack.enter_context(node(sqlite_file(folder, f"n{number}"), f"n{number}", *join)))
            if not number:
                asyncio.run(ask(nodes[0].endpoint, "foundcluster"))
        for number in range(1, count):
            asyncio.run(ask(nodes[0].endpoint, "mount", f"/v{number}", f"n{number}"))
        yield nodes


@contextmanager
def node(store: str, name: str, *options: str) -> Iterator[RunningNode]:
    """A node on a store."""
    command = ("emerge_wasm.cli", "--json", "node", "start", "--port", "0", "--store", store, "--name", name, *options)
    with spawned(*command, quiet=True) as (process, line):  # it tells of each that leaves in the end
        yield RunningNode(process, json.loads(line)["node"])


def sqlite_file(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / name}.db"


async def ask(endpoint: str, name: str, *args: object) -> object:
    async with ZeroMQTransport(endpoint) as transport:
        return await transport.call(name, args)


async def fill(endpoint: str, path: str) -> None:
    """Make a directory of some objects that everybody may read, and one where everybody may make some."""
    async with ZeroMQTransport(endpoint) as transport:
        client = Client(transport)
        await client.storeall(EmergeFile(name=f"o{number}", path=f"{path}/bench") for number in range(ENTRIES))
        await transport.call("mkdir", [f"{path}/made"])
        await transport.call("chmod", [path, "a+rwx", True])


async def copy_everywhere(endpoint: str, path: str) -> None:
    """Make a copy of a volume on every other node, and wait until each is the same."""
    async with ZeroMQTransport(endpoint) as transport:
        report: Wire = await transport.call("replicate", [path, NODES - 1])
        while not report["copies"] or not all(row["same"] for row in report["copies"]):
            await asyncio.sleep(0.1)
            report = await transport.call("replicate", [path])


def requests(path: str, what: str, count: int) -> list[list[object]]:
    """The arguments of so many calls; stores go to paths that are new."""
    turn = next(ROUND)
    args: dict[str, Callable[[int], list[object]]] = {
        "list": lambda number: [f"{path}/bench"],
        "getobject": lambda number: [f"{path}/bench/o{number % ENTRIES}"],
        "store": lambda number: [f"{path}/made/{turn}-{number}", STATE],
    }
    return [args[what](number) for number in range(count)]


async def best_of_each(asked: Sequence[Asked], what: str, at_once: int) -> list[float]:
    """How many a second at each place, with so many under way: the best of many short turns, for a machine in use."""
    best = [0.0] * len(asked)
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(ZeroMQTransport(each.endpoint)) for each in asked]
        for _ in range(TURNS):
            for number, (transport, each) in enumerate(zip(places, asked, strict=True)):
                work = [
                    partial(transport.call, what, args, each.who) for args in requests(each.path, what, COUNTS[at_once])
                ]
                best[number] = max(best[number], await rate(work, at_once))
    return best


def compare(title: str, peer: str, cases: list[tuple[str, str, Asked, Asked, str]]) -> None:
    rows = []
    for (shown, what, ours, theirs, aim), at_once in itertools.product(cases, COUNTS):
        here, there = asyncio.run(best_of_each([ours, theirs], what, at_once))
        rows.append(Row(f"{shown}, {at_once} under way", here, [there], aim))
    print_rows(title, "a second, the best of many turns", [peer], rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        endpoints = [each.endpoint for each in stack.enter_context(joined(folder))]
        alone = stack.enter_context(node(sqlite_file(folder, "alone"), "alone")).endpoint
        for endpoint in (alone, endpoints[0]):
            asyncio.run(fill(endpoint, "/v1"))
        callers = (("operator", OPERATOR), ("user", USER))
        owner, other = endpoints[1:3]
        compare(
            f"A node among {NODES}, of its own volume",
            "one node",
            [
                (f"{what} ({caller})", what, Asked(owner, "/v1", who), Asked(alone, "/v1", who), "≥ 0.8")
                for what in ("list", "store")
                for caller, who in callers
            ],
        )
        compare(
            "A node that owns nothing of it",
            "its owner",
            [
                (f"{what} ({caller})", what, Asked(other, "/v1", who), Asked(owner, "/v1", who), aim)
                for what, aim in (("getobject", "≥ 0.4"), ("list", ""), ("store", ""))
                for caller, who in callers
            ],
        )
        asyncio.run(copy_everywhere(owner, "/v1"))
        near = [(name, {**who, "max_age": 5.0}) for name, who in callers]
        compare(
            "A node with a copy of it, which may be 5 s old",
            "its owner",
            [
                (f"{what} ({caller})", what, Asked(other, "/v1", who), Asked(owner, "/v1", who), "")
                for what in ("getobject", "list")
                for caller, who in near
            ],
        )


if __name__ == "__main__":
    main()
