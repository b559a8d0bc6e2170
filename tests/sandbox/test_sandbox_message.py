"""What a node takes from a worker, and what it does not: nothing but the messages, and these whole."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from emerge_wasm.codec import encode
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.sandbox.frame import HEADER, BadFrame, pack_message
from emerge_wasm.sandbox.message import Ask, Done, Failed, Kind, Open, Ready, Text, Values, parse


def sent(*fields: Any) -> bytes:
    return pack_message(*fields)[HEADER.size :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sent(Kind.READY, {}, 7), Ready({}, 7)),
        (sent(Kind.TEXT, "a"), Text("a")),
        (sent(Kind.ASK, "list", encode([["/"], None])), Ask("list", ["/"], None)),
        (sent(Kind.OPEN, 3, "dir", encode([["/"], {"umask": 7}])), Open(3, "dir", ["/"], {"umask": 7})),
        (sent(Kind.DONE, b"\x01", None, 1.5, 7), Done(b"\x01", None, 1.5, 7)),
        (sent(Kind.VALUES, b"\x90", 7), Values(b"\x90", 7)),
    ],
)
def test_messages_cross_whole(data: bytes, message: Any) -> None:
    assert parse(data) == message


def test_errors_cross_whole() -> None:
    error = LimitExceeded("too much", path="/a", remedy="less", limit="output", output="x")
    message = parse(sent(Kind.FAILED, encode(error.to_wire()), 7))
    assert isinstance(message, Failed) and isinstance(message.error, LimitExceeded)
    assert message.error.to_wire() == error.to_wire() and message.peak == 7


WIRE: dict[str, Any] = {"code": "Invalid", "message": "x", "path": None, "remedy": None, "details": {}}


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("TEXT", "a"),
        (99,),
        (Kind.RUN, "x"),
        (Kind.TEXT,),
        (Kind.TEXT, b"bytes"),
        (Kind.TEXT, "a", "b"),
        (Kind.READY, {"seccomp": 1}, 7),
        (Kind.DONE, b"", "state", 1.0, 0),
        (Kind.DONE, b"", None, 1, 0),
        (Kind.ASK, "list", b"\xc1"),
        (Kind.ASK, "list", encode(["/"])),
        (Kind.ASK, "list", encode([["/"], []])),
        (Kind.OPEN, "1", "list", encode([[], None])),
        (Kind.NEXT, None),
        (Kind.FAILED, encode({}), 0),
        (Kind.FAILED, encode([]), 0),
        (Kind.FAILED, encode({**WIRE, "code": 1}), 0),
        (Kind.FAILED, encode({**WIRE, "path": 1}), 0),
        (Kind.FAILED, encode({**WIRE, "details": {"message": "y"}}), 0),
        (Kind.PROBED, {"x": ["y"]}),
    ],
)
def test_what_is_no_message(fields: tuple[Any, ...]) -> None:
    with pytest.raises(BadFrame):
        parse(sent(*fields))


@pytest.mark.parametrize("data", [b"", b"\xc1", msgpack.packb(None), msgpack.packb({1: 2}), b"\x91" * 5000])
def test_what_is_no_list(data: bytes) -> None:
    with pytest.raises(BadFrame):
        parse(data)
