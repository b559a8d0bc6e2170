"""What is aimed at, as a row of a table says it, and whether a measurement keeps it.

An aim is one condition or several, with commas: `≥ 0.5` and `≤ 2` mean the ratio to the first peer (the figure itself
where there is none), `≤ 80 ms` the figure, `≤ 250 µs more` how much more than the first peer it is.
"""

from __future__ import annotations

import re

from .measure import Result

CONDITION = re.compile(r"(?P<sign>[≥≤]) (?P<limit>[\d.]+)(?P<unit> [^\s,]+)?(?P<more> more)?")


def is_kept(row: Result) -> bool | None:
    """Whether a measurement keeps its aim; None where there is none.

    Raises:
        ValueError: it cannot be read, or is in another unit than the figures.
    """
    if not row["aim"]:
        return None
    return all(_holds(each.strip(), row) for each in row["aim"].split(","))


def _holds(text: str, row: Result) -> bool:
    found = CONDITION.fullmatch(text)
    unit = ((found and found["unit"]) or "").strip()
    if found is None or unit not in ("", row["unit"]) or (found["more"] and not (unit and row["peers"])):
        raise ValueError(f"{row['title']}, {row['what']}: {text!r} is no aim of {row['unit']}")
    figure, first = row["emerge"], next(iter(row["peers"].values()), None)
    if first is not None and found["more"]:
        figure -= first
    elif first is not None and not unit:
        figure /= first
    limit = float(found["limit"])
    return figure >= limit if found["sign"] == "≥" else figure <= limit
