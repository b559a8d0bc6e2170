"""One watch over all nodes: the own changes and those of every other filesystem in the cluster, as they come.

It begins now. A watch from a log position is that of the asked node: positions count each filesystem's own log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from ..cluster.peer import Identity
from ..errors import EmergeError
from ..results import ChangeRow
from .locate import Locator

log = logging.getLogger("emerge.node")

WAITING = 1000
"""Changes kept for a watcher that is slow; then the nodes wait for it."""

RETRY_SECONDS = 0.5
"""Until a node whose stream ended is asked again, if it is still here."""

Changes = AsyncGenerator[ChangeRow, None]
ChangesOf = Callable[[Identity, int], Changes]
"""(node, log position or -1 for from now on) -> its changes."""


async def watch_all(own: AsyncIterator[ChangeRow], locator: Locator, changes_of: ChangesOf) -> Changes:
    """Yield the changes of `own`, and of one node of each other filesystem, those that join later included.

    When a node goes, its stream ends, and another node of the same filesystem continues where it ended. An error of
    `own` is raised.
    """
    waiting: asyncio.Queue[ChangeRow | BaseException] = asyncio.Queue(WAITING)
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
        logged = ""
        while True:
            try:
                async with aclosing(changes_of(peer, positions.get(peer.filesystem, -1))) as changes:
                    async for change in changes:
                        await waiting.put(change)
                        positions[peer.filesystem] = change["position"]
            except EmergeError as error:
                if logged != error.message:  # once, not at every attempt
                    logged = error.message
                    log.warning("node %s gives no changes, and is asked again: %s", peer.node, error)
            await asyncio.sleep(RETRY_SECONDS)

    def follow(*_: object) -> None:
        others = {peer.filesystem: peer for peer in locator.others()}
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
    forget = locator.cluster.on_change(follow)
    locator.volumes.on_table.append(follow)
    try:
        while True:
            change = await waiting.get()
            if isinstance(change, BaseException):
                raise change
            yield change
    finally:
        forget()
        locator.volumes.on_table.remove(follow)
        tasks = [*ended, *(task for _, task in following.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
