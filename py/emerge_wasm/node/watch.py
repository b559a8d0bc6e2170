"""One watch over all nodes: the own changes and those of every other filesystem that is here, as they come.

Only from now on: positions count each filesystem's own log, so a watch from a position is that of the asked node.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress

from ..cluster.membership import Cluster
from ..cluster.peer import Identity
from ..errors import EmergeError
from ..operations import Wire

WAITING = 1000
"""Changes kept for a watcher that is slow; then the nodes wait for it."""

AGAIN_SECONDS = 0.5
"""Until a node whose stream ended is asked again, when it is here still."""

Changes = AsyncIterator[Wire]
Ask = Callable[[Identity, int], Changes]
"""(node, log position or -1 for from now on) -> its changes."""


async def watch_all(own: Changes, cluster: Cluster, ask: Ask) -> Changes:
    """Every change of `own`, and of one node of each other filesystem (`ask`), those that join later included.

    A node that goes takes its stream with it; another one of the same filesystem goes on where it ended. An error of
    `own` is raised.
    """
    waiting: asyncio.Queue[Wire | BaseException] = asyncio.Queue(WAITING)
    following: dict[str, tuple[Identity, asyncio.Task[None]]] = {}
    positions: dict[str, int] = {}

    async def pass_own() -> None:
        try:
            async with aclosing(own):  # type: ignore[type-var]  # an async generator
                async for change in own:
                    await waiting.put(change)
        except Exception as error:
            await waiting.put(error)

    async def pass_peer(peer: Identity) -> None:
        while True:
            with suppress(EmergeError):  # it is gone, or did not understand
                async with aclosing(ask(peer, positions.get(peer.filesystem, -1))) as changes:  # type: ignore[type-var]
                    async for change in changes:
                        await waiting.put(change)
                        positions[peer.filesystem] = change["position"]
            await asyncio.sleep(AGAIN_SECONDS)

    def follow(*_: object) -> None:
        others = {peer.filesystem: peer for peer in cluster.others()}
        for filesystem, (peer, task) in list(following.items()):
            if others.get(filesystem) != peer:
                task.cancel()
                del following[filesystem]
                ended.append(task)
        for filesystem, peer in others.items():
            if filesystem not in following:
                following[filesystem] = peer, asyncio.create_task(pass_peer(peer))

    ended = [asyncio.create_task(pass_own())]
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
        tasks = [*ended, *(task for _, task in following.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
