"""One opened ZODB: its database, the connection that reads and the one that writes, and new ones when they fail.

Synchronous; reads and writes may run in two threads, one each. Must not import asyncio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ZODB.POSException import ConflictError, POSKeyError

from ..errors import EmergeError, Unavailable
from ..store import Batch
from .group import Answer
from .zodb_place import Place, View, mapped, meaning, open_database
from .zodb_tree import Rows
from .zodb_write import Writer

Look = Callable[[Rows], Any]
_AGAIN = 0.05  # seconds before the next attempt to read


class Base:
    """See the module. Making one opens the database, and may raise any EmergeError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._database: Any = open_database(place)
        self.reader = View(self._database, place.remote)
        self._writer = Writer(place, View(self._database, place.remote), self._renew)

    def write(self, batches: Sequence[Batch]) -> list[Answer]:
        """An answer for each batch; durable."""
        return self._writer.write(batches)

    def read(self, looks: Sequence[Look]) -> list[Any]:
        """What each of these sees, all of one moment. Waits for a server that is away; raises EmergeError."""
        began = time.monotonic()
        while True:
            try:
                rows = self.reader.begin()
                return [look(rows) for look in looks]
            except (ConflictError, POSKeyError) as error:  # a pack took what was out of date
                self._give_up(error, began)
            except Exception as error:
                self._give_up(error, began)
                self.reader = self._replace(self.reader)
            finally:
                self.reader.end()
            time.sleep(_AGAIN)

    def close(self) -> None:
        with mapped(self.place):
            self._database.close()

    def _give_up(self, error: Exception, began: float) -> None:
        """Raise what it means, unless another attempt may help."""
        told = meaning(error, self.place)
        if not isinstance(told, Unavailable) or time.monotonic() - began > self.place.wait:
            raise told from error
