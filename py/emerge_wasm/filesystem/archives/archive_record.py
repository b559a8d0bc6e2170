"""Parse and check one record of an archive (see `export_load.py`), which may be malformed or malicious. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ...codec import BlockTree, bundles_in, decode
from ...errors import Conflict, EmergeError, Invalid
from ...objects import BLOB, DIRECTORY
from ...operations import Wire
from ...paths import join_path, split_path
from ..layout.access import mode_of
from ..layout.moment import format_date
from ..layout.place import PathNames
from ..layout.record import ROOT, link_value, size_of
from ..objects.retention import check_keep
from ..tree.find import REMOVED

OF_ENTRY = ("version", "name", "type", "class_name", "bundle", "perms", "owner", "group", "revision", "date", "keep")
OF_VERSION = ("author", "operation", "parent_revision")
TEXT_LIMIT = 1000
_TEXTS = {*OF_ENTRY, *OF_VERSION} - {"version"}
_MALFORMED = (EmergeError, ValueError, TypeError, LookupError, OverflowError)


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """Versions of one object, oldest first, and the names of its path below the target directory."""

    names: PathNames
    uuid: bytes
    versions: list[Wire]

    @property
    def newest(self) -> Wire:
        return self.versions[-1]

    @property
    def is_directory(self) -> bool:
        return bool(self.newest["type"] == DIRECTORY)

    @property
    def state(self) -> bytes | None:
        """The state of the newest version; None for a directory."""
        states = {row["content"]: row["state"] for row in self.versions if row["state"] is not None}
        return states.get(self.newest["content"])

    @property
    def trees(self) -> dict[bytes, int]:
        """The roots of the block maps of all files among its versions, with the sizes of these files."""
        blobs = [decode(row["state"]) for row in self.versions if row["type"] == BLOB and row["state"] is not None]
        contents = [fields.get("content") for fields in blobs]
        return {each.root: each.size for each in contents if isinstance(each, BlockTree)}

    def joined(self, other: ArchiveRecord) -> ArchiveRecord:
        """Join this and the next record of the same object; raise Conflict when `other` is no such record."""
        if self.uuid != other.uuid or self.newest["version"] >= other.versions[0]["version"] or self.is_directory:
            path = join_path(*self.names)
            raise Conflict(f"{path} is twice in this archive", path=path, remedy="export it again")
        return replace(self, versions=self.versions + other.versions)

    @property
    def bundles(self) -> set[str]:
        """The hashes of all classes that its states need."""
        states = (bundles_in(row["state"]) for row in self.versions if row["state"])
        return {row["bundle"] for row in self.versions}.union(*states)


def read_record(record: Any) -> ArchiveRecord:
    """Parse a record of an archive; raise Invalid, naming its path, when it is malformed."""
    path = record.get("path") if isinstance(record, dict) else None
    try:
        read = ArchiveRecord(split_path(path), bytes.fromhex(record["uuid"]), list(record["versions"]))
        _check(read)
    except _MALFORMED as error:
        said = f": {error}" if str(error) else ""
        raise Invalid(f"the record of {str(path)[:200]!r} in this archive is malformed{said}", path=path) from None
    return read


def _check(record: ArchiveRecord) -> None:
    if len(record.uuid) != 16 or not record.versions:
        raise ValueError("it has no uuid, or no versions")
    last, held = 0, set[int]()
    for row in record.versions:
        _check_row(row)
        if row["version"] <= last or (row["type"] == DIRECTORY) != record.is_directory:
            raise ValueError(f"version {row['version']} cannot come after version {last}")
        last = row["version"]
        if row["state"] is not None:
            held.add(row["content"])
        elif not (record.is_directory or row["content"] in held):
            raise ValueError(f"version {last} has no state")
    if record.newest["operation"] == REMOVED:
        raise ValueError("it was removed")
    if record.uuid == ROOT and (record.names or not record.is_directory):
        raise ValueError("its uuid is that of /")


def _check_row(row: Wire) -> None:
    for key in _TEXTS:
        if type(row[key]) is not str or len(row[key]) > TEXT_LIMIT:
            raise ValueError(f"{key} is not a short text")
    for key in ("version", "content"):
        if type(row[key]) is not int or not 0 <= row[key] < 2**63:
            raise ValueError(f"{key} is not a number of a version")
    if row["type"] not in ("file", "object", BLOB, DIRECTORY):
        raise ValueError(f"{row['type'][:40]!r} is not a type")
    mode_of(row["perms"])
    link_value(True, row["date"])
    if format_date(datetime.fromisoformat(row["date"])) != row["date"]:
        raise ValueError(f"{row['date'][:40]!r} is not a date as Emerge writes it")
    if check_keep(row["keep"]) != row["keep"]:
        raise ValueError(f"{row['keep'][:40]!r} does not say what to keep")
    if row["state"] is not None and (row["type"] == DIRECTORY or not isinstance(decode(row["state"]), dict)):
        raise ValueError("a state is not a map of fields")
    if row["state"] is not None:
        size_of(row["type"], row["state"])
