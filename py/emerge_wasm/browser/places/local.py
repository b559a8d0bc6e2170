"""Opening this browser's own filesystem: IndexedDB, or memory where there is none; and telling the other tabs."""

from __future__ import annotations

from typing import Any

from ...clients.transports.local import LocalTransport
from ...filesystem import Filesystem
from ...filesystem.runner import Runner
from ...operations import Wire
from ...stores import open_store
from ..requests.library import load_graphql
from .place import Place

URL = "indexeddb://emerge"
CHANNEL = "emerge-local"


class TabTransport(LocalTransport):
    """Into the filesystem next door; the library for GraphQL is loaded with the first query."""

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        if name == "graphql":
            await load_graphql()
        return await super().call(name, args, context)


async def open_local(place: Place, runner: Runner, url: str = URL) -> str:
    """Put the filesystem behind the place; the name of its engine. A browser that refuses storage gets memory."""
    try:
        store = await open_store(url)
        filesystem = await Filesystem.open(store, node="this browser", url=url, runner=runner)
    except Exception as error:
        place.reason = f"the browser's storage cannot be opened: {error}"
        url = "memory:"
        filesystem = await Filesystem.open(await open_store(url), node="this tab", url=url, runner=runner)
    place.behind = TabTransport(filesystem)
    place.principal = (await place.behind.call("hello", []))["principal"]
    if not url.startswith("memory:"):
        share_changes(place, filesystem)
    return url.partition(":")[0]


def share_changes(place: Place, filesystem: Filesystem) -> None:
    """Tabs of one browser share one store: after a change here, the others look at the log, and so do we."""
    try:
        from js import BroadcastChannel  # type: ignore[import-not-found,unused-ignore]  # there in a browser only
        from pyodide.ffi import create_proxy
    except ImportError:
        return
    channel = BroadcastChannel.new(CHANNEL)

    def hear(_: Any) -> None:
        filesystem.core.notify()

    channel.onmessage = create_proxy(hear)
    place.on_change = lambda: channel.postMessage("changed")
