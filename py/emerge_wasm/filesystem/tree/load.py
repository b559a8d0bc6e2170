"""Load pages of directories and states, and format versions as operations answer them."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import Invalid, NotFound
from ...operations import Context
from ...results import VersionRow
from ...store import prefix_end
from ..core import Core
from ..layout.access import readable
from ..layout.ancestry import is_purged
from ..layout.locality import PAGE_ROWS
from ..layout.moment import read_moment
from ..layout.record import Entry, VersionRecord, entry_key, version_key
from .find import REMOVED, Found, find_directory
from .links import children_at

PAGE_LIMIT = 10_000
PAGE_BYTES = 4 << 20
"""Bytes of states at which a page of objects ends, so that it fits into any transport's message."""


def check_limit(limit: int) -> int:
    if not 1 <= limit <= PAGE_LIMIT:
        raise Invalid(f"a limit of {limit} is not between 1 and {PAGE_LIMIT}", remedy="ask page by page")
    return limit


class DirectoryPage(NamedTuple):
    """Entries of one directory that the caller may see; `last` is the name to continue after."""

    directory: str
    entries: list[Entry]
    last: str


async def children(core: Core, parent: bytes, after: str = "", limit: int = PAGE_ROWS) -> list[bytes]:
    """Return at most `limit` packed entries of a directory, by name, after the name `after`."""
    start = entry_key(parent, after) + b"\0" if after else parent
    return [raw for _, raw in await core.store.scan("entries", start, prefix_end(parent), limit=limit)]


async def raws_of(core: Core, found: Found, after: str, limit: int, as_of: str) -> list[bytes]:
    """Return at most `limit` packed entries of a directory, now or at a moment, by name, after the name `after`."""
    moment = read_moment(as_of)
    if moment:
        return await children_at(core, found.uuid, moment, after, limit)
    return await children(core, found.uuid, after, limit)


async def page_of(
    core: Core, context: Context, path: str, cursor: str, limit: int, as_of: str
) -> tuple[DirectoryPage, bool]:
    """Return a page of a directory, and whether there may be more."""
    check_limit(limit)
    found = await find_directory(core, context, path, "r", as_of)
    raws = await raws_of(core, found, cursor, limit, as_of)
    entries = [Entry.unpack(raw) for raw in raws]
    last = entries[-1].name if entries else ""
    return DirectoryPage(found.path, readable(context, entries), last), len(raws) == limit


async def load_state(core: Core, entry: Entry, path: str) -> bytes:
    """Return the encoded state of an entry; raise Invalid for a directory, which has none."""
    if entry.is_directory:
        raise Invalid(f"{path} is a directory and has no state", path=path, remedy="list it, or name an object in it")
    key = version_key(entry.uuid, entry.content)
    raw = (await core.store.get([("versions", key)]))[0]
    state = VersionRecord.state_in(raw) if raw is not None else None
    if state is None:
        state = (await core.store.get([("states", key)]))[0]
    if state is None:
        raise NotFound(f"the state of {path} at version {entry.version} is gone from the store", path=path)
    return state


def shown_operation(record: VersionRecord) -> str:
    """The name of the operation that made a version, for a caller."""
    return "purge" if is_purged(record) else record.operation


def wire_version(core: Core, record: VersionRecord) -> VersionRow:
    """Return a version as operations answer it: its pointer, author, operation and where it came from."""
    pointer = record.entry.wire(record.directory, core.node)
    origin = "" if record.operation == REMOVED else record.origin
    made: VersionRow = {
        **pointer,
        "author": record.author,
        "operation": shown_operation(record),
        "from": origin,
        "cause": record.cause,
    }
    if not record.cause:
        del made["cause"]
    return made
