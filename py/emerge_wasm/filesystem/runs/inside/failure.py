"""Turns failures of shipped code into EmergeErrors whose tracebacks leave out the frames of this package.

Pure: makes errors and runs nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath
from types import TracebackType

from ....errors import EmergeError, ExecutionFailed, LimitExceeded
from ...runner import RunCall
from .capture import Stop

_PACKAGE = str(PurePath(__file__).parents[3])
_LONGEST = 20_000
_BETWEEN = ("msgpack", "asyncio")
"""What runs between parts of this package: msgpack, which is pure in Pyodide, and the loop that awaits a method."""


class Raised(Exception):
    """Wraps an error that shipped code raised, to tell it from the errors of this package."""

    def __init__(self, error: BaseException, message: str) -> None:
        self.error = error
        self.message = message


class _UserCode:
    """A block in which shipped code runs. It holds nothing of one block, so that one serves many."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Raised) and not _is_ours(error):
            raise Raised(error, self._message) from None


@cache
def user_code(message: str = "") -> _UserCode:
    """Return a context that attributes errors raised in it to the shipped code, unless this package raised them."""
    return _UserCode(message)


def fault(error: BaseException, call: RunCall, output: str) -> EmergeError:
    """Return the EmergeError to raise for any exception of a call."""
    message = ""
    if isinstance(error, Raised):
        message = error.message
        error = error.error
    if isinstance(error, Stop):
        return _limit(error, error.limit, error.message, call, output)
    if isinstance(error, MemoryError):
        return _limit(error, "memory", "it needs more memory than it may have", call, output)
    if isinstance(error, EmergeError) and _is_ours(error):
        error.path = error.path or call.path
        error.details.setdefault("output", output)
        return error
    what = describe(error)
    return ExecutionFailed(
        f"{call.title}: {message}: {what}" if message else f"{call.title} raised {what}",
        path=call.path,
        traceback=format_trace(error),
        output=output,
    )


def _limit(error: BaseException, limit: str, message: str, call: RunCall, output: str) -> LimitExceeded:
    trace = format_trace(error, stack_only=True)
    return LimitExceeded(f"{call.title}: {message}", path=call.path, limit=limit, traceback=trace, output=output)


def _is_ours(error: BaseException) -> bool:
    """Return whether this package raised it: an EmergeError that shipped code raised is that code's failure."""
    return isinstance(error, EmergeError) and own_frames_only(error)


def own_frames_only(error: BaseException) -> bool:
    """Return whether only code of this package was running when it was raised."""
    trace = error.__traceback__
    while trace is not None:
        if not _is_framework(trace):
            return False
        trace = trace.tb_next
    return True


def _is_framework(trace: TracebackType) -> bool:
    frame = trace.tb_frame
    name = str(frame.f_globals.get("__name__"))
    return frame.f_code.co_filename.startswith(_PACKAGE) or name.partition(".")[0] in _BETWEEN


def describe(error: BaseException) -> str:
    """Return `ValueError: the price is negative`, even if the error's own `__str__` fails."""
    lines = traceback.TracebackException(type(error), error, None).format_exception_only()
    text = " ".join("".join(lines).split())
    return text if len(text) <= 500 else text[:497] + "..."


def format_trace(error: BaseException, *, stack_only: bool = False) -> str:
    """Format the traceback as Python prints it, without the frames of this package and what it calls others by."""
    try:
        shown = traceback.TracebackException.from_exception(error)
        _trim(shown, set())
        text = "".join(shown.stack.format() if stack_only else shown.format())
    except Exception as fault:  # formatting calls the exception's own methods, which may fail
        text = f"(no traceback: {type(fault).__name__})"
    return text if len(text) <= _LONGEST else text[: _LONGEST // 2] + "\n  ...\n" + text[-_LONGEST // 2 :]


def _of_others(stack: traceback.StackSummary) -> Iterator[traceback.FrameSummary]:
    """Yield the frames of neither this package nor what it runs between its parts."""
    ours = False
    for frame in stack:
        if frame.filename.startswith(_PACKAGE):
            ours = True
        elif not (ours and PurePath(frame.filename).parent.name in _BETWEEN):
            ours = False
            yield frame


def _trim(shown: traceback.TracebackException, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    shown.stack = traceback.StackSummary.from_list(_of_others(shown.stack))
    for inner in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        if inner is not None:
            _trim(inner, seen)
