"""A file that only one filesystem has, put once more where its conflicts are kept, in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable
from typing import cast

from ..blocks.layout import INLINE, Layout
from ..clients import Client
from ..codec import decode
from ..errors import Invalid, Unavailable
from ..operations import Dispatch, Values, Wire
from .volumes import INTERNAL

log = logging.getLogger("emerge.node")


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
    """Put the bytes of a version of a file at another path, by its raid level, as far as there are nodes for that."""
    reading, writing = Client(DispatchTransport(source)), Client(DispatchTransport(target))
    state = (await reading.remote.getobject(path, version))["state"]
    layout = str(decode(state).get("layout", ""))
    raid = Layout.unpack(layout).raid if layout not in ("", INLINE) else 0
    try:
        await _put(reading, path, version, writing, to, perms, raid)
    except (Invalid, Unavailable) as error:
        if not raid:
            raise
        log.warning("%s is kept without the parity of raid %d: %s", to, raid, error)
        await _put(reading, path, version, writing, to, perms, 0)


async def _put(reading: Client, path: str, version: int, writing: Client, to: str, perms: str, raid: int) -> None:
    async with (
        await reading.open(path, version=version) as reader,
        await writing.open(to, "wb", perms=perms, raid=raid) as writer,
    ):
        async for part in reader:
            await writer.write(part)
