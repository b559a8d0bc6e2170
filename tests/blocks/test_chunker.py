"""Cutting: whatever comes in whatever pieces is cut the same, into blocks of allowed sizes, and put together again."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid, Unavailable
from emerge_wasm.blocks.block import LARGEST_BLOCK
from emerge_wasm.blocks.chunker import SMALLEST_SIZE, Chunking, make_chunker
from tests.contracts.files import pattern
from tests.scale import examples

pytest.importorskip("pyfastcdc", reason="the extra fastcdc is not installed")

WAYS = st.sampled_from(["fixed", "fastcdc"])
DATA = st.builds(
    lambda size, seed, zeros: pattern(size, seed)[: size - zeros] + bytes(min(zeros, size)),
    st.integers(0, 150_000),
    st.integers(0, 9),
    st.integers(0, 100_000),
)


def cut(way: str, size: int, data: bytes, places: list[int]) -> list[bytes]:
    chunker = make_chunker(way, size)
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    found = [block for a, b in pairwise(bounds) for block in chunker.add(memoryview(data)[a:b])]
    return found + list(chunker.end())


@settings(max_examples=examples(40), deadline=None)
@given(WAYS, DATA, st.lists(st.integers(0, 150_000), max_size=9), st.integers(SMALLEST_SIZE, 30_000))
def test_the_pieces_in_which_it_comes_do_not_matter(way: Chunking, data: bytes, places: list[int], size: int) -> None:
    blocks = cut(way, size, data, places)
    assert b"".join(blocks) == data
    assert blocks == cut(way, size, data, [])
    sizes = list(map(len, blocks))
    if way == "fixed":
        assert all(each == size for each in sizes[:-1]) and all(0 < each <= size for each in sizes[-1:])
    else:
        assert all(size // 4 <= each <= 4 * size for each in sizes[:-1]) and all(0 < each <= 4 * size for each in sizes)


@settings(max_examples=examples(15), deadline=None)
@given(st.integers(0, 500_000), st.binary(min_size=1, max_size=200), st.integers(0, 3000))
def test_cuts_by_content_come_back_after_a_change(at: int, put_in: bytes, taken_out: int) -> None:
    """Wherever something is put in and taken out, only some blocks around it are new."""
    data = pattern(600_000)
    before = set(cut("fastcdc", 8192, data, []))
    after = cut("fastcdc", 8192, data[:at] + put_in + data[at + taken_out :], [])
    assert len([block for block in after if block not in before]) <= 12


@pytest.mark.parametrize(
    ("way", "size"),
    [("rabin", 1 << 20), ("", 1 << 20), ("fixed", 0), ("fixed", -5), ("fixed", LARGEST_BLOCK + 1), ("fixed", 1),
     ("fastcdc", LARGEST_BLOCK // 4 + 1), ("fastcdc", 10), ("fixed", 1e6), ("fixed", True)],
)  # fmt: skip
def test_what_cannot_be_is_said(way: str, size: int) -> None:
    with pytest.raises(Invalid, match=r"fixed|block size") as caught:
        make_chunker(way, size)
    assert caught.value.remedy


def test_without_its_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyfastcdc", None)  # patched: as where it is not installed
    with pytest.raises(Unavailable, match="pyfastcdc") as caught:
        make_chunker("fastcdc")
    assert "emerge-wasm[fastcdc]" in caught.value.remedy
