"""Packing: a ZODB's file is rewritten without what is out of date, in a thread beside reads and commits.

A commit of one object appends some 9 KB, of which 0.8 stay current; so a file is packed once it is several times as
large as the last packing left it. What is behind a ZEO server, or in PostgreSQL, is packed there, by `zeopack` and
`zodbpack`. Must not import asyncio.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .file import DurableFileStorage

References = Callable[[bytes, list[bytes] | None], list[bytes]]
"""What the packer asks of every current record: which objects it refers to."""

_MORE = 1.1  # times as large as when packing failed: then it is tried again
_log = logging.getLogger("emerge.stores.zodb")


@dataclass(frozen=True, slots=True)
class PackPolicy:
    """When a file is worth packing."""

    small: int = 16 << 20  # bytes up to which it is not
    growth: float = 3  # times as large as the last packing left it
    margin: float = 1.0  # seconds of history that are kept: a reader may be looking at what was current just now


class _PackStopped(Exception):
    pass


class Packer:
    """Packs one file when it is worth it."""

    def __init__(self, storage: DurableFileStorage, references: References, last: int, policy: PackPolicy) -> None:
        """`last`: the file's size (bytes) after it was packed last, 0 when it never was."""
        self.size = last
        self._failed = 0  # the file's size when packing it failed
        self._storage = storage
        self._references = references
        self._policy = policy
        self._thread: threading.Thread | None = None
        self.stopped = False  # whether `stop` was called

    def consider(self) -> None:
        """Begin to pack, unless the file is small or being packed."""
        least = max(self._policy.small, self._policy.growth * self.size, _MORE * self._failed)
        if self._storage.getSize() > least and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self.pack, name="emerge-zodb-pack")
            self._thread.start()

    def move(self, storage: DurableFileStorage, references: References) -> None:
        """Go on with the same file, opened anew; what is under way fails, and nothing else begins before it has."""
        self._storage, self._references = storage, references

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for what is under way; return whether it ended in time."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def stop(self) -> None:
        """Give up what is under way, or wait until it can be given up."""
        self.stopped = True
        self.wait()

    def pack(self) -> None:
        """Pack the file now; a failure leaves it as it was."""
        name, before = self._storage.getName(), self._storage.getSize()
        try:
            self._storage.pack(time.time() - self._policy.margin, self._refer)
        except _PackStopped:
            return
        except Exception as error:  # this thread has nobody to raise it to; most likely there is no room
            _log.warning("%s: packing failed, and is tried again when the file has grown: %r", name, error)
            self._failed = self._storage.getSize()
            return
        self.size, self._failed = self._storage.getSize(), 0
        _log.info("%s: packed from %d to %d bytes", name, before, self.size)

    def _refer(self, record: bytes, oids: list[bytes] | None = None) -> list[bytes]:
        if self.stopped:
            raise _PackStopped
        return self._references(record, oids)
