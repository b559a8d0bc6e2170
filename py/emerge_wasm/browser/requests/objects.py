"""Requests about one path: list, open, save, compare. No shipped code runs for them."""

from __future__ import annotations

from ...codec import decode, show
from ...errors import Conflict
from ...results import EntryPage, FieldDifference, VersionDiff, VersionRow
from ..places.attempt import recall
from ..protocol.argument import BeforeArgs, DiffArgs, ListArgs, SaveArgs, VersionArgs
from ..protocol.view import DifferenceList, DifferenceRow, ListedPage, ObjectView, SaveConflict, SaveResult, VersionList
from ..tab import Tab
from .edit import ReadChanges, read_changes, store_changes
from .view import make_fields, make_view

SHOWN = 10_000  # most characters of a value in a difference


async def list_directory(tab: Tab, args: ListArgs) -> ListedPage:
    page: EntryPage = await tab.find(args).call("list", [args["path"], args["cursor"], args["limit"]])
    return {
        "entries": page["entries"],
        "cursor": page["cursor"],
        "missing": page.get("missing", []),
        "away": {row["name"]: row["missing"] for row in page["entries"] if "missing" in row},
        "stale": page.get("stale", ""),
    }


async def open_object(tab: Tab, args: VersionArgs) -> ObjectView:
    return await make_view(tab.find(args), args["path"], args["version"])


async def save(tab: Tab, args: SaveArgs) -> SaveResult:
    """Set fields from their texts. A conflict is returned with both states, not raised."""
    place = tab.find(args)
    path, version = args["path"], args["version"]
    for name in ("update", "store"):
        made = await recall(place, name, path)
        if made is not None:
            made.result.pop("merged", None)
            return {"pointer": made.result, "conflict": None}
    changes = await read_changes(place, path, version, args["changes"])
    try:
        pointer = await store_changes(place, path, version, changes)
    except Conflict as error:
        return {"pointer": None, "conflict": _conflict(error, changes)}
    return {"pointer": pointer, "conflict": None}


def _conflict(error: Conflict, changes: ReadChanges) -> SaveConflict:
    if not error.details.get("pointer"):
        raise error
    theirs = decode(error.details["theirs"])
    return {
        "theirs": make_fields(changes.described, theirs),
        "mine": make_fields(changes.described, {**theirs, **changes.values}),
        "pointer": error.details["pointer"],
    }


async def versions(tab: Tab, args: BeforeArgs) -> VersionList:
    rows: list[VersionRow] = await tab.find(args).call("versions", [args["path"], args["before"]])
    return {"versions": rows, "causes": [row.get("cause", "") for row in rows]}


async def diff(tab: Tab, args: DiffArgs) -> DifferenceList:
    found: VersionDiff = await tab.find(args).call("diff", [args["path"], args["before"], args["after"]])
    return {"fields": [_difference(row) for row in found["fields"]]}


def _difference(row: FieldDifference) -> DifferenceRow:
    before = show(row["before"])[:SHOWN] if "before" in row else None
    return {"field": row["field"], "before": before, "after": show(row["after"])[:SHOWN] if "after" in row else None}
