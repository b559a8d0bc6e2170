"""Parses a worker's answers and checks their shape. Pure; `wire.duplex` checks the events around them.

A node calls `ready` once, then `run`, `evaluate` and `probe`. Items precede the result: printed text, and a number
whenever the worker's memory has grown (see `HostSession`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .frame import BadFrame


class ReadyReply(NamedTuple):
    """`missing` are the layers that the worker lacks, with reasons; `peak` is its memory at the start, in bytes."""

    missing: dict[str, str]
    peak: int


class RunReply(NamedTuple):
    """A method's encoded result and state (None: unchanged)."""

    result: bytes
    state: bytes | None
    milliseconds: float


def read_ready(value: object) -> ReadyReply:
    """Parse the answer to `ready`. Like all functions here, raises BadFrame if it is malformed."""
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
    """Check the answer to `evaluate`: the encoded list of values and map of errors."""
    if isinstance(value, bytes):
        return value
    raise _wrong()


def read_probe(value: object) -> dict[str, tuple[str, str]]:
    """Parse the answer to `probe`: what each attack got ("" if it was stopped), and what stopped it."""
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
