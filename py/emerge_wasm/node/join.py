"""One answer out of several nodes' answers to the same search. Pure functions.

Positions, and so the cursors made of them, mean the same on every node; nobody keeps state between pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import Invalid
from ..filesystem.searches.cursor import AGAIN, read_cursor, write_cursor
from ..filesystem.searches.judge import TOLD
from ..filesystem.tree.load import PAGE_BYTES
from ..operations import Rows, Wire

JOINT = "~"
"""What cursors of searches over several nodes begin with."""

Place = Callable[[Sequence[Any]], Any]
"""A position -> what sorts as the rows are to come."""

_INVERTED = bytes(range(255, -1, -1))


def place_ordered(descending: bool) -> Place:
    """The order of a field: keys, then uuids; what has no key comes last, either way."""

    def place(position: Sequence[Any]) -> Any:
        key, uuid = position
        if descending and key:  # keys end themselves: none is the beginning of another
            key, uuid = key.translate(_INVERTED), uuid.translate(_INVERTED)
        return not key, key, uuid

    return place


def place_scored(position: Sequence[Any]) -> Any:
    """The order of a full text search: the best first, then by uuid."""
    score, uuid = position
    return -score, uuid


def join_parts(parts: Sequence[Wire], place: Place, limit: int) -> tuple[list[Any], Sequence[Any] | None]:
    """The next `limit` rows of parts ({"rows": [{"position", "row"}…], "next"}, see `searches/node_part.py`), and
    the position that it goes on after; None: there are no more."""
    rows = sorted((row for part in parts for row in part["rows"]), key=lambda row: place(row["position"]))
    ends = [part["next"] for part in parts if part["next"] is not None]
    end = min(ends, key=place, default=None)  # beyond it some node has not told its rows yet
    told = [row for row in rows if end is None or place(row["position"]) <= place(end)]
    taken = _take(told, limit)
    if len(taken) < len(told):
        return [row["row"] for row in taken], taken[-1]["position"]
    return [row["row"] for row in taken], end


def _take(rows: Sequence[Wire], limit: int) -> Sequence[Wire]:
    size = 0
    for count, row in enumerate(rows[:limit]):
        size += len(row["row"]["state"])
        if count and size > PAGE_BYTES:
            return rows[:count]
    return rows[:limit]


def sum_errors(answers: Sequence[Wire]) -> Wire:
    """{"scanned", "errors"} of all together."""
    errors = [answer["errors"] for answer in answers]
    return {
        "scanned": sum(answer["scanned"] for answer in answers),
        "errors": {
            "count": sum(each["count"] for each in errors),
            "first": [row for each in errors for row in each["first"]][:TOLD],
        },
    }


def join_indexes(answers: Sequence[tuple[str, Rows]]) -> Rows:
    """The rows that `index` told on several nodes, by name, each index once: as far as the one that is least so."""
    found: dict[tuple[Any, ...], Wire] = {}
    for node, rows in answers:
        for row in rows:
            suggested = row["state"] == "suggested"
            key = (suggested, row["path"], tuple(row["fields"]), row["text"])
            error = f"on node {node}: {row['error']}" if row["error"] else ""
            held = found.setdefault(key, {**row, "done": 0, "total": 0, "error": ""})
            held["done"] += row["done"]
            held["total"] += row["total"]
            held["unique"] = held["unique"] or row["unique"]
            held["state"] = max(held["state"], row["state"], key=_STATES.index)
            held["error"] = held["error"] or error
    return [found[key] for key in sorted(found)]


_STATES = ["suggested", "ready", "building", "failed"]


def join_plans(plans: Sequence[tuple[str, Wire]]) -> Wire:
    """What `explain` told on several nodes, under one step."""
    inputs = [{"step": "node", "text": node, "inputs": [plan["plan"]]} for node, plan in plans]
    texts = [f"node {node}:\n" + _indented(plan["text"]) for node, plan in plans]
    return {
        "plan": {"step": "nodes", "text": "what each node finds, put together", "inputs": inputs},
        "text": "\n".join(texts),
        "scans": sum(plan["scans"] for _, plan in plans),
        "of": sum(plan["of"] for _, plan in plans),
        "code": any(plan["code"] for _, plan in plans),
        "suggestion": next((plan["suggestion"] for _, plan in plans if plan["suggestion"]), ""),
    }


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))


# --- cursors
def write_joint(mark: bytes, filesystems: Sequence[str], rest: Any) -> str:
    """The cursor of a search over these filesystems, by uuid."""
    return JOINT + write_cursor(mark, list(filesystems), rest)


def read_joint(cursor: str, mark: bytes, kind: type) -> tuple[list[str], Any]:
    """The filesystems of a cursor, each once, and the rest of it; Invalid when it is of another search, or of none."""
    filesystems, rest = read_cursor(cursor.removeprefix(JOINT), mark, list, kind)
    known = all(type(each) is str for each in filesystems) and len(set(filesystems)) == len(filesystems) > 0
    if not known:
        raise Invalid(f"{cursor[:40]!r} is no cursor of this search", remedy=AGAIN)
    return filesystems, rest


def check_position(position: list[Any], first: type) -> list[Any]:
    """A position as a cursor has it; Invalid for anything else."""
    if [type(part) for part in position] != [first, bytes]:
        raise Invalid("this cursor is of another search", remedy=AGAIN)
    return position
