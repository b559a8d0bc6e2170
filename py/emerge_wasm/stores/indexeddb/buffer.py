"""Buffers that cross between Python and JavaScript (web/packing.ts), and what JavaScript throws, as errors of ours.

Imports nothing of the browser before it is used.
"""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Iterable
from itertools import accumulate
from typing import Protocol, TypeVar

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable

ABSENT = 0xFFFFFFFF

T = TypeVar("T")


class Buffer(Protocol):
    """A JavaScript buffer."""

    def to_bytes(self) -> bytes: ...


def pack(head: list[int], parts: Iterable[bytes]) -> bytes:
    """Return one buffer as web/packing.ts reads it: the number of words, the words, the bytes."""
    return array("I", [len(head) + 1, *head]).tobytes() + b"".join(parts)


def to_buffer(head: list[int], parts: Iterable[bytes]) -> object:
    """Return the same as a JavaScript buffer."""
    from js import Uint8Array

    packed = pack(head, parts)
    buffer = Uint8Array.new(len(packed))
    buffer.assign(packed)
    return buffer


def words_of(reply: bytes) -> list[int]:
    """Return the words of a buffer's head."""
    return array("I", reply[: 4 * int.from_bytes(reply[:4], "little")]).tolist()[1:]


def cut(reply: bytes, lengths: list[int]) -> list[bytes | None]:
    """Cut the parts of these lengths out of a reply, None for each that is absent."""
    sizes = [0 if length == ABSENT else length for length in lengths]
    ends = list(accumulate(sizes, initial=4 * (len(lengths) + 1)))
    return [
        None if length == ABSENT else reply[begin:end]
        for length, begin, end in zip(lengths, ends, ends[1:], strict=False)
    ]


def cut_rows(reply: bytes, lengths: list[int]) -> list[tuple[bytes, bytes]]:
    """Cut rows out of a reply, of whose keys and values these are the lengths by turns."""
    ends = list(accumulate(lengths, initial=4 * (len(lengths) + 1)))
    return [
        (reply[begin:middle], reply[middle:end])
        for begin, middle, end in zip(ends[::2], ends[1::2], ends[2::2], strict=False)  # the last end begins none
    ]


async def mapped(name: str, promise: Awaitable[T]) -> T:
    """Await a promise; raise what it throws as an EmergeError."""
    from pyodide.ffi import JsException

    try:
        return await promise
    except JsException as error:
        raise _to_emerge_error(name, str(error.name), str(error.message)) from error


def _to_emerge_error(name: str, kind: str, message: str) -> EmergeError:
    """Return the EmergeError for a DOMException that IndexedDB threw."""
    what = f"indexeddb://{name}"
    match kind:
        case "QuotaExceededError":
            return LimitExceeded(
                f"this browser gives {what} no more room{f': {message}' if message and message != kind else ''}",
                remedy="delete what you do not need, or free disk space; nothing of this change was stored",
                limit="storage quota",
            )
        case "VersionError":
            return Invalid(f"{what} was written by a newer Emerge", remedy="reload the page to get that one")
        case "NotFoundError":
            return Invalid(f"{what} is not an Emerge store: {message}", remedy="choose another name")
        case "BlockedError":
            return Unavailable(
                f"{what} is held by another tab", remedy="close the other tabs of this page, then reload"
            )
        case "InvalidStateError":
            return Unavailable(f"{what} was closed by the browser or another tab", remedy="reload the page")
        case "AbortError":
            return Unavailable(f"{what} did not store the change", remedy="nothing of it was applied: try again")
    return Unavailable(f"{what}: {kind}: {message}", remedy="allow this page to store data, then reload it")
