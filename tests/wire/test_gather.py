"""An event in several frames is the event: whoever joins them, or reads them as they are, gets the same."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import codec
from emerge_wasm.errors import EmergeError
from emerge_wasm.wire import event
from emerge_wasm.wire.client import ClientProtocol
from emerge_wasm.wire.gather import LARGE, decode_frames, encode_frames, may_have_large
from emerge_wasm.wire.server import ServerChannels, ServerRequest

LIMIT = 1 << 30


class Large(NamedTuple):
    """Stands for bytes about as large as those that get a frame of their own."""

    byte: int
    more: int


def grown(value):
    if type(value) is Large:
        return bytes([value.byte]) * (LARGE + value.more)
    if type(value) is dict:
        return {key: grown(each) for key, each in value.items()}
    return type(value)(map(grown, value)) if type(value) in (list, tuple) else value


BLOCKS = st.builds(Large, st.integers(0, 255), st.integers(-2, 2))
PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=9) | st.binary(max_size=40) | BLOCKS
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(st.text(max_size=5), inner, max_size=70)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)
"""To be `grown`: Hypothesis would write out what is large."""


@given(VALUES)
def test_frames_joined_are_the_encoded_value(value):
    value = grown(value)
    frames = encode_frames(value, LIMIT)
    assert b"".join(frames) == codec.encode(value) and all(frames)
    assert decode_frames(frames, LIMIT) == codec.decode(codec.encode(value))


PACKED = st.recursive(
    st.none() | st.integers(0, 9) | st.text(max_size=9) | st.binary(max_size=40) | BLOCKS,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=5), inner, max_size=9),
    max_leaves=12,
)


@given(PACKED)
def test_what_is_packed_is_the_encoded_value_and_has_nothing_large(value):
    value = grown(value)
    done = event.packed(value)
    if isinstance(done, event.Unopened):
        assert encode_frames(value, LIMIT) == [codec.encode(value)] == [done.data]
        assert done.open() == value
    else:
        assert done is value and len(encode_frames({"a": [value]}, LIMIT)) > 1 and may_have_large(codec.encode(value))


@given(VALUES, st.lists(st.integers(0, 1 << 20), max_size=6))
def test_frames_cut_anywhere_give_the_same_value_or_an_error(value, cuts):
    data = codec.encode(grown(value))
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    frames = [data[begin:end] for begin, end in pairwise(places)] or [data]
    try:
        assert decode_frames(frames, LIMIT) == codec.decode(data)
    except EmergeError as error:
        pytest.fail(f"{error}")


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_frames_of_anything_give_a_value_or_an_error(frames):
    try:
        decode_frames(frames, LIMIT)
    except EmergeError:
        pass


def test_large_bytes_are_sent_and_received_as_they_are():
    block = bytes(LARGE)
    frames = encode_frames(["/a", {"name": block}, "upload"], LIMIT)
    assert frames[1] is block
    assert decode_frames(frames, LIMIT)[1]["name"] is block


@given(VALUES, VALUES)
def test_a_call_goes_in_several_frames_once_both_have_said_that_they_take_them(value, result):
    value, result = grown(value), grown(result)
    client, server = ClientProtocol(frames=True), ServerChannels(frames=True)
    for turn in range(2):
        _, sent = client.request("put", [value], 0)
        asked = server.receive("peer", sent, 0)
        assert isinstance(asked, ServerRequest) and asked.args == [event.decode(event.joined(sent)).args[0]]
        assert turn or isinstance(sent, bytes)
        (reply,) = client.receive(server.ok(asked.channel, result), 0)
        assert reply.value == codec.decode(codec.encode(result))


@pytest.mark.parametrize(("ours", "theirs"), [(True, False), (False, True), (False, False)])
def test_one_who_does_not_take_frames_gets_none(ours, theirs):
    client, server = ClientProtocol(frames=ours), ServerChannels(frames=theirs)
    for _ in range(2):
        _, sent = client.request("put", [{"block": bytes(LARGE)}], 0)
        assert isinstance(sent, bytes)
        asked = server.receive("peer", sent, 0)
        assert isinstance(asked, ServerRequest)
        answer = server.ok(asked.channel, {"block": bytes(LARGE)})
        assert isinstance(answer, bytes)
        client.receive(answer, 0)


def test_what_is_met_twice_stays_one():
    held = [bytes(LARGE)]
    for value in ([held, held], {"a": held, "b": [held]}, [[[[[[[held, held]]]]]], bytes(LARGE)]):
        frames = encode_frames(value, LIMIT)
        assert b"".join(frames) == codec.encode(value)
        assert decode_frames(frames, LIMIT) == value
    first, second = decode_frames(encode_frames([held, held], LIMIT), LIMIT)
    assert first is second
