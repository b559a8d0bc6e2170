"""The request that tells the page which nodes the cluster has, and again whenever that changes."""

from __future__ import annotations

from contextlib import aclosing

from ...results import MemberRow, MemberRows
from ..protocol import CancelArgs, MemberView
from ..tab import Tab


async def watch_nodes(tab: Tab, args: CancelArgs) -> None:
    """Send all nodes as an event, now and after each change, until the page cancels it."""
    await tab.under_way(args["run"], _tell(tab, args["run"]))


async def _tell(tab: Tab, number: int) -> None:
    async with aclosing(tab.cluster.stream("watchnodes", [])) as events:
        async for _ in events:
            rows: MemberRows = await tab.cluster.call("nodes", [])
            tab.send({"event": "members", "run": number, "members": [*map(_view, rows)]})


def _view(row: MemberRow) -> MemberView:
    return {
        "node": row["node"],
        "rpc": row["rpc"],
        "self": row["self"],
        "state": row["state"],
        "volumes": row["volumes"],
        "since": row["since"],
        "version": row["version"],
        "python": row["python"],
        "error": row.get("error", ""),
    }
