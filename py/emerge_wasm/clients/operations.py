"""The base class of clients: calls and their context, transactions, runs and updates.

Proxies and transactions use this class, and none derived from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy
from typing import Any, Literal, Self

from ..codec import encode
from ..errors import Invalid
from ..objects import Pointer
from ..operations import Transport, Wire
from ..results import CommitInfo, RunEvent, RunResult, TransactionInfo
from .node_links import HolderCalls, NodeLinks
from .pointer_reads import AsOf, moment_text
from .remote import Turns, ending, remote_operations
from .transports.address import Reach

WhoseCode = Literal["stored", "mine"]
"""The code of objects that are read: that which they were stored with, or that of the class as it is here now."""


class ClientOperations:
    """Calls over one transport, with one context."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        self.transport = transport
        self.context = context or {}  # see `Context.narrowed`
        self._turns = Turns()
        self.remote = remote_operations(transport, self.context, self._turns)
        self._links = NodeLinks(transport)
        self._derived = False
        self.reach: Reach | None = None  # how another process reaches the same; None when it cannot

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the transport; a client made from another leaves that to it."""
        if not self._derived:
            await self.transport.close()

    # --- on whose behalf
    def within(self, **context: object) -> Self:
        """A client of the same transport whose calls have this context too (see `context.Context.narrowed`)."""
        client = copy(self)  # shares known classes and the limit of calls
        client.context = {**self.context, **context}
        client.remote = remote_operations(self.transport, client.context, self._turns)
        client._derived = True
        return client

    def _holders(self) -> HolderCalls:
        """The nodes that hold blocks, as this client calls them."""
        return HolderCalls(self._links, self.remote, self.context, self._turns)

    # --- transactions
    async def begin(self, name: str = "", seconds: int = 60) -> TransactionInfo:
        """Open a transaction: {"transaction", "seconds", "isolation"}; `transaction(join=name)` takes part in it."""
        return await self.remote.begin(name, seconds)

    async def commit(self, transaction: str) -> CommitInfo:
        """Make all changes of a transaction at once: {"position", "changes"}. Conflict: none was made."""
        return await self.remote.commit(transaction)

    async def rollback(self, transaction: str) -> bool:
        """Drop a transaction with all its changes; whether there was one."""
        return await self.remote.rollback(transaction)

    # --- fields, without the class
    async def cat(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The state at a path as plain data, or one property of it (`/a/b.field.0`), also of an object that it refers
        to. No code is loaded."""
        return await self.remote.cat(path, version, moment_text(as_of))

    async def update(self, path: str, version: int = 0, /, **changes: object) -> Pointer:
        """Set fields of an object without loading its class; its new pointer."""
        if not isinstance(version, int):
            what = type(version).__name__
            raise Invalid(f"update takes fields by their names, not in a {what}", remedy=f"update({path!r}, price=3)")
        return Pointer.from_wire(await self.remote.update(path, encode(changes), version))

    # --- runs
    async def run(self, path: str, method: str, /, *args: object, **kwargs: object) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version.

        On a directory it runs on all objects in it: [{"path", "result"} or {"path", "error"}…], by name. The method's
        own errors come as ExecutionFailed, with its traceback and what it printed.
        """
        return await self.remote.run(path, method, list(args) or None, kwargs or None)

    async def runstream(self, path: str, method: str, /, *args: object, **kwargs: object) -> AsyncIterator[RunEvent]:
        """The same as a stream of what happens: "output", "result", "error" and "progress" events, as they come.
        Leaving the loop ends the run."""
        async with ending(self.remote.runstream(path, method, list(args), kwargs)) as events:
            async for event in events:
                yield event

    async def run_with_receipt(self, path: str, method: str, /, *args: object, **kwargs: object) -> RunResult:
        """{"result", "output", "milliseconds", "pointer" (None: nothing changed), "receipt"} of a run."""
        result: RunResult = await self.remote.run(path, method, list(args), kwargs, True)
        return result


def check_code(code: str) -> None:
    """Raise Invalid for what is no WhoseCode."""
    if code not in ("stored", "mine"):
        raise Invalid(
            f"code cannot be {code!r:.40}",
            remedy='"stored" is the class as it was stored, "mine" the class as it is here now',
        )
