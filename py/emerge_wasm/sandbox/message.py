"""What a node and its worker say to each other, and the shapes that a node accepts. Pure.

A node sends encoded lists (see codec): RUN, EVALUATE and PROBE; ANSWER, ITEMS and ERROR to what was asked meanwhile.
A worker sends msgpack lists: READY once; TEXT, ASK, OPEN, NEXT and SHUT while it works; then DONE, VALUES or FAILED.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..codec import decode
from ..errors import EmergeError, error_from_wire
from .frame import BadFrame, parse_message


class Kind:
    """The first field of a message. Plain numbers, since what is encoded is plain."""

    RUN, EVALUATE, PROBE, ANSWER, ITEMS, ERROR = range(6)
    READY, TEXT, ASK, OPEN, NEXT, SHUT, DONE, VALUES, FAILED, PROBED = range(10, 20)


@dataclass(frozen=True, slots=True)
class Ready:
    """`missing` are the layers that it is not closed in by: why. `peak` as in Done: what it begins with."""

    missing: dict[str, str]
    peak: int


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """An operation, to be answered."""

    name: str
    args: list[Any]
    context: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Open:
    """A stream under a number of the worker's; not answered. `size`: bytes of its arguments."""

    stream: int
    name: str
    args: list[Any]
    context: dict[str, Any] | None
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Next:
    """The items that a stream has, at least one; answered by ITEMS."""

    stream: int


@dataclass(frozen=True, slots=True)
class Shut:
    """No more of a stream; not answered."""

    stream: int


@dataclass(frozen=True, slots=True)
class Done:
    """A method's end: encoded result and state (None: unchanged). `peak`: bytes of memory that the worker has used."""

    result: bytes
    state: bytes | None
    milliseconds: float
    peak: int


@dataclass(frozen=True, slots=True)
class Values:
    """An expression's end: the encoded list of values and map of errors."""

    data: bytes
    peak: int


@dataclass(frozen=True, slots=True)
class Failed:
    error: EmergeError
    peak: int


@dataclass(frozen=True, slots=True)
class Probed:
    """What each attack got ("" when it was stopped), and what stopped it."""

    outcomes: dict[str, list[str]]
    peak: int = -1


Message = Ready | Text | Ask | Open | Next | Shut | Done | Values | Failed | Probed


def parse(data: bytes) -> Message:
    """What a worker said. BadFrame for all that is not exactly one of its messages."""
    match parse_message(data):
        case [Kind.DONE, bytes() as result, (bytes() | None) as state, float() as milliseconds, int() as peak]:
            return Done(result, state, milliseconds, peak)
        case [Kind.TEXT, str() as text]:
            return Text(text)
        case [Kind.ASK, str() as name, bytes() as args]:
            return Ask(name, *_call(args))
        case [Kind.OPEN, int() as stream, str() as name, bytes() as args]:
            return Open(stream, name, *_call(args), size=len(args))
        case [Kind.NEXT, int() as stream]:
            return Next(stream)
        case [Kind.SHUT, int() as stream]:
            return Shut(stream)
        case [Kind.VALUES, bytes() as values, int() as peak]:
            return Values(values, peak)
        case [Kind.FAILED, bytes() as error, int() as peak]:
            return Failed(_error(error), peak)
        case [Kind.READY, dict() as missing, int() as peak] if _texts(missing):
            return Ready(missing, peak)
        case [Kind.PROBED, dict() as outcomes] if all(
            isinstance(name, str) and isinstance(each, list) and len(each) == 2 and _texts(dict(enumerate(each)))
            for name, each in outcomes.items()
        ):
            return Probed(outcomes)
    raise BadFrame("it sent something else than a message")


def _call(data: bytes) -> tuple[list[Any], dict[str, Any] | None]:
    match _plain(data):
        case [list() as args, (dict() | None) as context]:
            return args, context
    raise BadFrame("it called with something else than arguments")


def _error(data: bytes) -> EmergeError:
    match _plain(data):
        case {"code": str(), "message": str(), "path": str() | None, "remedy": str() | None, "details": dict()} as wire:
            try:
                return error_from_wire(wire)
            except TypeError:
                pass
    raise BadFrame("it sent an impossible error")


def _plain(data: bytes) -> Any:
    try:
        return decode(data)
    except EmergeError as error:
        raise BadFrame(f"it sent what cannot be read: {error.message}") from None


def _texts(found: dict[Any, Any]) -> bool:
    return all(isinstance(value, str) for value in found.values())
