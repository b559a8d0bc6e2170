"""This browser's own filesystem, in IndexedDB or else in memory. Notifies other tabs of changes."""

from __future__ import annotations

import logging
from typing import Any, Literal

from ...clients.transports.local import LocalTransport
from ...filesystem import Filesystem
from ...filesystem.runner import Runner
from ...operations import Values, Wire
from ...stores import open_store
from ..library import load_graphql
from .place import TabPlace

LOG = logging.getLogger("emerge.browser")

URL = "indexeddb://emerge"
CHANNEL = "emerge-local"


class TabTransport(LocalTransport):
    """The transport to the tab's own filesystem; loads the library for GraphQL with the first query."""

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        if name == "graphql":
            await load_graphql()
        return await super().call(name, args, context)


async def open_local(place: TabPlace, runner: Runner, url: str = URL) -> Literal["indexeddb", "memory"]:
    """Connect the place to this browser's filesystem and return its store's name; memory if storage is refused."""
    try:
        store = await open_store(url)
        filesystem = await Filesystem.open(store, node="this browser", url=url, runner=runner)
    except Exception as error:
        LOG.warning("the browser's storage cannot be opened, so that objects are kept in memory only: %s", error)
        filesystem = await Filesystem.open(await open_store("memory:"), node="this tab", url="memory:", runner=runner)
        await place.gain(TabTransport(filesystem), alone=True)
        return "memory"
    share_changes(place, filesystem)
    await place.gain(TabTransport(filesystem), alone=True)
    return "indexeddb"


def share_changes(place: TabPlace, filesystem: Filesystem) -> None:
    """Notify the other tabs of changes, and have this tab read the log after theirs: they share one store."""
    try:
        from js import BroadcastChannel  # type: ignore[import-not-found,unused-ignore]  # there in a browser only
        from pyodide.ffi import create_proxy
    except ImportError:
        return
    channel = BroadcastChannel.new(CHANNEL)

    def hear(_: object) -> None:
        filesystem.core.notify()

    channel.onmessage = create_proxy(hear)
    place.on_change = lambda: channel.postMessage("changed")
