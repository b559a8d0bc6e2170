"""A page of objects is the same after it went to the cells' kernel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.browser.guests.object_rows import COMMON, EACH, read_page, write_page
from emerge_wasm.codec import decode, encode
from emerge_wasm.filesystem.layout.record import Entry
from emerge_wasm.wire.event import Unopened, packed

FEW = st.sampled_from(["", "a", "é", "/b/c"])
STATES = st.one_of(st.binary(max_size=40), st.sampled_from([bytes(70_000), b"\xc6" * 70_000]))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, object]:
    texts = {name: draw(FEW) for name in COMMON}
    texts |= {name: draw(st.text(max_size=9)) for name in EACH}
    numbers = {name: draw(st.integers(0, 1 << 60)) for name in ("size", "version")}
    more = draw(st.sampled_from([{}] * 9 + [{"stale": "2026"}]))
    return {"pointer": texts | numbers | more, "state": draw(STATES)}


PAGES = st.builds(
    lambda rows, cursor, more: {"objects": rows, "cursor": cursor, **more},
    st.lists(rows(), max_size=4),
    FEW,
    st.sampled_from([{}, {"missing": ["/a"]}, {"stale": "2026"}]),
)


@given(PAGES)
def test_what_is_read_is_what_was_written(page: dict[str, object]) -> None:
    sent = packed(write_page(page))
    data = sent.data if isinstance(sent, Unopened) else encode(sent)
    assert read_page(decode(data, cost=None)) == page


def test_it_goes_in_fewer_bytes() -> None:
    entries = [
        Entry(bytes(16), f"{n:03}", "file", "C", "ab" * 32, "rw-r--r--", "i", "i", 9, 1, "r" * 32, "d", 1)
        for n in range(100)
    ]
    page = {"objects": [{"pointer": entry.wire("/d", "n"), "state": bytes(9)} for entry in entries], "cursor": ""}
    assert 3 * len(encode(write_page(page))) < len(encode(page))


def test_every_field_that_all_pointers_have_goes() -> None:
    made = Entry(bytes(16), "n", "file", "C", "", "rw-r--r--", "i", "i", 9, 1, "r", "d", 1)
    assert sorted(COMMON + EACH) == sorted(made.wire("/d", "n"))
