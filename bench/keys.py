"""A node that shows keys beside the same node without: what encryption and the look at the ring cost."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.codec import encode

from .measure import Row, in_turn, print_rows
from .process import started

MEGABYTE = 1 << 20


def measure(endpoint: str, credential: Credential | None, path: str, count: int, at_once: int) -> float:
    """How many reads of an object a second, with so many under way."""

    async def run() -> float:
        async with AsyncExitStack() as stack:
            transport = await stack.enter_async_context(ZeroMQTransport(endpoint, credential=credential))
            left = itertools.repeat(None, count)

            async def work() -> None:
                for _ in left:
                    await transport.call("getobject", [path])

            began = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(at_once)))
            return count / (time.perf_counter() - began)

    return asyncio.run(run())


async def fill(endpoint: str, credential: Credential | None) -> None:
    async with ZeroMQTransport(endpoint, credential=credential) as transport:
        await transport.call("store", ["/bench/small", encode({"id": "x", "data": "x" * 200})])
        await transport.call("store", ["/bench/large", encode({"id": "x", "data": "x" * MEGABYTE})])


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ring = Ring(folder / FILE_NAME)
        for name, role in (("desk", MEMBER), ("anna", CLIENT)):
            pair = make_pair(name)
            write_pair(folder / f"{name}.key", pair)
            ring.add(RingEntry(role, name, pair.public, superuser=role == CLIENT))
        node = ("emerge_wasm.cli", "--json", "node", "start", "--port", "0", "--store", "memory:")
        keyed = json.loads(stack.enter_context(started(*node, "--key", str(folder / "desk.key"))))["node"]
        plain = json.loads(stack.enter_context(started(*node)))["node"]
        anna = Credential(folder / "anna.key", ring)
        places = ((keyed, anna), (plain, None))
        for endpoint, credential in places:
            asyncio.run(fill(endpoint, credential))
        rows = []
        for what, path, count, at_once, aim in (
            ("getobject, one at a time", "/bench/small", 1000, 1, "≥ 0.8"),
            ("getobject, 64 under way", "/bench/small", 4000, 64, "≥ 0.8"),
            ("getobject of 1 MiB, 4 under way", "/bench/large", 200, 4, "≥ 0.3"),
        ):
            ours, peer = in_turn(*(partial(measure, *place, path, count, at_once) for place in places))
            rows.append(Row(what, ours, [peer], aim))
        print_rows("a node with keys (CURVE)", "a second", ["plain"], rows)


if __name__ == "__main__":
    main()
