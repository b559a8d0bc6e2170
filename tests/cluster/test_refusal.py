"""Strangers are counted by address: some are told at once, and a flood from one place concerns no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.cluster.refusal import ALLOWED, REMEMBERED, SECONDS, Refusals


@given(st.lists(st.floats(0, 5), max_size=40).map(lambda pauses: [0.0] * ALLOWED + pauses))
def test_no_more_are_told_at_once_than_allowed(pauses: list[float]) -> None:
    """In any time, the allowed number and what time has given back."""
    refusals, now, told = Refusals(), 0.0, []
    for pause in pauses:
        now += pause
        if refusals.add("10.0.0.1", now) <= ALLOWED:
            told.append(now)
    for first in range(0, len(told), 10):
        for last in range(first, len(told), 10):
            assert last - first + 1 <= ALLOWED + (told[last] - told[first]) * ALLOWED / SECONDS + 1e-6


def test_addresses_are_counted_apart_and_sites_of_ipv6_together() -> None:
    refusals = Refusals()
    for number in range(ALLOWED):
        refusals.add(f"fd77::{number + 1:x}", 0.0)
    assert refusals.add("fd77::ffff:1", 0.0) > ALLOWED
    for other in ("fd77:0:0:1::1", "10.0.0.1", "::ffff:10.0.0.2", "no address"):
        assert refusals.add(other, 0.0) == 1
    assert refusals.add("10.0.0.2", 0.0) == 2  # the same as ::ffff:10.0.0.2


def test_what_is_remembered_is_bounded() -> None:
    refusals = Refusals()
    for number in range(REMEMBERED + 10):
        refusals.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert refusals.add("10.0.0.0", 0.0) == 1  # the oldest are forgotten
