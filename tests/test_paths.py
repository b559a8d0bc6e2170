"""Splitting paths into objects and their properties."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.errors import Invalid
from emerge_wasm.paths import check_name, join_path, split_path, split_properties

characters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/")
names = st.text(characters, min_size=1, max_size=240).filter(lambda name: _is_name(name))
long_names = st.builds(lambda name, fill: (name + fill * 255)[:255], names, st.sampled_from("nx.-")).filter(
    lambda name: _is_name(name)
)
properties = st.lists(st.text(characters, min_size=1, max_size=60).filter(lambda one: "." not in one), max_size=12)


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except Invalid:
        return False
    return True


@given(st.lists(names, max_size=3), names | long_names, properties)
def test_every_name_and_its_properties_are_among_the_readings(above: list[str], name: str, chain: list[str]) -> None:
    path = "/" + "/".join([*above, ".".join([name, *chain])])
    readings = split_properties(path)
    expected = unicodedata.normalize("NFC", join_path(*split_path("/" + "/".join([*above, name]))))
    assert (expected, chain) in [(unicodedata.normalize("NFC", found), rest) for found, rest in readings]
    for object_path, rest in readings:
        assert split_path(object_path) and all(rest)
        assert unicodedata.normalize("NFC", ".".join([object_path, *rest])) == unicodedata.normalize("NFC", path)
    lengths = [len(object_path) for object_path, _ in readings]
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    "path", ["a/b.c", "", "/a//b.c", "/a/..", "/a/.", "/a/" + "n" * 256 + ".data", "/a\0/b.c", "//"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(Invalid):
        split_properties(path)


def test_a_long_chain_takes_no_time() -> None:
    began = time.perf_counter()
    assert len(split_properties("/a/b" + ".c" * 100_000)) <= 1024
    assert time.perf_counter() - began < 2
