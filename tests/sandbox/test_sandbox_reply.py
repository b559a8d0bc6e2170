"""What a node takes for an answer of a worker, and what it does not: nothing but the shapes, and these whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emerge_wasm.errors import LimitExceeded
from emerge_wasm.sandbox.frame import BadFrame
from emerge_wasm.sandbox.host_session import HostSession
from emerge_wasm.sandbox.reply import read_probe, read_ready, read_run, read_values

Read = Callable[[object], object]


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (read_ready, [{}, 7], ({}, 7)),
        (read_ready, [{"seccomp": "left out"}, 7], ({"seccomp": "left out"}, 7)),
        (read_run, [b"\x01", None, 1.5], (b"\x01", None, 1.5)),
        (read_run, [b"\x01", b"\x02", 1.5], (b"\x01", b"\x02", 1.5)),
        (read_values, b"\x90", b"\x90"),
        (read_probe, {"loop": ["", "stopped"]}, {"loop": ("", "stopped")}),
    ],
)
def test_answers_cross_whole(read: Read, value: Any, found: Any) -> None:
    assert read(value) == found


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (read_ready, [{"seccomp": 1}, 7]),
        (read_ready, [{1: "seccomp"}, 7]),
        (read_ready, [{}]),
        (read_ready, None),
        (read_run, [b"", "state", 1.0]),
        (read_run, [b"", None, 1]),
        (read_run, ["", None, 1.0]),
        (read_run, [b"", None, 1.0, 7]),
        (read_run, {"result": b""}),
        (read_values, [[], []]),
        (read_values, "text"),
        (read_probe, {"x": ["y"]}),
        (read_probe, {"x": ["y", 1]}),
        (read_probe, {1: ["y", ""]}),
        (read_probe, []),
    ],
)
def test_what_is_no_answer(read: Read, value: Any) -> None:
    with pytest.raises(BadFrame):
        read(value)


def test_what_comes_before_an_answer() -> None:
    session = HostSession(None, 10)
    for item in ("12345", 7, "67890"):
        session.hear(item)
    assert (session.output, session.peak) == ("1234567890", 7)
    with pytest.raises(LimitExceeded, match="printed more"):
        session.hear("1")


@pytest.mark.parametrize("item", [b"bytes", None, True, 1.5, ["a"], {}])
def test_what_is_no_output(item: object) -> None:
    with pytest.raises(BadFrame):
        HostSession(None, 10).hear(item)
