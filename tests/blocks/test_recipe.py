"""A state taken apart into a recipe and blocks is the same state again, and shares the blocks of what is unchanged."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.blocks.block import block_name, names_in_map, split_names
from emerge_wasm.blocks.frame import from_frame, to_frame
from emerge_wasm.blocks.recipe import LARGE, MARK, Recipe, cut_state, is_recipe, read_recipe
from emerge_wasm.codec import BlockTree, Record, decode, encode, trees_in
from emerge_wasm.errors import Invalid
from tests.scale import examples

SIZES = st.sampled_from([0, 1, 31, 255, 256, LARGE - 6, LARGE - 5, LARGE - 1, LARGE, LARGE + 1, 2 * LARGE, 5 * LARGE])


def filled(size: int, letter: int) -> bytes:
    return random.Random(letter).randbytes(size)


BYTES = st.builds(filled, SIZES, st.integers(0, 3))
TEXTS = st.builds(lambda size, letter: "aé€"[letter] * size, SIZES, st.integers(0, 2))
TREES = st.builds(lambda letter: BlockTree(bytes([letter]) * 32, letter), st.integers(0, 3))
LEAVES = st.integers() | st.text(max_size=5) | BYTES | TEXTS | TREES | BYTES.map(bytearray)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(deque)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(Record, st.just("Line"), st.just("h"), st.dictionaries(st.text(max_size=3), inner, max_size=3))
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=5,
)
STATES = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


def shared(state: dict[str, Any], twice: bool) -> dict[str, Any]:
    """A state in which something is met twice is written as a graph."""
    together = {"held": [state], "again": state}
    together["again"] = together["held"] if twice else None  # type: ignore[assignment]
    return together


@given(st.builds(shared, STATES, st.booleans()))
@settings(max_examples=examples(60))
def test_a_recipe_and_its_blocks_are_the_state(state: dict[str, Any]) -> None:
    data = encode(state)
    cut = cut_state(data)
    if cut is None:
        assert not trees_in(data)
        return
    recipe, blocks = cut
    assert all(block_name(block) == name and len(block) >= LARGE for name, block in blocks.items())
    again = read_recipe(recipe.pack())
    assert again == recipe and is_recipe(recipe.pack()) and not is_recipe(data)
    assert again.fill(blocks) == data
    assert again.names() == blocks.keys() | trees_in(data) and set(again.roots) == trees_in(data)


PLACES = {
    "field": lambda large: {"a": 1, "large": large},
    "list": lambda large: {"a": 1, "held": [large, "x"]},
    "tuple": lambda large: {"a": 1, "held": (1, large)},
    "map": lambda large: {"a": 1, "held": {1: large}},
    "record": lambda large: {"a": 1, "held": Record("Photo", "hash", {"large": large, "name": "n"})},
    "deep": lambda large: {"a": 1, "held": [{"x": [Record("P", "h", {"q": (large,)})]}]},
    "graph": lambda large: (lambda held: {"a": 1, "one": held, "two": held})([large, 5]),
}
LARGES = {
    "bytes": filled(3 * LARGE, 1),
    "text": "é" * LARGE,
    "bytearray": bytearray(filled(3 * LARGE, 2)),
    "numbers": list(range(40_000)),
    "map": {str(number): number for number in range(20_000)},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("large", LARGES)
def test_a_large_value_is_a_block_wherever_it_is(place: str, large: str) -> None:
    state = PLACES[place](LARGES[large])
    first, second = cut_state(encode(state)), cut_state(encode({**state, "a": 2, "more": "x" * 100}))
    assert first is not None and second is not None
    assert first[1] == second[1] and len(first[1]) == 1
    assert len(first[0].pack()) < 1000


def test_a_state_that_is_large_only_in_sum_stays_as_it_is() -> None:
    assert cut_state(encode({f"f{number}": "x" * 1000 for number in range(100)})) is None


@given(st.binary(max_size=300))
@settings(max_examples=examples(50))
def test_bytes_that_are_no_state_stay_as_they_are(junk: bytes) -> None:
    data = junk + bytes(LARGE)
    cut = cut_state(data)
    assert cut is None or cut[0].fill(cut[1]) == data


@given(st.binary(max_size=200))
@settings(max_examples=examples(100))
def test_a_damaged_recipe_is_named(junk: bytes) -> None:
    try:
        assert isinstance(read_recipe(MARK + junk), Recipe)
    except Invalid as error:
        assert "damaged" in error.message or "names" in error.message


@given(st.builds(filled, SIZES, st.just(1)) | st.builds(lambda size: bytes(size), SIZES), st.data())
@settings(max_examples=examples(40))
def test_a_frame_gives_the_block_or_names_it(data: bytes, draw: st.DataObject) -> None:
    name = block_name(data)
    frame = to_frame(name, data)
    assert from_frame(name, frame) == data
    assert len(frame) <= len(data) + 1
    at = draw.draw(st.integers(0, len(frame) - 1) | st.just(0))
    bit = 1 << draw.draw(st.integers(0, 7))
    for damaged in (frame[:at] + bytes([frame[at] ^ bit]) + frame[at + 1 :], frame[:at], b""):
        try:
            found = from_frame(name, damaged)
        except Invalid as error:
            assert name.hex()[:16] in error.message and error.details["rotten"] == name.hex()
        else:
            assert found == data


def test_what_repeats_is_compressed() -> None:
    assert len(to_frame(b"", bytes(1 << 20))) < 10_000
    assert len(to_frame(b"", filled(1 << 20, 1))) == (1 << 20) + 1


def test_a_map_of_blocks_names_what_it_keeps() -> None:
    names = [block_name(b"a"), block_name(b"b")]
    assert names_in_map(encode({"names": b"".join(names), "level": 0})) == names
    for bad in (encode({}), encode([1]), encode({"names": b"short"}), encode({"names": "x"})):
        with pytest.raises(Invalid):
            names_in_map(bad)
    with pytest.raises(Invalid):
        split_names(b"x")


def test_a_tree_of_blocks_is_a_value() -> None:
    tree = BlockTree(bytes(32), 5)
    state = encode({"a": [tree], "b": {tree}})
    assert decode(state) == {"a": [tree], "b": {tree}}
    assert trees_in(state) == {bytes(32)}
    for bad in (BlockTree(b"short", 1), BlockTree(bytes(32), -1), BlockTree(bytes(32), 1 << 64)):
        with pytest.raises(Invalid, match="field 'x'"):
            encode({"x": bad})
