"""The record layout of the filesystem in a store: keys, and the bytes of entries and versions.

spaces   entries    parent uuid + name  -> entry (uuid, kind, pointer fields)
         versions   uuid + version      -> version record (the entry then, its directory, author, operation and state)
         states     uuid + version      -> a state too large to stand in its version record, or one that has blocks
         blocks                         -> the large values of states, and files (see `blocks/row.py`)
         bundles    hash                -> class bundle
         log        position            -> the (uuid + version)s of one commit
         links      parent uuid + name + 0 + uuid + version -> when it appeared there, or left
         indexes    "ref" + uuid + uuid -> nothing: the second refers to the first
                    "idx", "unq", "txt" -> the rows of indexes (see `index_row.py`)
         meta       name                -> facts about the store itself; "indexes": their definitions
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Self

from ...blocks.block import INLINE_SIZE
from ...blocks.layout import INLINE
from ...codec import BlockTree, decode, trees_in
from ...codec.msgpack_engine import engine
from ...codec.references import MARK_BLOCKS
from ...errors import Invalid
from ...objects import BLOB, DIRECTORY
from ...paths import child_path
from ...results import PointerRow

ROOT = bytes(15) + b"\x01"
"""The uuid of every filesystem's root directory."""

DIRECTORY_MARK = b"d"
"""What follows the uuid in a packed entry of a directory (see `is_directory`)."""


def entry_key(parent: bytes, name: str) -> bytes:
    return parent + name.encode()


def version_key(uuid: bytes, version: int) -> bytes:
    return uuid + version.to_bytes(8, "big")


def link_key(parent: bytes, name: str, uuid: bytes, version: int) -> bytes:
    return parent + name.encode() + b"\0" + version_key(uuid, version)


def link_value(appeared: bool, date: str) -> bytes:
    """Return b"+" (appeared) or b"-" (left), and the date in microseconds."""
    return (b"+" if appeared else b"-") + micros_of(date).to_bytes(8, "big")


def micros_of(date: str) -> int:
    """Return the microseconds since 1970 of a moment in ISO 8601 with its offset."""
    if len(date) == 32 and date.isascii() and date[20:26].isdecimal():  # as entries have it
        return _second_of(date[:20], date[26:]) + int(date[20:26])
    return (datetime.fromisoformat(date) - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=64)
def _second_of(date: str, zone: str) -> int:
    return (datetime.fromisoformat(f"{date}000000{zone}") - _EPOCH) // _MICROSECOND


def date_of(micros: int) -> str:
    """Return a moment in ISO 8601 by its microseconds since 1970."""
    return (_EPOCH + micros * _MICROSECOND).isoformat(timespec="microseconds")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

INLINE_LIMIT = 64 << 10
"""A state of up to this many bytes is kept in its version record, so that one read finds both."""


def is_apart(state: bytes) -> bool:
    """Whether a state is kept in `states`: it is large, or refers to blocks, which are looked for there."""
    return len(state) > INLINE_LIMIT or (MARK_BLOCKS in state and bool(trees_in(state)))


BLOB_STATE = 200
"""Bytes of the state of a file in blocks, about, less those that it may hold inline."""


def size_of(type: str, state: bytes, directory: str = "", name: str = "") -> int:
    """Return the size that an entry shows: the bytes of its state, of a file in blocks those of the file.

    Raises:
        Invalid: the state is not that of a file in blocks.
    """
    if type != BLOB:
        return len(state)
    fields = decode(state)
    content = fields.get("content") if isinstance(fields, dict) else None
    if isinstance(content, bytes) and fields.get("layout") == INLINE and len(content) <= INLINE_SIZE:
        return len(content)
    if not isinstance(content, BlockTree):
        path = child_path(directory, name) if name else ""
        raise Invalid(
            f"the content of {path or 'a file in blocks'} can only be replaced by that of another file",
            path=path or None,
            remedy="put the file, or write it (open)",
        )
    return content.size


KeyValue = tuple[bytes, bytes]
"""One row of a space."""

Pack = Callable[[object], bytes]
"""Packs a value of msgpack's own types: many entries by one packer, which is quicker than `engine.packb`."""

VERSION_KEY_SIZE = 24

BROUGHT = b"\0"
"""What an entry of the log begins with that names versions made in another filesystem: no changes of this one."""


def log_key(position: int) -> bytes:
    return position.to_bytes(8, "big")


