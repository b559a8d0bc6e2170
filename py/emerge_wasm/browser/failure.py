"""Describes errors for the page. Pure."""

from __future__ import annotations

import asyncio
import linecache
import traceback

from ..errors import EmergeError
from ..filesystem.runs.inside.failure import format_trace
from .protocol.view import FailureView

LONGEST = 500  # characters of a message
STOPPED = (KeyboardInterrupt, asyncio.CancelledError)


def is_stop(error: BaseException) -> bool:
    """Whether a cell was stopped: Pyodide's own errors hide that where Stop came while they were making a value."""
    hidden = error.__cause__ if type(error).__module__.startswith("pyodide") else None
    return isinstance(error, STOPPED) or isinstance(hidden, STOPPED)


def failure_of(error: BaseException, *, traced: bool = False) -> FailureView:
    """Describe an error; `traced` adds the traceback of an Emerge error too (for cells)."""
    if is_stop(error):
        shown = KeyboardInterrupt().with_traceback(error.__traceback__)
        return _failure("Error", "stopped", traceback=format_trace(shown))
    if isinstance(error, EmergeError):
        remote = error.details.get("traceback")
        trace = format_trace(error) if traced else remote if isinstance(remote, str) else None
        return _failure(error.code, error.message, path=error.path, remedy=error.remedy, traceback=trace)
    if isinstance(error, SyntaxError) and (error.filename or "").startswith("<cell"):
        error.text = error.text or linecache.getline(str(error.filename), error.lineno or 0)
        lines = traceback.format_exception_only(error)  # found before anything ran: there are no frames
        return _failure("Error", _words(error), traceback="".join(lines))
    remedy = getattr(error, "remedy", None)  # of a package that is missing
    told = remedy if isinstance(remedy, str) else None
    return _failure("Error", _words(error), remedy=told, traceback=format_trace(error))


def _words(error: BaseException) -> str:
    """Return the type and the message, in the lines that it has; even if the error's own `__str__` fails."""
    if isinstance(error, SyntaxError):  # of which Python would tell the place as well, which the traceback does
        return f"{type(error).__name__}: {error.msg}"
    lines = traceback.TracebackException(type(error), error, None).format_exception_only()
    text = "".join(lines).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _failure(
    code: str, message: str, *, path: str | None = None, remedy: str | None = None, traceback: str | None = None
) -> FailureView:
    if traceback and 'File "' not in traceback:
        traceback = None  # it says no more than the message
    return {"code": code, "message": message, "path": path, "remedy": remedy, "traceback": traceback}
