"""Wait until all nodes of a plan see each other, and with `found` make them a cluster of volumes, which are printed.

python -m tests.nemesis.prepare PLAN [found]
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from emerge_wasm.clients import Client
from emerge_wasm.errors import EmergeError

from .load import Plan, client_of

SECONDS = 240.0
T = TypeVar("T")


async def main(plan: Plan, found: bool) -> dict[str, str]:
    volumes: dict[str, str] = {}
    async with asyncio.timeout(SECONDS):
        clients = {name: client_of(plan, name) for name in plan.nodes}
        first = next(iter(clients.values()))
        if found:
            await insist(first.foundcluster)
        for client in clients.values():
            await insist(lambda client=client: _check_all_here(client, len(clients)))  # type: ignore[misc]  # a default
        for number, name in enumerate(list(plan.nodes)[1:] if found else [], 1):
            path = f"/v1/v{number}" if number == 3 else f"/v{number}"  # one volume is inside another's
            await insist(partial(_mount, first, path, name))
            volumes[path] = name
            if plan.copies and name != plan.older:
                await insist(partial(first.replicate, path, plan.copies))
        for client in clients.values():
            await client.close()
    return volumes


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call until it succeeds."""
    while True:
        try:
            return await call()
        except EmergeError:
            await asyncio.sleep(0.1)


async def _mount(client: Client, path: str, node: str) -> None:
    """Mount a volume, unless an attempt that was not answered did it."""
    try:
        await client.mount(path, node)
    except EmergeError:
        if (path, node) not in [(row["path"], row["node"]) for row in (await client.volumes())["volumes"]]:
            raise


async def _check_all_here(client: Client, count: int) -> None:
    rows = await client.nodes()
    if len(rows) != count or any(row.get("away") for row in rows):
        raise EmergeError(f"{len(rows)} of {count} are here")


if __name__ == "__main__":
    made = asyncio.run(main(Plan(**json.loads(Path(sys.argv[1]).read_text())), sys.argv[2:] == ["found"]))
    print(json.dumps(made))  # noqa: T201
