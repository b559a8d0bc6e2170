"""Fragments of blocks: what is lost up to the level's number comes back, one more is told, as is any flipped bit."""

from __future__ import annotations

import random
import sys
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid, Unavailable
from emerge_wasm.blocks import erasure, parity
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.layout import Layout, join, make_layout, split
from emerge_wasm.blocks.parity import MOST_PIECES
from tests.scale import examples

LEVELS = st.builds(make_layout, st.sampled_from([5, 6]), st.integers(2, 9))
BLOCKS = st.binary(min_size=1, max_size=300) | st.integers(1, 5000).map(lambda size: bytes(range(251)) * size)


def named(layout: Layout, block: bytes) -> tuple[list[bytes], dict[bytes, bytes], list[bytes]]:
    fragments = split(layout, block)
    names = list(map(block_name, fragments))
    return names, dict(zip(names, fragments, strict=True)), fragments


@settings(max_examples=examples(60), deadline=None)
@given(LEVELS, BLOCKS, st.data())
def test_any_loss_that_the_level_allows_reads_back_and_one_more_is_told(
    layout: Layout, block: bytes, data: st.DataObject
) -> None:
    fragments = split(layout, block)
    assert len(fragments) == layout.fragments
    assert len(set(map(len, fragments))) == 1
    names = [block_name(each) for each in fragments]
    lost = data.draw(st.permutations(range(len(names))))[: layout.parity + 1]
    kept = {name: each for at, (name, each) in enumerate(zip(names, fragments, strict=True)) if at not in lost[:-1]}
    assert join(layout, block_name(block), len(block), names, kept) == block
    gone = {names[at] for at in lost}
    left = {name: each for name, each in kept.items() if name not in gone}
    assert len(set(names)) == len(names)  # what is the same is kept once, and lost at once
    with pytest.raises(Unavailable, match="lost or damaged") as caught:
        join(layout, block_name(block), len(block), names, left)
    assert set(caught.value.details["missing"]) == {name.hex() for name in gone}


@settings(max_examples=examples(60), deadline=None)
@given(LEVELS, BLOCKS, st.data())
def test_a_flipped_bit_is_never_decoded(layout: Layout, block: bytes, data: st.DataObject) -> None:
    names, found, fragments = named(layout, block)
    flipped = data.draw(st.sets(st.integers(0, len(names) - 1), min_size=1, max_size=layout.parity))
    for at in flipped:
        bit = data.draw(st.integers(0, 8 * len(fragments[at]) - 1))
        wrong = bytearray(fragments[at])
        wrong[bit // 8] ^= 1 << bit % 8
        found[names[at]] = bytes(wrong)
    assert join(layout, block_name(block), len(block), names, found) == block
    for name in names:
        found[name] = b"\xff" + found[name][1:] if found[name][:1] != b"\xff" else b"\0" + found[name][1:]
    with pytest.raises(Unavailable):
        join(layout, block_name(block), len(block), names, found)


@pytest.mark.parametrize("raid", [5, 6])
def test_every_pair_of_losses(raid: int) -> None:
    layout, block = make_layout(raid, 6), bytes(range(256)) * 17 + b"end"
    names, found, _ = named(layout, block)
    for lost in combinations(names, layout.parity):
        kept = {name: each for name, each in found.items() if name not in lost}
        assert join(layout, block_name(block), len(block), names, kept) == block


def test_the_parity_is_that_of_isa_l() -> None:
    """What liberasurecode 1.8 made of this block with `isa_l_rs_vand`, k=4, m=2, less its headers."""
    fragments = split(make_layout(6), bytes(range(64)))
    assert fragments[4].hex() == "04" + "00" * 16
    assert fragments[5].hex() == "05" + "3d32232c010e1f10454a5b5479766768"


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(2, MOST_PIECES), st.integers(1, 2), st.integers(1, 500), st.data())
def test_the_library_and_python_make_the_same_bytes(
    data: int, parities: int, length: int, drawn: st.DataObject
) -> None:
    """So what one of them wrote the other reads, whichever is installed where."""
    pytest.importorskip("pyeclib", reason="pyeclib is for Linux only")
    source = random.Random(drawn.draw(st.integers(0, 1 << 32)))
    pieces: list[bytes | None] = [source.randbytes(length) for _ in range(data)]
    made = erasure.make_parity(pieces, parities)
    assert made == parity.make_parity(pieces, parities)
    lost = drawn.draw(st.sets(st.integers(0, data + parities - 1), max_size=parities))
    left = [None if at in lost else piece for at, piece in enumerate([*pieces, *made])]
    for each in (erasure, parity):
        assert each.fill_in(left[:data], left[data:], length) == pieces
    few = [None] * (parities + 1) + pieces[parities + 1 :]
    for each in (erasure, parity):
        with pytest.raises(ValueError, match="more than there are parities"):
            each.fill_in(few, made, length)


def test_without_the_library_python_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, block = make_layout(6), bytes(range(256)) * 9
    whole = split(layout, block)
    monkeypatch.setitem(sys.modules, "pyeclib.ec_iface", None)  # patched: as it is in a browser
    erasure._library.cache_clear()  # private: what was found installed is remembered
    try:
        assert split(layout, block) == whole
        names = [block_name(each) for each in whole]
        assert join(layout, block_name(block), len(block), names, dict(zip(names[2:], whole[2:], strict=True))) == block
    finally:
        erasure._library.cache_clear()  # private: as above


def test_fragments_of_another_block_are_refused() -> None:
    layout = make_layout(5)
    names, found, _ = named(layout, b"one block")
    with pytest.raises(Invalid, match="another block"):
        join(layout, block_name(b"other one"), 9, names, found)


def test_levels_and_their_text() -> None:
    for layout in (make_layout(), make_layout(1, copies=3), make_layout(5), make_layout(6, 10)):
        assert Layout.unpack(layout.pack()) == layout
    assert make_layout(6, 10).pack() == "raid6 10+2"
    assert split(make_layout(0), b"kept as it is") == []
    for raid, data, copies in ((2, 4, 2), (5, 1, 2), (6, 33, 2), (1, 4, 1)):
        with pytest.raises(Invalid, match="raid"):
            make_layout(raid, data, copies)
    for text in ("", "raid5", "raid5 4", "raid6 4+1", "raid0 2+0", "raid9 1+0", "raid5 a+b"):
        with pytest.raises(Invalid):
            Layout.unpack(text)
