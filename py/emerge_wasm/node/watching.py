"""One watch over all nodes: the own changes and those of every node that is here, as they come.

Only from now on: positions count each node's own log, so a watch from a position is the asked node's alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

from ..errors import EmergeError
from ..operations import Wire
from .cluster import Cluster
from .peer import Identity

WAITING = 1000
"""Changes kept for a watcher that is slow; then the nodes wait for it."""

Changes = AsyncIterator[Wire]


async def watch_all(own: Changes, cluster: Cluster, ask: Callable[[Identity], Changes]) -> Changes:
    """Every change of `own`, and of each other node's stream (`ask`), nodes that join later included.

    A node that goes takes its stream with it; an error of `own` is raised.
    """
    waiting: asyncio.Queue[Wire | BaseException] = asyncio.Queue(WAITING)
    tasks: dict[str, asyncio.Task[None]] = {}

    async def pass_on(changes: Changes) -> None:
        async with aclosing(changes):  # type: ignore[type-var]  # async generators both
            async for change in changes:
                await waiting.put(change)

    async def pass_own() -> None:
        try:
            await pass_on(own)
        except Exception as error:
            await waiting.put(error)

    async def pass_peer(peer: Identity) -> None:
        with suppress(EmergeError):  # it is gone; when it comes back, it is asked anew
            await pass_on(ask(peer))

    def follow(*_: object) -> None:
        for peer in cluster.peers():
            if peer.uuid not in tasks or tasks[peer.uuid].done():
                tasks[peer.uuid] = asyncio.create_task(pass_peer(peer))

    tasks["own"] = asyncio.create_task(pass_own())
    follow()
    forget = cluster.on_change(follow)
    try:
        while True:
            change = await waiting.get()
            if isinstance(change, BaseException):
                raise change
            yield change
    finally:
        forget()
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
