"""Finish a transaction: give its rows one date, or make the error that names what others changed."""

from __future__ import annotations

from ...context import Context
from ...errors import Conflict, NotFound
from ...paths import child_path, join_path, split_path
from ...query.order import sort_key, split_keys
from ...store import Batch
from ..core import Core
from ..indexes.index_row import NOWHERE, REST, index_prefix
from ..indexes.maintain import REFERENCE
from ..layout import access
from ..layout.catalogue import CATALOGUE, Catalogue
from ..layout.record import Entry, VersionRecord, micros_of
from ..tree.find import find_place, locate
from ..tree.links import newest_record

_AGAIN = "begin another transaction and do it again from what is there now"


def restamp(batch: Batch, dates: set[str], date: str, catalogue: Catalogue) -> Batch:
    """Replace `dates` by `date` in the rows of a batch, in indexes over dates too. Other dates stay."""
    micros = {micros_of(each).to_bytes(8, "big") for each in dates}

    def entry(raw: bytes) -> bytes:
        found = Entry.unpack(raw)
        return found._replace(date=date).pack() if found.date in dates else raw

    def value(space: str, raw: bytes) -> bytes:
        if space == "entries":
            return entry(raw)
        if space == "versions":
            record = VersionRecord.unpack(raw)
            return record._replace(raw=entry(record.raw)).pack()
        if space == "links" and raw[1:] in micros:
            return raw[:1] + micros_of(date).to_bytes(8, "big")
        return raw

    moved = {sort_key(each): sort_key(date) or b"" for each in dates}
    dated = {
        index_prefix(each.id): each.fields.index("date") for each in catalogue.definitions if "date" in each.fields
    }

    def place(space: str, key: bytes) -> bytes:
        at = dated.get(key[:7]) if space == "indexes" else None
        if at is None or key[7:8] in (REST, NOWHERE):
            return key
        parts = list(split_keys(key[7:-16]))
        parts[at] = moved.get(parts[at], parts[at])
        return key[:7] + b"".join(parts) + key[-16:]

    batch.puts = [(space, place(space, key), value(space, raw)) for space, key, raw in batch.puts]
    return batch


async def overtaken(core: Core, context: Context, space: str, key: bytes) -> Conflict:
    """Make the Conflict of a transaction that read a key which others have changed since.

    It names the path where there is one; `details["pointer"]` is what is there now, if the caller may read it.
    """
    if (space, key) == CATALOGUE:
        return Conflict("indexes were defined or dropped since the transaction began", remedy=_AGAIN, pointer=None)
    path = await _path_of(core, space, key)
    if path is None:
        return Conflict("something that the transaction saw was changed by others since", remedy=_AGAIN, pointer=None)
    place = await find_place(core, split_path(path))
    entry = place.entry
    pointer = None
    if entry is not None and access.may(context, place.chain[-1], "r"):
        pointer = entry.wire(place.directory, core.node)
    return Conflict(
        f"{path} was changed by others since the transaction saw it", path=path, remedy=_AGAIN, pointer=pointer
    )


async def _path_of(core: Core, space: str, key: bytes) -> str | None:
    """Return the path of a row's object (or, for a range of names, the directory); its last one if it was removed."""
    if space in ("entries", "links"):
        directory = await _path_to(core, key[:16]) if key else "/"
        name = key[16:].split(b"\0")[0].decode(errors="replace")
        return child_path(directory, name) if directory and name else directory
    if space in ("versions", "states"):
        return await _path_to(core, key[:16])
    return await _path_to(core, key[3:19]) if space == "indexes" and key.startswith(REFERENCE) else None


async def _path_to(core: Core, uuid: bytes) -> str | None:
    try:
        return join_path(*await locate(core, uuid))
    except NotFound:
        record = await newest_record(core, uuid)
        return None if record is None else child_path(record.directory, record.entry.name)
