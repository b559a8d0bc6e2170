"""The shapes of what a worker may answer. Pure; the events around them are checked by `wire.duplex`.

A node calls `ready` once, then `run`, `evaluate` and `probe`. Before the result come items: text that was printed, and
a number whenever the worker's memory has grown (see `HostSession`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .frame import BadFrame


class ReadyReply(NamedTuple):
    """`missing` are the layers that do not close the worker in: why. `peak`: bytes of memory that it begins with."""

    missing: dict[str, str]
    peak: int


class RunReply(NamedTuple):
    """The encoded result and state (None: unchanged) of a method."""

    result: bytes
    state: bytes | None
    milliseconds: float


def read_ready(value: object) -> ReadyReply:
    """BadFrame, as in all of these, for anything else."""
    match value:
        case [dict() as missing, int() as peak] if _are_texts(missing) and _are_texts(missing.values()):
            return ReadyReply(missing, peak)
    raise _wrong()


def read_run(value: object) -> RunReply:
    match value:
        case [bytes() as result, (bytes() | None) as state, float() as milliseconds]:
            return RunReply(result, state, milliseconds)
    raise _wrong()


def read_values(value: object) -> bytes:
    """The encoded list of an expression's values, and map of its errors."""
    if isinstance(value, bytes):
        return value
    raise _wrong()


def read_probe(value: object) -> dict[str, tuple[str, str]]:
    """What each attack got ("" when it was stopped), and what stopped it."""
    if not isinstance(value, dict):
        raise _wrong()
    outcomes = {}
    for name, outcome in value.items():
        match outcome:
            case [str() as got, str() as stopped] if isinstance(name, str):
                outcomes[name] = got, stopped
            case _:
                raise _wrong()
    return outcomes


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _wrong() -> BadFrame:
    return BadFrame("it sent another answer than this call has")
