"""A file that only one filesystem has, put once more where its conflicts are kept, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import cast

from ..clients import Client
from ..operations import Dispatch, Values, Wire
from .volumes import INTERNAL


class DispatchTransport:
    """Calls the operations of a filesystem, or of a node, as a node does for itself."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await cast("Awaitable[object]", self._dispatch(name, args, INTERNAL))

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return cast("AsyncIterator[object]", self._dispatch(name, args, INTERNAL))

    async def close(self) -> None:
        """There is nothing to close."""


async def put_again(source: Dispatch, path: str, version: int, target: Dispatch, to: str, perms: str) -> None:
    """Put the bytes of a version of a file at another path; as one block after another, whatever parity it had."""
    reading, writing = Client(DispatchTransport(source)), Client(DispatchTransport(target))
    async with await reading.open(path, version=version) as reader, await writing.open(to, "wb", perms=perms) as writer:
        async for part in reader:
            await writer.write(part)
