"""The syntax trees of class sources, within limits, and kept for those who look at them next. Nothing is run.

To parse a source takes 2 µs for each word and sign of it, so their number is bounded before the parser sees them, and
whoever is in an event loop looks at a long one beside it (`look_beside`), where this Python can.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import tokenize
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from ..codec.syntax_depth import check_nesting
from ..errors import EmergeError, Invalid, LimitExceeded
from ..sync import beside
from .grammar import plain_text

SOURCE_LIMIT = 1 << 19
"""Characters of the text of one class."""

WORDS_LIMIT = 1 << 15
"""Words and signs of it: some 4,000 lines of a program."""

LONG = 8 << 10
"""Characters of a text whose parsing a loop would notice."""

PARSES_BESIDE = sys.version_info >= (3, 12, 2) or (3, 11, 8) <= sys.version_info < (3, 12)
"""Whether several threads may parse at once: before, one's depth was taken for another's (CPython's issue 106905)."""

_KEPT = 1 << 19
_MORE = re.compile(rf"(?:\s*+(?:\w++|[^\w\s])){{{WORDS_LIMIT + 1}}}")
_NO_PYTHON = (tokenize.TokenError, SyntaxError, ValueError, RecursionError)
K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
P = ParamSpec("P")


class SizedCache(Generic[K, V]):
    """What was made last, by what it was made of; at most of so large a size together. For several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._rows: dict[K, tuple[V, int]] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def get(self, key: K) -> V | None:
        """Return what is kept, which so stays longer; None if there is nothing."""
        with self._lock:
            row = self._rows.pop(key, None)
            if row is None:
                return None
            self._rows[key] = row
            return row[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value; what was not asked for longest goes for it."""
        with self._lock:
            self._size += size - self._rows.pop(key, (None, 0))[1]
            self._rows[key] = (value, size)
            while self._size > self._most:
                self._size -= self._rows.pop(next(iter(self._rows)))[1]


_TREES: SizedCache[str, ast.Module | EmergeError] = SizedCache(_KEPT)


async def look_beside(look: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what parses long texts, in another thread where this Python can."""
    return await beside(look, *args, **kwargs) if PARSES_BESIDE else look(*args, **kwargs)


def is_new(text: str) -> bool:
    """Tell whether `parsed` would take long."""
    return len(text) > LONG and text not in _TREES


def parsed(text: str) -> ast.Module:
    """Parse a bundle's source; what it has of newer Pythons than this one is left out. The tree is kept:
    change nothing of it.

    Raises:
        Invalid: it is no Python that this version can parse.
        LimitExceeded: it nests too deep, or is too long; `details["limit"]` is "nesting" or "source".
    """
    found = _TREES.get(text)
    if found is None:
        try:
            found = _parse(text)
        except EmergeError as error:
            found = error
        _TREES.put(text, found, len(text))
    if isinstance(found, EmergeError):
        raise found.with_traceback(None)
    return found


def _parse(text: str) -> ast.Module:
    if len(text) > SOURCE_LIMIT or (len(text) > WORDS_LIMIT and _MORE.match(text)):
        raise LimitExceeded(
            f"the class's source has more than {SOURCE_LIMIT} characters or {WORDS_LIMIT} words and signs",
            remedy="it runs, and `code` shows it; to have it described, keep data out of its text",
            limit="source",
        )
    try:
        return _tree(text)
    except _NO_PYTHON:
        pass
    try:
        return _tree(plain_text(text))
    except _NO_PYTHON as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise Invalid(
            f"the class's source is no text of Python {sys.version_info.major}.{sys.version_info.minor}{line}"
        ) from None


def _tree(text: str) -> ast.Module:
    check_nesting(text)
    return ast.parse(text)