class Entry(NamedTuple):
    """A pointer as stored: without the directory's path and the node, which the reader knows."""

    uuid: bytes
    name: str
    type: str
    class_name: str
    bundle: str
    perms: str
    owner: str
    group: str
    size: int
    version: int
    revision: str
    date: str
    content: int  # the version whose state this is
    refs: int = 0  # how many references to others the state holds
    keep: str = ""  # a directory's rule for which versions are kept (see `objects/retention.py`)

    @property
    def is_directory(self) -> bool:
        return self.type == DIRECTORY

    @property
    def has_own_state(self) -> bool:
        """Whether this version has a state of its own, and does not share that of an older one."""
        return self.content == self.version

    @property
    def state_size(self) -> int:
        """About how many bytes the state has."""
        if self.type != BLOB:
            return self.size
        return BLOB_STATE + (self.size if self.size <= INLINE_SIZE else 0)

    def pack(self, pack: Pack = engine.packb) -> bytes:
        """Pack as uuid (16) + kind (1) + the other fields, so that resolving a path need not unpack them.

        The last two are left out where both are empty, so that such entries keep the bytes they have in older stores.
        """
        mark = DIRECTORY_MARK if self.type == DIRECTORY else b"f"
        packed = pack(self[1:] if self.refs or self.keep else self[1:_PLAIN])
        return self.uuid + mark + packed

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        fields = engine.unpackb(raw[17:])  # tuple.__new__ is quicker than the constructor
        return tuple.__new__(cls, (raw[:16], *fields, 0, "") if len(fields) == _PLAIN - 1 else (raw[:16], *fields))

    def wire(self, directory: str, node: str) -> PointerRow:
        """Return the pointer (see `objects.Pointer`) as the plain map that operations return."""
        uuid, name, type, class_name, bundle, perms, owner, group, size, version, revision, date, _, _, _ = self
        return {
            "uuid": uuid.hex(),
            "name": name,
            "path": directory,
            "type": type,
            "class_name": class_name,
            "bundle": bundle,
            "perms": perms,
            "owner": owner,
            "group": group,
            "size": size,
            "version": version,
            "revision": revision,
            "date": date,
            "node": node,
        }


def pointer_in(raw: bytes, directory: str, node: str) -> PointerRow:
    """Return the pointer of a packed entry as `Entry.unpack(raw).wire(directory, node)` does, in half the time."""
    fields = engine.unpackb(raw[17:])
    name, type, class_name, bundle, perms, owner, group, size, version, revision, date = fields[:CONTENT]
    return {
        "uuid": raw[:16].hex(),
        "name": name,
        "path": directory,
        "type": type,
        "class_name": class_name,
        "bundle": bundle,
        "perms": perms,
        "owner": owner,
        "group": group,
        "size": size,
        "version": version,
        "revision": revision,
        "date": date,
        "node": node,
    }


read_entry = lru_cache(4096)(Entry.unpack)
"""`Entry.unpack`, where the same entries are likely to be read again."""

BUNDLE, VERSION, CONTENT = (Entry._fields.index(name) - 1 for name in ("bundle", "version", "content"))
"""Their places in a packed entry, behind its first 17 bytes."""

_PLAIN = Entry._fields.index("refs")
_PLAIN_MARK = engine.packb([None] * (_PLAIN - 1))[:1]


def is_directory(raw: bytes) -> bool:
    """Whether a packed entry is a directory's."""
    return raw[16:17] == DIRECTORY_MARK


def is_plain(raw: bytes) -> bool:
    """Whether a packed entry has neither references nor a retention rule."""
    return bool(raw[17:18] == _PLAIN_MARK)


class VersionRecord(NamedTuple):
    """One version of one object: its entry, directory, author, operation and state."""

    raw: bytes  # the packed entry
    parent: bytes  # the uuid of the directory it was in
    directory: str  # the path of that directory
    author: str
    operation: str
    parent_revision: str
    origin: str  # where a moved or copied object came from, else ""
    state: bytes | None  # None: it is in `states` or at the version `Entry.content`, or this is a directory
    cause: str = ""  # as of the caller's context

    @property
    def entry(self) -> Entry:
        return Entry.unpack(self.raw)

    def pack(self, pack: Pack = engine.packb) -> bytes:
        return pack(self if self.cause else self[:-1])  # an earlier release reads rows without one

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(*engine.unpackb(raw))

    @staticmethod
    def state_in(raw: bytes) -> bytes | None:
        """Return the state alone."""
        state: bytes | None = engine.unpackb(raw)[STATE]
        return state


STATE = VersionRecord._fields.index("state")
"""Its place in a packed version."""
