"""Leaving out of answers what lies at some paths, where it cannot be told: of pages, counts, columns, trees. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from ..operations import Wire
from ..paths import child_path

IsOmitted = Callable[[str], bool]
"""Tells of a path whether what is there is left out."""

OMITTING = frozenset({"list", "references", "_back", "objects", "search", "_ordered", "_text", "count"})
"""The operations, and parts of them, whose answers can do without something; those that stream are in ITEMS."""

ITEMS = frozenset({"_columns", "tree"})


def omit(answer: Wire, is_omitted: IsOmitted) -> tuple[Wire, bool]:
    """Return a page without the rows of some paths, and tell whether there were any."""
    key = next((each for each in ("entries", "objects", "rows") if each in answer), "")
    rows = cast(Sequence[Wire], answer.get(key, ()))
    kept = [row for row in rows if not is_omitted(path_of(row))]
    changed = len(kept) < len(rows)
    return _without_errors({**answer, key: kept} if changed else answer, is_omitted), changed


def omit_item(item: Wire, is_omitted: IsOmitted) -> tuple[Wire | None, bool]:
    """Return an item of a stream without what lies at some paths, None for nothing; and whether there was something."""
    if "columns" not in item:
        if "name" not in item:  # the end of the columns
            return _without_errors(item, is_omitted), False
        return (None, True) if is_omitted(path_of(item)) else (item, False)
    kept = [number for number, path in enumerate(item["paths"]) if not is_omitted(path)]
    if len(kept) == len(item["paths"]):
        return item, False
    columns = [[column[number] for number in kept] for column in item["columns"]]
    return {"paths": [item["paths"][number] for number in kept], "columns": columns}, True


def take_from_count(answer: Wire, omitted: Wire, is_omitted: IsOmitted) -> tuple[Wire, bool]:
    """Return a count without what another one counted of it, and tell whether that was anything."""
    scanned = max(answer["scanned"] - omitted["scanned"], 0)
    answer = {**answer, "count": answer["count"] - omitted["count"], "scanned": scanned}
    return _without_errors(answer, is_omitted), omitted["count"] > 0


def _without_errors(answer: Wire, is_omitted: IsOmitted) -> Wire:
    errors = answer.get("errors")
    if not isinstance(errors, dict):
        return answer
    first = [each for each in errors["first"] if not is_omitted(each["path"])]
    gone = len(errors["first"]) - len(first)
    return {**answer, "errors": {"count": errors["count"] - gone, "first": first}} if gone else answer


def path_of(row: Wire) -> str:
    """The path of a row: a pointer, or what has one."""
    pointer = row.get("row", row).get("pointer", row)
    return child_path(pointer["path"], pointer["name"])
