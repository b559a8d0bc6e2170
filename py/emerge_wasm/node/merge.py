"""One page out of several nodes' pages of the same directory. Pure functions.

A page is sorted by name (/registry's by uuid), and its cursor is the last name it covers ("" when it is the last
page): so the merged page's cursor is a name too, and nobody keeps state between pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..operations import Wire


def merge_pages(pages: Sequence[Wire], key: str, limit: int, by: str = "name") -> Wire:
    """The page of at most `limit` rows that these pages (`{key: rows, "cursor"}`) make together,
    each sorted `by` that part of its pointers.

    Where two have the same name, the earlier page's row counts: put the own node first.
    """
    rows: dict[str, Any] = {}
    for page in pages:
        for row in page[key]:
            rows.setdefault(str(row.get("pointer", row)[by]), row)
    cursors = [page["cursor"] for page in pages if page["cursor"]]
    covered = min(cursors) if cursors else ""  # beyond it some node has not told its rows yet
    names = [name for name in sorted(rows) if not covered or name <= covered]
    cursor = names[limit - 1] if len(names) > limit else covered
    return {key: [rows[name] for name in names[:limit]], "cursor": cursor}
