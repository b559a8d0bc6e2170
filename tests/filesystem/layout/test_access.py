"""Who may read the entries of a page is found for all of them at once, and is what is found for each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.context import Context
from emerge_wasm.filesystem.layout.access import may, perms_of, readable
from emerge_wasm.filesystem.layout.record import Entry

WHO = ["", "ann", "ben", "crew"]


def entry(number: int, owner: str, group: str, mode: int) -> Entry:
    perms = perms_of(mode) if number % 2 else f"{mode:03o}"
    return Entry(number.to_bytes(16, "big"), f"o{number}", "file", "", "", perms, owner, group, 1, 1, "r", "d", 1)


@given(
    st.lists(st.tuples(st.sampled_from(WHO), st.sampled_from(WHO), st.integers(0, 0o777)), max_size=30),
    st.sampled_from(WHO),
    st.lists(st.sampled_from(WHO), max_size=2),
    st.booleans(),
)
def test_readable_is_what_each_may_be_read(
    owned: list[tuple[str, str, int]], principal: str, groups: list[str], superuser: bool
) -> None:
    context = Context(principal, tuple(groups), superuser=superuser)
    entries = [entry(number, *each) for number, each in enumerate(owned)]
    assert readable(context, entries) == [each for each in entries if may(context, each.pack(), "r")]
