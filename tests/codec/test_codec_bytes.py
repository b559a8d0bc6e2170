"""Any bytes give a value or a clear error, on both of msgpack's engines; nothing crashes or swallows memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
from typing import Any
from unittest.mock import patch

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import decode, encode, show
from emerge_wasm.errors import Invalid, LimitExceeded
from tests.scale import examples

from .test_codec_values import VALUES

per_engine = settings(
    max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def settle(data: bytes) -> None:
    """Decoding ends in a value that can be shown and written again, or in one of the two errors."""
    try:
        value = decode(data)
    except (Invalid, LimitExceeded):
        return
    show(value)
    assert show(decode(encode(value))) == show(value)


@per_engine
@given(st.binary(max_size=200))
def test_random_bytes(engine: str, data: bytes) -> None:
    settle(data)


@per_engine
@given(VALUES, st.data())
def test_changed_messages(engine: str, value: Any, draw: st.DataObject) -> None:
    data = bytearray(encode(value))
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(0, len(data) - 1))
        data[place] = draw.draw(st.integers(0, 255))
    settle(bytes(data))


@per_engine
@given(VALUES, st.data())
def test_truncated_and_trailing(engine: str, value: Any, draw: st.DataObject) -> None:
    data = encode(value)
    with pytest.raises(Invalid):
        decode(data[: draw.draw(st.integers(0, len(data) - 1))])
    with pytest.raises(Invalid):
        decode(data + b"\xc0")


@per_engine
@given(VALUES.map(encode) | st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=4))))
def test_short_messages_are_decoded_as_long_ones(engine: str, data: bytes, changes: list[tuple[int, bytes]]) -> None:
    """Those that need no look beforehand give the same value, or the same error."""
    for at, more in changes:
        data = data[: at % (len(data) + 1)] + more + data[at % (len(data) + 1) :]

    def outcome(short: int) -> tuple[str, str]:
        with patch("emerge_wasm.codec.decode.SHORT", short):
            try:
                return "value", show(decode(data))
            except (Invalid, LimitExceeded) as error:
                return type(error).__name__, error.message

    assert outcome(512) == outcome(-1)


def ext(code: int, payload: bytes) -> bytes:
    return msgpack.packb(msgpack.ExtType(code, payload))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xa2\xc3\x28",  # invalid UTF-8
        b"\xd9\xff",  # a string longer than the buffer
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x02",
        b"\x81\x01\x02",  # a bare map with an integer key
        b"\x81\x90\x02",
        ext(99, b""),
        ext(2, b""),
        ext(2, b"\x80"),
        ext(3, b"\x91\x90"),  # a list in a set
        ext(5, b"\x91\x01"),  # a key without a value
        ext(5, b"\x92\x90\x01"),  # a list as a key
        ext(6, b"\x91\xcb" + struct.pack(">d", 1)),
        ext(7, b"0x1"),
        ext(7, b"1_0"),
        ext(7, b"\xff"),
        ext(8, b"123"),
        ext(9, b"yesterday"),
        ext(9, b"2024-13-01T00:00:00"),
        ext(10, b"2024-02-30"),
        ext(11, b"25:00"),
        ext(12, b"\x93\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"),
        ext(12, b"\x93\xa1a\x00\x00"),
        ext(13, b"\x93\x01\x02\x80"),
        ext(13, b"\x92\xa1a\xa1b"),
        ext(13, b"\x93\xa1a\xa1b\x90"),
        ext(14, b"\xff"),
    ],
)
def test_malformed(engine: str, data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


@pytest.mark.parametrize("what", [None, 1, "text", [b""]])
def test_not_bytes(what: Any) -> None:
    with pytest.raises(Invalid):
        decode(what)


@pytest.mark.parametrize("levels", [65, 600, 5000, 300_000])
@pytest.mark.parametrize("head", [b"\x91", b"\x81\xa1k", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"])
def test_deep_nesting(engine: str, head: bytes, levels: int) -> None:
    with pytest.raises((LimitExceeded, Invalid)) as caught:
        decode(head * levels + b"\xc0")
    assert caught.value.details.get("limit") == "depth"


@pytest.mark.parametrize("levels", [65, 2000])
def test_deep_extensions(engine: str, levels: int) -> None:
    data = b"\xc0"
    for _ in range(levels):
        data = ext(2, b"\x91" + data)
    with pytest.raises(LimitExceeded) as caught:
        decode(data)
    assert caught.value.details["limit"] == "depth"


def test_many_containers_are_not_deep(engine: str) -> None:
    value = [[[n], {"n": (n,)}] for n in range(500)]
    assert decode(encode(value)) == value


def test_lengths_are_not_believed(engine: str) -> None:
    """A thousand nested arrays, each saying it has as many items as there are bytes."""
    size = 1 << 20
    data = (b"\xdd" + struct.pack(">I", size // 2)) * 1000
    data += b"\xc0" * (size - len(data))
    tracemalloc.start()
    try:
        with pytest.raises((Invalid, LimitExceeded)):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 30 * size
    finally:
        tracemalloc.stop()


def test_size_is_limited() -> None:
    with pytest.raises(LimitExceeded) as caught:
        decode(b"\xc4\x03abc", limit=4)
    assert caught.value.details["limit"] == "size"


def test_timestamps_of_other_writers(engine: str) -> None:
    assert show(decode(b"\xd6\xff\x00\x00\x00\x01")) == "datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)"
    with pytest.raises(Invalid):
        decode(b"\xc7\x0c\xff\xff\xff\xff\xff" + b"\x7f" + b"\xff" * 7)


def test_msgpack_without_its_extension() -> None:
    """The real fallback, as the environment variable chooses it."""
    code = (
        "import msgpack; from emerge_wasm.codec import *\n"
        "assert msgpack.Packer.__module__ == 'msgpack.fallback'\n"
        "value = {'a': [1, (2,), {3: 2**70}], 'b': Record('A', 'h', {'x': {1}})}\n"
        "assert decode(encode(value)) == value\n"
    )
    environment = {**os.environ, "MSGPACK_PUREPYTHON": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("make", [set, frozenset, lambda keys: dict.fromkeys(keys, 0)])
def test_keys_of_one_hash_are_refused(make: Any) -> None:
    """Putting them together takes quadratic time: 60,000 of them held a node for a minute."""
    same = [number * ((1 << 61) - 1) for number in range(1, 300)]
    with pytest.raises(Invalid, match="the same hash"):
        decode(encode({"keys": make(same)}))
    assert decode(encode(make(same[:90]))) == make(same[:90])
    assert len(decode(encode(make(range(5000))))) == 5000
