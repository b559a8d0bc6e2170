"""Pages out of several nodes' pages: whatever each has and however it cuts it, all comes once and in order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.node.join import SortKey, by_field, by_score, join_indexes, join_parts
from emerge_wasm.query.order import sort_key

KEYS = st.one_of(st.integers(-3, 3), st.text("ab\0", max_size=3), st.floats(), st.just([])).map(
    lambda value: sort_key(value) or b""
)
SCORES = st.floats(0, 2, allow_nan=False)


def parts_of(nodes: list[list[list[Any]]], place: SortKey, limit: int, after: Any) -> list[Any]:
    """What nodes with these positions would answer."""
    parts = []
    for positions in nodes:
        left = [each for each in sorted(positions, key=place) if after is None or place(each) > place(after)]
        rows = [{"position": each, "row": {"position": each, "state": b"x"}} for each in left[:limit]]
        parts.append({"rows": rows, "next": rows[-1]["position"] if len(left) > limit else None})
    return parts


def check(nodes: list[list[Any]], place: SortKey, limit: int, own_limit: int) -> None:
    numbered = iter(range(10_000))
    several = [[[key, next(numbered).to_bytes(16, "big")] for key in keys] for keys in nodes]
    found: list[Any] = []
    after: Any = None
    while True:
        rows, after = join_parts(parts_of(several, place, own_limit, after), place, limit)
        assert len(rows) <= limit and (rows or after is None)
        found += [row["position"] for row in rows]
        if after is None:
            break
    assert found == sorted((each for positions in several for each in positions), key=place)


@given(st.lists(st.lists(KEYS, max_size=9), max_size=4), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_an_order(nodes: list[list[bytes]], limit: int, own_limit: int, descending: bool) -> None:
    check(nodes, by_field(descending), limit, own_limit)


@given(st.lists(st.lists(SCORES, max_size=9), max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_scores(nodes: list[list[float]], limit: int, own_limit: int) -> None:
    check(nodes, by_score, limit, own_limit)


@given(st.lists(st.tuples(KEYS, st.binary(min_size=16, max_size=16)), max_size=12, unique=True))
def test_descending_is_the_reverse_but_for_what_has_no_place(positions: list[tuple[bytes, bytes]]) -> None:
    up, down = (sorted(positions, key=by_field(descending)) for descending in (False, True))
    placed = [each for each in up if each[0]]
    assert down == placed[::-1] + up[len(placed) :]
    assert placed == sorted(placed)


def test_a_page_has_some_4_mib_at_most() -> None:
    rows = [{"position": [b"\x08", bytes([number]) * 16], "row": {"state": b"x" * (3 << 20)}} for number in range(3)]
    page, after = join_parts([{"rows": rows, "next": None}], by_field(False), 10)
    assert (len(page), after) == (1, rows[0]["position"])


def test_an_index_is_as_far_as_the_one_that_is_least_so() -> None:
    def row(state: str, error: str = "", **more: Any) -> Any:
        same = {"path": "/d", "fields": ["a"], "unique": False, "text": False, "done": 1, "total": 2}
        return {**same, "state": state, "error": error, **more}

    joined = join_indexes([("a", [row("ready")]), ("b", [row("building")]), ("c", [])])
    assert joined == [row("building", done=2, total=4)]
    joined = join_indexes([("a", [row("ready")]), ("b", [row("failed", "it broke"), row("suggested", path="/e")])])
    assert [(each["state"], each["error"]) for each in joined] == [("failed", "on node b: it broke"), ("suggested", "")]
    assert len(join_indexes([("a", [row("ready")]), ("b", [row("ready", text=True)])])) == 2
