"""One answer out of several nodes' answers to the same search. Pure functions.

Positions, and so the cursors made of them, mean the same on every node; nobody keeps state between pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict

from ..errors import Invalid
from ..filesystem.searches.cursor import AGAIN, read_cursor, write_cursor
from ..filesystem.searches.judge import TOLD
from ..filesystem.tree.load import PAGE_BYTES
from ..results import IndexRow, ObjectRow, PlanInfo, PlanStep, Searched, SearchErrors

JOINT = "~"
"""What cursors of searches over several nodes begin with."""

PartPosition = Sequence[Any]
"""(sort key, uuid) in the order of a field, (score, uuid) in a text search."""

SortKey = Callable[[PartPosition], Any]
"""A position -> what sorts as the rows are to come."""

_INVERTED = bytes(range(255, -1, -1))


class PartRow(TypedDict):
    """One row of a part, and its position in the order of the search."""

    position: PartPosition
    row: ObjectRow


class SearchPart(TypedDict):
    """The next rows of one node; `next` is the position that it continues after, None at the end."""

    rows: list[PartRow]
    next: PartPosition | None


def by_field(descending: bool) -> SortKey:
    """The order of a field: keys, then uuids; what has no key comes last, either way."""

    def key_of(position: PartPosition) -> tuple[bool, bytes, bytes]:
        key, uuid = position
        if descending and key:  # keys end themselves: none is the beginning of another
            key, uuid = key.translate(_INVERTED), uuid.translate(_INVERTED)
        return not key, key, uuid

    return key_of


def by_score(position: PartPosition) -> tuple[float, bytes]:
    """The order of a full text search: the best first, then by uuid."""
    score, uuid = position
    return -score, uuid


def join_parts(
    parts: Sequence[SearchPart], sort_key: SortKey, limit: int
) -> tuple[list[ObjectRow], PartPosition | None]:
    """The next `limit` rows of all parts, and the position that the search continues after, None at the end."""
    rows = sorted((row for part in parts for row in part["rows"]), key=lambda row: sort_key(row["position"]))
    ends = [part["next"] for part in parts if part["next"] is not None]
    end = min(ends, key=sort_key, default=None)  # beyond it rows of some node are missing
    known = [row for row in rows if end is None or sort_key(row["position"]) <= sort_key(end)]
    taken = _take(known, limit)
    if len(taken) < len(known):
        end = taken[-1]["position"]
    return [row["row"] for row in taken], end


def _take(rows: Sequence[PartRow], limit: int) -> Sequence[PartRow]:
    size = 0
    for count, row in enumerate(rows[:limit]):
        size += len(row["row"]["state"])
        if count and size > PAGE_BYTES:
            return rows[:count]
    return rows[:limit]


def sum_scanned(answers: Sequence[Searched]) -> int:
    """How many objects all nodes together looked at."""
    return sum(answer["scanned"] for answer in answers)


def sum_errors(answers: Sequence[Searched]) -> SearchErrors:
    """The errors of all nodes together."""
    errors = [answer["errors"] for answer in answers]
    first = [row for each in errors for row in each["first"]][:TOLD]
    return {"count": sum(each["count"] for each in errors), "first": first}


def join_indexes(answers: Sequence[tuple[str, Sequence[IndexRow]]]) -> list[IndexRow]:
    """The indexes of several nodes, by name, each once: as far as on the node where it is least so."""
    found: dict[tuple[bool, str, tuple[str, ...], bool], IndexRow] = {}
    for node, rows in answers:
        for row in rows:
            suggested = row["state"] == "suggested"
            key = (suggested, row["path"], tuple(row["fields"]), row["text"])
            error = f"on node {node}: {row['error']}" if row["error"] else ""
            joined = found.setdefault(key, {**row, "done": 0, "total": 0, "error": ""})
            joined["done"] += row["done"]
            joined["total"] += row["total"]
            joined["unique"] = joined["unique"] or row["unique"]
            joined["state"] = max(joined["state"], row["state"], key=_STATES.index)
            joined["error"] = joined["error"] or error
    return [found[key] for key in sorted(found)]


_STATES = ["suggested", "ready", "building", "failed"]


def join_plans(plans: Sequence[tuple[str, PlanInfo]]) -> PlanInfo:
    """The plans of several nodes, by name, under one step."""
    inputs: list[PlanStep] = [{"step": "node", "text": node, "inputs": [plan["plan"]]} for node, plan in plans]
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
class JointPosition(NamedTuple):
    """Where a search over several nodes is: the parts that it goes on with, by path, what was missed, and the rest.

    `began`: when the search did, in nanoseconds since 1970, by the clock of the node that was asked.
    """

    parts: list[str]
    missing: list[str]
    began: int
    rest: Any


def write_joint(mark: bytes, parts: Sequence[str], missing: Sequence[str], began: int, rest: object) -> str:
    """Write the cursor of a search over the parts that begin at these paths."""
    return JOINT + write_cursor(mark, list(parts), list(missing), began, rest)


def read_joint(cursor: str, mark: bytes, kind: type) -> JointPosition:
    """Read a cursor, whose rest is of this kind.

    Raises:
        Invalid: it is the cursor of another search, or none.
    """
    position = JointPosition(*read_cursor(cursor.removeprefix(JOINT), mark, list, list, int, kind))
    parts = position.parts
    texts = all(type(each) is str for each in (*parts, *position.missing))
    if not texts or not len(set(parts)) == len(parts) > 0:
        raise Invalid(f"{cursor[:40]!r} is no cursor of this search", remedy=AGAIN)
    return position


def check_position(position: list[Any], first: type) -> list[Any]:
    """Return the position that a cursor has; Invalid when its parts are not of these types."""
    if [type(part) for part in position] != [first, bytes]:
        raise Invalid("this cursor is of another search", remedy=AGAIN)
    return position
