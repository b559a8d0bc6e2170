"""Requests about the cluster: which nodes there are, again whenever that changes, and what they have of each volume."""

from __future__ import annotations

from contextlib import aclosing

from ...errors import EmergeError
from ...results import CopyReport, CopyRow, MemberRow, MemberRows, VolumeRow, VolumeRows
from ..places.place import TabPlace
from ..protocol.argument import CancelArgs, PlaceArgs
from ..protocol.view import CopyView, MemberView, VolumeList, VolumeView
from ..tab import Tab


async def watch_nodes(tab: Tab, args: CancelArgs) -> None:
    """Send all nodes as an event, now and after each change, until the page cancels it."""
    await tab.under_way(args["run"], _tell(tab, args["run"]))


async def _tell(tab: Tab, number: int) -> None:
    async with aclosing(tab.cluster.stream("watchnodes", [])) as events:
        async for _ in events:
            rows: MemberRows = await tab.cluster.call("nodes", [])
            tab.send({"event": "members", "run": number, "members": [*map(_view, rows)]})


async def copies(tab: Tab, args: PlaceArgs) -> VolumeList:
    """What the nodes have of each volume. Who may not ask for that sees which nodes they are."""
    rows: VolumeRows = await tab.find(args).call("volumes", [])
    return {"volumes": [await _volume(tab.find(args), row) for row in rows]}


async def _volume(place: TabPlace, row: VolumeRow) -> VolumeView:
    view: VolumeView = {
        "path": row["path"],
        "node": row["node"],
        "away": row["away"],
        "wanted": 0,
        "copies": [
            {"node": name, "away": False, "behind": -1, "as_of": "", "same": False} for name in row.get("copies", [])
        ],
        "notes": [],
    }
    if not view["copies"]:
        return view
    try:
        report: CopyReport = await place.call("replicate", [row["path"]])
    except EmergeError as error:
        return {**view, "notes": [error.message]}
    return {**view, "wanted": report["wanted"], "copies": [*map(_copy, report["copies"])], "notes": report["notes"]}


def _unknown(node: str) -> CopyView:
    return {"node": node, "away": False, "behind": -1, "as_of": "", "same": False}


def _copy(row: CopyRow) -> CopyView:
    behind = row["behind"] if row["as_of"] else -1
    return {"node": row["node"], "away": row["away"], "behind": behind, "as_of": row["as_of"], "same": row["same"]}


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
