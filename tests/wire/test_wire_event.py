"""One event: what goes out comes back, what is no event is Invalid, and the envelope is read without the args."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.errors import Conflict, EmergeError, ExecutionFailed, Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.wire import event
from emerge_wasm.wire.duplex import Duplex
from emerge_wasm.wire.event import Ids
from emerge_wasm.wire.server import RequestRefused, ServerChannels

IDS = Ids()


def test_values_survive() -> None:
    args = [1, None, {"at": datetime(2024, 1, 2, tzinfo=UTC), "pair": (1, 2), "keys": {1: "a"}}]
    payload = event.encode({"message_id": b"m", "v": 3}, "store", args)
    assert event.decode(payload) == ({"message_id": b"m", "v": 3}, "store", args)


def test_top_level_tuples_of_arguments_are_lists_and_odd_maps_never_go_out_bare() -> None:
    payload = event.encode({"message_id": b"m"}, "x", [(1, 2), {1: 2}])
    _, name, args = msgpack.unpackb(payload)  # as zerorpc reads it, which drops maps with such keys
    assert (name, args[0]) == ("x", [1, 2])
    assert isinstance(args[1], msgpack.ExtType)
    assert event.decode(event.encode_ok(IDS, b"c", (1, 2))).args == [(1, 2)]


@pytest.mark.parametrize("channel", [b"c" * 32, b"", b"c" * 300, "text", "OK", "t" * 300])
def test_the_header_laid_out_by_hand_is_the_packed_one(channel: bytes | str) -> None:
    header, name, args = msgpack.unpackb(event.encode_on(IDS, channel, "STREAM", {"a": 1}))
    assert (header["v"], header["response_to"], name, args) == (3, channel, "STREAM", {"a": 1})
    assert isinstance(header["message_id"], bytes) and len(header["message_id"]) == 32
    assert type(header["response_to"]) is type(channel)


def nested(depth: int) -> bytes:
    return b"\x93\x80\xa1x" + b"\x91" * depth + b"\xc0"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x93\x80",
        b"\x92\x80\xa1x",
        b"\x93\x80\x01\x90",
        b"\x93\x80\xa1\xff\x90",
        b"\xdd\xff\xff\xff\xff",
        b"\x93\xdf\xff\xff\xff\xff",
        b"\x93\x81\xa1a\xdd\xff\xff\xff\xff",
        b"\x93\x81\x01\x02\xa1x\x90",
        b"\xa1x",
        b"\x93" + b"\x91" * 100_000,
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    for read in (event.decode, event.peek):
        with pytest.raises((Invalid, LimitExceeded)):
            read(payload)


def test_deep_and_long_events_are_refused() -> None:
    for depth in (2000, 1_000_000):
        with pytest.raises((Invalid, LimitExceeded)):
            event.decode(nested(depth))
        assert event.peek(nested(depth)) == ({}, "x")
    with pytest.raises(LimitExceeded, match="101 bytes"):
        event.decode(b"x" * 101, limit=100)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_an_emerge_error(payload: bytes) -> None:
    for read in (event.decode, event.peek):
        try:
            read(payload)
        except EmergeError:
            pass


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.text(), st.lists(PLAIN, max_size=4), st.integers(0, 400))
def test_every_truncation_is_refused(name: str, args: list[Any], cut: int) -> None:
    payload = event.encode({"message_id": b"m"}, name, args)
    assert event.decode(payload) == ({"message_id": b"m"}, name, args)
    assert event.peek(payload) == ({"message_id": b"m"}, name)
    if cut < len(payload):
        with pytest.raises((Invalid, LimitExceeded)):
            event.decode(payload[:cut])


@given(st.one_of(PLAIN, st.lists(PLAIN), st.dictionaries(st.text(), PLAIN), st.just((1, {2}, datetime.now(UTC)))))
def test_a_result_is_passed_on_as_its_bytes(value: Any) -> None:
    first = event.encode_ok(IDS, b"c", value)
    passed = event.encode_ok(IDS, b"another", event.unopened(first))
    assert event.decode(passed).args == event.decode(first).args == [event.unopened(first).open()]
    assert event.channel_id(event.decode(passed).header) == b"another"
    with pytest.raises(LimitExceeded):
        event.unopened(first, len(first) - 1)


@given(st.one_of(PLAIN, st.lists(PLAIN), st.dictionaries(st.text(), PLAIN), st.just((1, {2}, datetime.now(UTC)))))
def test_an_item_and_arguments_are_passed_on_as_their_bytes(value: Any) -> None:
    whole = event.encode_on(IDS, b"c", event.STREAM, value)
    packed = event.packed([value])
    item = event.Unopened(packed.data[1:]) if isinstance(packed, event.Unopened) else value
    passed = event.encode_on(IDS, b"c", event.STREAM, item)
    assert event.decode(passed).args == event.decode(whole).args or isinstance(value, tuple)
    sent = packed if isinstance(packed, event.Unopened) else [value]
    asked = event.decode(event.encode_request(b"c", "storeall", sent))
    assert asked.args == event.decode(event.encode_request(b"c", "storeall", [value])).args or isinstance(value, tuple)


@pytest.mark.parametrize("value", [object(), {"a": [2**70]}, "\ud800", [{1}], Ids])
def test_what_the_codec_must_write_is_not_packed(value: Any) -> None:
    assert event.packed(value) is value


@pytest.mark.parametrize("args", [[], [1, 2], None, 5])
def test_what_is_no_one_result_is_not_passed_on(args: Any) -> None:
    with pytest.raises(Invalid):
        event.unopened(event.encode_on(IDS, b"c", event.OK, args))
    with pytest.raises(Invalid):
        event.unopened(event.encode_ok(IDS, b"c", [1, 2])[:-1]).open()


def test_a_long_header_is_peeked_too() -> None:
    error = Conflict("stale", theirs=b"x" * 10_000)
    header, name = event.peek(event.encode_error(IDS, b"c", error))
    assert name == "ERR" and header["error"]["details"]["theirs"] == b"x" * 10_000


def test_errors_come_back_whole() -> None:
    sent = NotFound("nothing is there", path="/a", remedy="look", near=["/b"])
    payload = event.encode_error(IDS, b"c", sent)
    assert msgpack.unpackb(payload)[2] == ["NotFound", "nothing is there (look)", None]
    back = event.read_error(event.decode(payload))
    assert type(back) is NotFound and back.to_wire() == sent.to_wire()


KINDS = [NotFound, Conflict, Invalid, Unavailable, LimitExceeded, ExecutionFailed, EmergeError]


@given(st.sampled_from(KINDS), st.text(), st.none() | st.text(), st.none() | st.text())
def test_a_zerorpc_client_shows_code_message_and_remedy(
    kind: type[EmergeError], message: str, remedy: str | None, trace: str | None
) -> None:
    payload = event.encode_error(IDS, b"c", kind(message, remedy=remedy, **({"traceback": trace} if trace else {})))
    code, text, third = msgpack.unpackb(payload)[2]
    shown = f"{code}: {text}" if third is None else third  # as zerorpc's RemoteError is written
    for part in (kind.code, message, remedy or "", (trace or "").rstrip()):
        assert part in shown


def test_details_that_cannot_be_packed_are_left_out() -> None:
    back = event.read_error(event.decode(event.encode_error(IDS, b"c", Invalid("no", thing=object()))))
    assert type(back) is Invalid and back.details == {}


@pytest.mark.parametrize("args", [["ValueError", "bad", "trace"], ["ValueError", "bad", None], [], None, 7])
def test_a_foreign_error_is_execution_failed(args: Any) -> None:
    error = event.read_error(event.Event({}, "ERR", args))
    assert type(error) is ExecutionFailed
    if isinstance(args, list) and args:
        assert error.message == "ValueError: bad" and error.details["traceback"] == (args[2] or "")


@pytest.mark.parametrize("wire", [{}, {"code": 5}, {"details": {"message": 1}}, {"code": "Invalid", "details": {1: 2}}])
def test_a_malformed_error_is_still_an_error(wire: Any) -> None:
    assert isinstance(event.read_error(event.Event({"error": wire}, "ERR", [])), EmergeError)


@pytest.mark.parametrize("args", [[], ["/a", 1], [("a", 1), {"b": (2, 3)}], ("x",)])
@pytest.mark.parametrize("context", [None, {}, {"umask": 7}])
def test_a_request_is_laid_out_as_any_event(args: Any, context: dict[str, Any] | None) -> None:
    header: dict[str, Any] = {"message_id": IDS(), "v": 3, **({"context": context} if context else {})}
    assert event.encode_request(header["message_id"], "get", args, context) == event.encode(header, "get", args)


def many(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + b"\x90" * count


def test_what_an_event_would_become_is_bounded_in_its_header_its_name_and_its_args() -> None:
    """Fifteen megabytes of empty lists, wherever they are, are refused before there is one of them."""
    lists = many(15_000_000)
    tracemalloc.start()
    try:
        for payload in (b"\x93\x81\xa1x" + lists + b"\xa1x\x90", b"\x93\x80" + lists + b"\x90"):
            for read in (event.peek, event.decode):
                with pytest.raises((Invalid, LimitExceeded)):
                    read(payload)
        payload = b"\x93\x80\xa1x\x91" + lists
        assert event.peek(payload) == ({}, "x")
        with pytest.raises(LimitExceeded) as caught:
            event.decode(payload, cost=event.REQUEST_COST)
        assert caught.value.details["limit"] == "values"
        assert tracemalloc.get_traced_memory()[1] < 5 * len(lists)  # copies of the bytes; lists take 80 times as much
    finally:
        tracemalloc.stop()


def test_a_server_and_a_host_refuse_what_would_become_much() -> None:
    """A client hears which limit it was; a worker that sends such an event is one that broke the rules."""
    header = b"\x93\x82\xaamessage_id\xa1a\xa1v\x03\xa3get\x91"
    refused = ServerChannels().receive("peer", header + many(1_000_000), 0)
    assert isinstance(refused, RequestRefused) and refused.reason.details["limit"] == "values"
    with pytest.raises(Invalid, match="values"):
        Duplex.of_host(requests=8).receive(header + many(1_000_000))
