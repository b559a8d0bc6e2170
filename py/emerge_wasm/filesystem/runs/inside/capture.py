"""Captures and bounds what shipped code prints. Uses no files and starts no threads; may be used from several.

Output is routed by context, so that two runs that overlap while awaiting (in a browser) do not mix their lines.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

PART = "part"
"""The limit named by a Stop that ends only one part of a call."""


class Stop(BaseException):
    """Raised to end a call that reached a limit. Not an Exception, so that `except Exception` does not swallow it."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit
        self.message = message


class Output:
    """Collects text up to a number of characters; each write beyond raises Stop. `tell` gets each piece at once."""

    def __init__(self, limit: int, tell: Callable[[str], None] | None = None) -> None:
        self.limit = limit
        self._tell = tell
        self.size = 0
        self.full = False
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        room = self.limit - self.size
        part = text if len(text) <= room else text[:room]
        if part:
            self._parts.append(part)
            self.size += len(part)
            if self._tell is not None:
                self._tell(_writable(part))
        if len(self._parts) > 1024:
            self._parts = ["".join(self._parts)]
        if len(text) > room:
            self.full = True
            self.check()
        return len(text)

    def check(self) -> None:
        """Raise Stop again if the limit was exceeded: shipped code may have caught the first one."""
        if self.full:
            raise Stop("output", f"it printed more than {self.limit} characters")

    def text(self) -> str:
        """Return what was printed so far; a lone surrogate becomes `?`, so that the text can be encoded."""
        return _writable("".join(self._parts))


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


_current: ContextVar[Output | None] = ContextVar("output", default=None)
_depth = 0
_guard = threading.Lock()  # guards _depth and sys.stdout and sys.stderr


class _Router(io.TextIOBase):
    """Replaces sys.stdout and sys.stderr while a call runs."""

    def __init__(self, fallback: Any) -> None:
        self.fallback = fallback

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output = _current.get()
        if output is not None:
            return output.write(text)
        return self.fallback.write(text) if self.fallback is not None else len(text)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        if _current.get() is None and self.fallback is not None:
            self.fallback.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base declares a plain attribute
        return "utf-8"


def capture(limit: int, tell: Callable[[str], None] | None = None) -> _Capture:
    """Return a context that collects what is printed in it into an Output of at most `limit` characters."""
    return _Capture(Output(limit, tell))


class _Capture:
    __slots__ = ("_output", "_token")

    def __init__(self, output: Output) -> None:
        self._output = output

    def __enter__(self) -> Output:
        global _depth
        self._token = _current.set(self._output)
        with _guard:
            _depth += 1
            sys.stdout = _routed(sys.stdout, _OUT)
            sys.stderr = _routed(sys.stderr, _ERR)
        return self._output

    def __exit__(self, *_: object) -> None:
        global _depth
        _current.reset(self._token)
        with _guard:
            _depth -= 1
            if not _depth:
                _restore()


_OUT, _ERR = _Router(None), _Router(None)
"""Those of the first of the calls that run at the same time: to make one, and to close it, is dear."""


def _routed(stream: object, kept: _Router) -> _Router:
    """What a call prints to in place of a stream."""
    if isinstance(stream, _Router):
        return stream
    router = kept if _depth == 1 else _Router(stream)
    router.fallback = stream
    return router


def _restore() -> None:
    if isinstance(sys.stdout, _Router):
        sys.stdout = sys.stdout.fallback
    if isinstance(sys.stderr, _Router):
        sys.stderr = sys.stderr.fallback
    for router in (_OUT, _ERR):
        kept = vars(router)
        if len(kept) > 1:  # whatever the code put there
            fallback = router.fallback
            kept.clear()
            router.fallback = fallback
