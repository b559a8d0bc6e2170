"""The base class of the sync client: opens an async client on first use, and waits for its results.

`sync.py`, generated from `Client`, adds the operations.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ..errors import Invalid
from ..operations import Wire
from ..sync import iterate, wait
from .client import Client
from .fork import leave_behind, renew_in_child
from .transaction import ClientTransaction
from .transports.address import Reach

T = TypeVar("T")
S = TypeVar("S", bound="SyncSession")

Opener = Callable[[], Awaitable[Client]]


class SyncSession:
    """A connection that `open_client` opens at the first call. `name` is shown by `repr`."""

    def __init__(self, open_client: Opener, name: str = "fs") -> None:
        self._open = open_client
        self._name = name
        self._client: Client | None = None
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked child: the next call reconnects."""
        leave_behind(self._client)
        self._client = None

    async def _ready(self) -> Client:
        if self._client is None:
            self._client = await self._open()
        return self._client

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            wait(client.close())

    @property
    def origin(self) -> tuple[Reach | None, Wire]:
        """How another process reaches the same filesystem (None: it cannot), and the context of the calls."""

        async def work() -> tuple[Reach | None, Wire]:
            client = await self._ready()
            return client.reach, client.context

        return wait(work())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self._name}>"

    if not TYPE_CHECKING:  # hidden, so that a type checker reports misspelt methods

        def __getattr__(self, name):
            known = ", ".join(n for n in dir(type(self)) if not n.startswith("_"))
            raise AttributeError(f"a client has no {name!r}; it has: {known}")

    def _wait(self, ask: Callable[[Client], Awaitable[T]]) -> T:
        """Wait for a result of the async client."""

        async def work() -> T:
            return await ask(await self._ready())

        return wait(work())

    def _iterate(self, ask: Callable[[Client], AsyncIterator[T]]) -> Generator[T, None, None]:
        """Yield a stream of the async client. Closing the generator ends the stream on the other side."""

        async def work() -> AsyncIterator[T]:
            async for item in ask(await self._ready()):
                yield item

        return iterate(work())

    def _derive(self, derive: Callable[[Client], Client]) -> Opener:
        """Return an opener of a client that is derived from this one's on first use."""

        async def open_client() -> Client:
            return derive(await self._ready())

        return open_client


class SyncTransaction(Generic[S]):
    """Context manager of a client whose changes are committed at the end of the block, all or none."""

    def __init__(
        self, owner: S, make: Callable[[Opener, str], S], name: str = "", seconds: int = 60, join: str = ""
    ) -> None:
        self._owner = owner
        self._make = make
        self._arguments = name, seconds, join
        self._transaction: ClientTransaction[Client] | None = None
        self._process = os.getpid()

    def __enter__(self) -> S:
        inside = wait(self._begin())

        async def opened() -> Client:
            if os.getpid() != self._process:
                raise Invalid(
                    "this transaction belongs to the parent process",
                    remedy="begin one here, or join it by its name: fs.transaction(join=…)",
                )
            return inside

        return self._make(opened, f"{self._owner._name} in {inside.context['transaction']}")

    async def _begin(self) -> Client:
        self._transaction = (await self._owner._ready()).transaction(*self._arguments)
        return await self._transaction.__aenter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transaction is not None and os.getpid() == self._process:
            wait(self._transaction.__aexit__(kind, error, trace))
