"""One opened ZODB: its database, the connection that reads and the one that writes, and new ones when they fail.

Synchronous; reads and writes may run in two threads, one each. Must not import asyncio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from ZODB.POSException import ConflictError

from ...errors import Invalid, Unavailable
from ...store import Batch
from ..group import Answer
from .location import Place, View, mapped, meaning, open_database
from .pack import Packing
from .tree import Rows
from .write import Writer

T = TypeVar("T")
Look = Callable[[Rows], Any]
_AGAIN = 0.05  # seconds before the next attempt to read


class Base:
    """See the module. Making one opens the database, and may raise any EmergeError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._opening = threading.Lock()
        self._database: Any = open_database(place)
        self._packing: Packing | None = None
        with mapped(place), ExitStack() as undo:
            undo.callback(self._database.close)
            self._reader = View(self._database, place.remote)
            undo.callback(self._reader.close)
            self._writer = Writer(place, View(self._database, place.remote), self._replace)
            undo.callback(self._writer.view.close)
            if not place.remote:
                self._packing = self._new_packing()
            undo.pop_all()

    def write(self, batches: Sequence[Batch]) -> list[Answer]:
        """An answer for each batch; durable."""
        if self._packing is None:
            return self._writer.write(batches)
        self._writer.packed = self._packing.size
        answers = self._writer.write(batches)
        self._packing.consider()
        return answers

    def look(self, look: Callable[[Rows], T]) -> T:
        """What this sees, of the moment of the first look since `look_away`; waits for nobody. Raises EmergeError."""
        if self._reader.database is self._database:  # else the file was opened anew, and what it remembers is old
            with suppress(Exception):  # what is out of date was packed away just now, or the file is closed
                return look(self._reader.rows())
        self._reader = self._replace(self._reader)
        with mapped(self.place):
            return look(self._reader.rows())

    def look_away(self) -> None:
        self._reader.end()

    def read(self, looks: Sequence[Look]) -> list[Any]:
        """What each of these sees, all of this moment. Waits for a server that is away; raises EmergeError."""
        began = time.monotonic()
        while True:
            try:
                rows = self._reader.rows()
                return [look(rows) for look in looks]
            except Exception as error:
                told = meaning(error, self.place)
                if not isinstance(told, Unavailable | Invalid) or time.monotonic() - began > self.place.wait:
                    raise told from error
                if not isinstance(error, ConflictError):
                    self._reader = self._replace(self._reader)
            finally:
                self._reader.end()
            time.sleep(_AGAIN)

    def close(self) -> None:
        if self._packing is not None:
            self._packing.stop()
        for view in (self._reader, self._writer.view):
            with suppress(Exception):  # its server may be away
                view.close()
        with mapped(self.place):
            self._database.close()

    def abandon(self) -> None:
        """Let go of a server that does not answer; where this can be done, what waits for it is freed."""
        threading.Thread(target=self._database.storage.close, name="emerge-zodb-close", daemon=True).start()

    def _new_packing(self) -> Packing:
        try:
            last = self._writer.view.rows().number(b"packed")
        finally:
            self._writer.view.end()
        return Packing(self._database.storage, self._database.references, last)

    def _replace(self, view: View) -> View:
        """A new connection in place of one that failed; to a file opened anew when that was closed for a failure."""
        with suppress(Exception):
            view.close()
        with mapped(self.place), self._opening:
            if not self.place.remote and self._database.storage.is_closed():
                self._database = open_database(self.place)
                if self._packing is not None:
                    self._packing.move(self._database.storage, self._database.references)
            return View(self._database, self.place.remote)
