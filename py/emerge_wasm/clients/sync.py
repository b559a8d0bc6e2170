"""SyncClient: `Client` without `await`, on CPython and in a console cell alike. Made from it, method by method."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from ..sync import iterate, wait
from .client import Client

Opener = Callable[[], Awaitable[Client]]


class SyncClient:
    """The methods of `Client`, waiting for their results; streams become plain iterators.

    `open_client` is awaited at the first call, so that making one connects to nothing.
    """

    def __init__(self, open_client: Opener, name: str = "fs") -> None:
        self._open = open_client
        self._name = name
        self._client: Client | None = None

    async def _ready(self) -> Client:
        if self._client is None:
            self._client = await self._open()
        return self._client

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            wait(client.close())

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def __getattr__(self, name: str) -> Any:  # for type checkers and misspellings: the real ones are set below
        known = ", ".join(n for n in vars(Client) if not n.startswith("_"))
        raise AttributeError(f"a client has no {name!r}; it has: {known}")


def _waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: SyncClient, *args: Any, **kwargs: Any) -> Any:
        async def work() -> Any:
            return await function(await self._ready(), *args, **kwargs)

        return wait(work())

    return call


def _iterating(function: Callable[..., AsyncIterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(function)
    def call(self: SyncClient, *args: Any, **kwargs: Any) -> Iterator[Any]:
        async def work() -> AsyncIterator[Any]:
            async for item in function(await self._ready(), *args, **kwargs):
                yield item

        return iterate(work())

    return call


for _name, _function in vars(Client).items():
    if _name.startswith("_") or _name == "close":
        continue
    if inspect.iscoroutinefunction(_function):
        setattr(SyncClient, _name, _waiting(_function))
    elif inspect.isasyncgenfunction(_function):
        setattr(SyncClient, _name, _iterating(_function))
