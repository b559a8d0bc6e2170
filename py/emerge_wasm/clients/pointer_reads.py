"""The client's operations that look up pointers: one of them, and a directory's.

Imports little, because the command line starts with this alone where it only lists (see `quick.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import Invalid
from ..objects import Pointer
from .partial import add_missing

if TYPE_CHECKING:
    from ..operations import Operations
    from ..results import EntryPage

PAGE = 1000
"""Entries or objects per request."""

AsOf = datetime | str | None
"""A moment: a datetime with its timezone, or ISO 8601 text (UTC by default); None is now."""


class Listing(list[Pointer]):
    """Pointers of a directory, by name. `cursor` continues a limited listing; "" means that it is complete.

    `missing` names the nodes that are away, and whose part is left out; a `PartialAnswer` warns of it.
    """

    def __init__(self, pointers: list[Pointer], cursor: str = "") -> None:
        super().__init__(pointers)
        self.cursor = cursor
        self.missing: list[str] = []

    def add(self, page: EntryPage) -> None:
        """Add a page."""
        self.extend(Pointer.from_wire(entry) for entry in page["entries"])
        self.cursor = page["cursor"]
        add_missing(self.missing, page.get("missing", ()))


class PointerReads:
    """The operations on pointers. They take `version` (0: the newest) or `as_of`."""

    remote: Operations

    async def get(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """The pointer at a path; of an older version, or a moment, when one is given."""
        return Pointer.from_wire(await self.remote.get(path, version, moment_text(as_of)))

    async def list(self, path: str = "/", cursor: str = "", limit: int | None = None, as_of: AsOf = None) -> Listing:
        """What is in a directory, by name: all of it, or with `limit` one page, continued from its `cursor`.

        What may not be read is left out. `/registry` lists every object by uuid, removed ones too.
        """
        pointers: Listing = Listing([], cursor)
        moment = moment_text(as_of)
        while True:
            page = await self.remote.list(path, pointers.cursor, PAGE if limit is None else limit, moment)
            pointers.add(page)
            if limit is not None or not pointers.cursor:
                return pointers


def moment_text(as_of: AsOf) -> str:
    """Return `as_of` in the form that operations take. Raises Invalid for a datetime without a timezone."""
    if as_of is None or isinstance(as_of, str):
        return as_of or ""
    if not isinstance(as_of, datetime):
        raise Invalid(f"as_of cannot be {type(as_of).__name__}", remedy="give a datetime, or ISO 8601 text")
    if as_of.utcoffset() is None:
        raise Invalid(
            f"{as_of.isoformat()} does not say of which timezone it is",
            remedy="give it a timezone: datetime.now(UTC), or .astimezone() for local time",
        )
    return as_of.isoformat()
