"""SyncClient: `Client` without `await`, on CPython and in a console cell alike. Made from it, method by method."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any

from ..sync import iterate, wait
from .client import Client
from .proxy import Proxy, SyncProxy
from .transaction import Transaction

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
        known = ", ".join(n for n in dir(Client) if not n.startswith("_"))
        raise AttributeError(f"a client has no {name!r}; it has: {known}")


class SyncTransaction:
    """`with` gives a client whose changes are made at the end of the block, all or none."""

    def __init__(self, owner: SyncClient, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._owner = owner
        self._arguments = args, kwargs
        self._transaction: Transaction | None = None

    def __enter__(self) -> SyncClient:
        inside = wait(self._begin())

        async def opened() -> Client:
            return inside

        return SyncClient(opened, f"{self._owner._name} in {inside.context['transaction']}")

    async def _begin(self) -> Client:
        args, kwargs = self._arguments
        self._transaction = (await self._owner._ready()).transaction(*args, **kwargs)
        return await self._transaction.__aenter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transaction is not None:
            wait(self._transaction.__aexit__(kind, error, trace))


def _waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: SyncClient, *args: Any, **kwargs: Any) -> Any:
        async def work() -> Any:
            return await function(await self._ready(), *args, **kwargs)

        result = wait(work())
        return SyncProxy(*result._made_of()) if isinstance(result, Proxy) else result

    return call


def _iterating(function: Callable[..., AsyncIterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(function)
    def call(self: SyncClient, *args: Any, **kwargs: Any) -> Iterator[Any]:
        async def work() -> AsyncIterator[Any]:
            async for item in function(await self._ready(), *args, **kwargs):
                yield item

        return iterate(work())

    return call


def _deriving(function: Callable[..., Any]) -> Callable[..., Any]:
    """Another client, or a transaction, made when it is first used: making one connects to nothing."""

    @functools.wraps(function)
    def call(self: SyncClient, *args: Any, **kwargs: Any) -> Any:
        async def open_client() -> Client:
            client: Client = function(await self._ready(), *args, **kwargs)
            return client

        return SyncClient(open_client, self._name)

    return call


@functools.wraps(Client.transaction)
def _transaction(self: SyncClient, *args: Any, **kwargs: Any) -> SyncTransaction:
    inspect.signature(Client.transaction).bind(self, *args, **kwargs)
    return SyncTransaction(self, args, kwargs)


for _name, _function in inspect.getmembers(Client, inspect.isfunction):
    if _name.startswith("_") or _name == "close":
        continue
    if inspect.iscoroutinefunction(_function):
        setattr(SyncClient, _name, _waiting(_function))
    elif inspect.isasyncgenfunction(_function):
        setattr(SyncClient, _name, _iterating(_function))
    elif _name in ("within", "as_user", "with_umask"):
        setattr(SyncClient, _name, _deriving(_function))
setattr(SyncClient, "transaction", _transaction)  # noqa: B010 - as the others are
