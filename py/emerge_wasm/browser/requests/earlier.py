"""Requests about what was: what was removed from a directory or below it, and what it held at a moment."""

from __future__ import annotations

from ...errors import NotFound
from ...objects import DIRECTORY
from ...paths import child_path
from ...results import EntryPage, PointerRow, VersionRow
from ..places.place import TabPlace
from ..protocol.argument import EarlierArgs, RemovedArgs
from ..protocol.view import EarlierPage, EarlierRow, RemovedPage, RemovedRow
from ..tab import Tab

PAGE = 1000
AT_ONCE = 20  # pages of /registry that one request reads


async def removed(tab: Tab, args: RemovedArgs) -> RemovedPage:
    """Tell what was removed from a directory or below it and is not there now, the last first; a removed directory
    stands for what was in it. `cursor`: not all was looked at."""
    place, path, cursor = tab.find(args), args["path"], args["cursor"]
    found: dict[str, VersionRow] = {}
    missing: set[str] = set()
    for _ in range(AT_ONCE):
        page: EntryPage = await place.call("list", ["/registry", cursor, PAGE])
        missing.update(page.get("missing", []))
        for row in page["entries"]:
            at = child_path(row["path"], row["name"])
            if row.get("removed") and _is_below(at, path) and row["date"] >= found.get(at, row)["date"]:
                found[at] = row  # type: ignore[assignment]  # entries of /registry are versions
        cursor = page["cursor"]
        if not cursor:
            break
    gone = [row for at, row in found.items() if not _goes_with(row, found) and not await place.has(at)]
    rows: list[RemovedRow] = [
        {"pointer": row, "author": row["author"], "with_it": _count(found, child_path(row["path"], row["name"]))}
        for row in sorted(gone, key=lambda row: row["date"], reverse=True)
    ]
    return {"rows": rows, "cursor": cursor, "missing": sorted(missing)}


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory.rstrip('/')}/")


def _goes_with(row: VersionRow, found: dict[str, VersionRow]) -> bool:
    """Whether the directory that it was in was removed with it, or after it."""
    above = found.get(row["path"])
    return above is not None and above["type"] == DIRECTORY and above["date"] >= row["date"]


def _count(found: dict[str, VersionRow], path: str) -> int:
    return sum(_is_below(at, path) for at in found)


async def earlier(tab: Tab, args: EarlierArgs) -> EarlierPage:
    """Tell what a directory held at a moment, and what has become of each: the version now, 0 when it is gone."""
    place, path = tab.find(args), args["path"]
    then: EntryPage = await place.call("list", [path, args["cursor"], PAGE, args["as_of"]])
    now = await _now(place, path, then["entries"])
    rows: list[EarlierRow] = [
        {"pointer": row, "now": now.get(row["uuid"], 0), "away": row.get("missing", "")} for row in then["entries"]
    ]
    return {"rows": rows, "cursor": then["cursor"], "missing": then.get("missing", [])}


async def _now(place: TabPlace, path: str, then: list[PointerRow]) -> dict[str, int]:
    """The versions that entries have now, by uuid; those that are in the directory no longer are left out."""
    found: dict[str, int] = {}
    cursor, last = "", then[-1]["name"] if then else ""
    while then:
        try:
            page: EntryPage = await place.call("list", [path, cursor, PAGE])
        except NotFound:
            break
        found |= {row["uuid"]: row["version"] for row in page["entries"]}
        cursor = page["cursor"]
        if not cursor or cursor >= last:
            break
    return found
