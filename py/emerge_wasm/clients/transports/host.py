"""The transport of methods that run in this process: their `fs` is a client over the call's Host, usable in any thread.

Not for a sandbox's worker, which has a Host only at the other end of a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from ...filesystem.runner import Host
from ...operations import Values, Wire
from ...sync import AsyncWork
from ..client import Client
from ..remote import ending
from ..sync import SyncClient
from ..trust import Trust

T = TypeVar("T")


class HostTransport:
    """Operations through a Host, which is called only in the event loop `loop`."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await self._there(self._host.call(name, args, context))

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[object, None]:
        items = self._host.stream(name, args, context)
        if asyncio.get_running_loop() is self._loop:
            async with ending(items):
                async for item in items:
                    yield item
            return
        try:
            while step := await self._there(_step(items)):
                yield step[0]
        finally:
            await self._there(_close(items))

    async def close(self) -> None: ...

    async def _there(self, work: AsyncWork[T]) -> T:
        if asyncio.get_running_loop() is self._loop:
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


async def _step(items: AsyncIterator[object]) -> list[object]:
    """Return the next item in a list; an empty list at the end."""
    try:
        return [await anext(items)]
    except StopAsyncIteration:
        return []


async def _close(items: AsyncIterator[object]) -> None:
    async with ending(items):
        pass


def give_filesystem(host: Host, trust: Trust | None = None) -> dict[str, Callable[[], object]]:
    """Return makers of a method's arguments `fs` and `afs`. Must be called in the Host's event loop.

    `trust` says whose classes they load into this process (None: as the user's list says).
    """
    transport = HostTransport(host, asyncio.get_running_loop())

    def client() -> Client:
        made = Client(transport)
        made.trusted = trust or made.trusted
        return made

    async def open_client() -> Client:
        return client()

    return {"fs": lambda: SyncClient(open_client, "fs of a run"), "afs": client}
