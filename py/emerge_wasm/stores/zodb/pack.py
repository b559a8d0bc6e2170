"""Packing: a ZODB's file is rewritten without what is out of date, in a thread beside reads and commits.

A commit of one object appends some 9 KB, of which 0.8 stay current; so a file is packed once it is `GROWTH` times as
large as the last packing left it. What is behind a ZEO server, or in PostgreSQL, is packed there, by `zeopack` and
`zodbpack`. Must not import asyncio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

SMALL = 16 << 20  # bytes up to which a file is not worth packing
GROWTH = 3
_MORE = 1.1  # times as large as when packing failed: then it is tried again
_MARGIN = 1.0  # seconds of history that are kept: a reader may be looking at what was current just now


class _Stopped(Exception):
    pass


class Packing:
    """Packs one file when it is worth it."""

    def __init__(self, storage: Any, references: Callable[..., Any], last: int) -> None:
        """`last`: the file's size (bytes) after it was packed last, 0 when it never was."""
        self.size = last
        self._failed = 0  # the file's size when packing it failed
        self._storage = storage
        self._references = references
        self._thread: threading.Thread | None = None
        self._stopped = False

    def consider(self) -> None:
        """Begin to pack, unless the file is small or being packed."""
        worth = self._storage.getSize() > max(SMALL, GROWTH * self.size, _MORE * self._failed)
        if worth and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._pack, name="emerge-zodb-pack")
            self._thread.start()

    def move(self, storage: Any, references: Callable[..., Any]) -> None:
        """Go on with the same file, opened anew; what is under way fails, and nothing else begins before it has."""
        self._storage, self._references = storage, references

    def stop(self) -> None:
        """Give up, or wait for the rest of, what is under way."""
        self._stopped = True
        if self._thread is not None:
            self._thread.join()

    def _pack(self) -> None:
        try:
            self._storage.pack(time.time() - _MARGIN, self._refer)
        except _Stopped:
            return
        except Exception:  # no room for the new file, most likely: the old one is as it was
            self._failed = self._storage.getSize()
            return
        self.size, self._failed = self._storage.getSize(), 0

    def _refer(self, record: bytes, oids: list[bytes] | None = None) -> Any:
        """What the packer asks of every current record: which objects it refers to."""
        if self._stopped:
            raise _Stopped
        return self._references(record, oids)
