"""Whether a filesystem has what another one has: compared by versions and, where those differ, by newest states."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Self

from ..errors import NotFound
from ..filesystem.core import Core
from ..filesystem.layout.ancestry import GONE, LEFT
from ..filesystem.layout.locality import PAGE_ROWS
from ..filesystem.layout.record import ROOT, VersionRecord, version_key
from ..filesystem.tree.find import locate
from ..filesystem.tree.links import newest_record
from ..filesystem.tree.load import load_state


class Known(NamedTuple):
    """A version of an object that one filesystem has, as another one is asked for it; `state`: a hash, b"" is none."""

    uuid: bytes
    version: int
    revision: str
    state: bytes = b""

    @classmethod
    def of(cls, record: VersionRecord) -> Self:
        return cls(record.raw[:16], record.entry.version, record.entry.revision)

    @classmethod
    async def of_state(cls, core: Core, record: VersionRecord) -> Self:
        """The version that the state of a version comes from: a move, or a change of rights, makes no state."""
        uuid, content = record.raw[:16], record.entry.content
        (raw,) = await core.store.get([("versions", version_key(uuid, content))])
        made = record if raw is None or record.operation in GONE else VersionRecord.unpack(raw)
        return cls.of(made)._replace(state=await hash_state(core, record))


async def are_known(core: Core, asked: Sequence[Known]) -> list[bool | str]:
    """Tell of each whether that version is in the history of this filesystem, or its state is the object's of now.

    Where a state is asked for and the object went to another filesystem: the path that it went to.
    """
    raws = await core.store.get([("versions", version_key(each.uuid, each.version)) for each in asked])
    found: list[bool | str] = []
    for each, raw in zip(asked, raws, strict=True):
        known = (raw is not None and VersionRecord.unpack(raw).entry.revision == each.revision) or await _is_state(
            core, each
        )
        found.append((await left_to(core, each.uuid) or await _is_whole(core, each)) if known and each.state else known)
    return found


async def _is_whole(core: Core, asked: Known) -> bool:
    """Tell whether something is where it can be found, or was removed: what was moved in may have come in part."""
    record = await newest_record(core, asked.uuid)
    if record is None or record.operation in GONE:
        return record is not None
    try:
        return bool(await locate(core, asked.uuid))
    except NotFound:
        return False


async def left_to(core: Core, uuid: bytes) -> str:
    """The path that something went to, in another filesystem, alone or with its directory; "" where it did not."""
    record = await newest_record(core, uuid)
    while record is not None and record.operation == LEFT:
        if record.origin or record.parent == ROOT:
            return record.origin
        record = await newest_record(core, record.parent)
    return ""


async def _is_state(core: Core, asked: Known) -> bool:
    record = await newest_record(core, asked.uuid) if asked.state else None
    return record is not None and await hash_state(core, record) == asked.state


async def hash_state(core: Core, record: VersionRecord) -> bytes:
    """Hash the state of a version; b"" where it has none."""
    if record.operation in GONE or record.entry.is_directory:
        return b""
    try:
        return hashlib.sha256(await load_state(core, record.entry, record.entry.name)).digest()
    except NotFound:
        return b""


async def newest_records(core: Core) -> AsyncIterator[list[VersionRecord]]:
    """Yield the newest version of everything that is or was in a filesystem, some at a time."""
    start, newest = b"", dict[bytes, bytes]()
    while rows := await core.store.scan("versions", start, limit=PAGE_ROWS):
        newest.update((key[:16], raw) for key, raw in rows)
        last, start = rows[-1][0][:16], rows[-1][0] + b"\0"
        goes_on = newest.pop(last)  # perhaps with the next row
        yield [VersionRecord.unpack(raw) for raw in newest.values()]
        newest = {last: goes_on}
    yield [VersionRecord.unpack(raw) for raw in newest.values()]
