"""The classes that users derive from, EmergeObject and EmergeFile; and the pointer that a listing has for one entry.

Plain data: no I/O, no clock, no environment. An object's *metadata* says where it is and which version;
its *state* is everything else it holds (see `codec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, cast

from .paths import child_path

if TYPE_CHECKING:
    from .results import PointerRow

DIRECTORY = "directory"
BLOB = "blob"
"""The type of a file whose bytes are in blocks."""
DEFAULT_PERMS = "rwxr-x---"


@dataclass(kw_only=True)
class EmergeObject:
    """Anything that lives at a path. Fields are keyword-only, so a subclass may add positional ones.

    `path` is the directory and `name` the entry in it. `version` is 0 until stored; then it is the version
    that this instance was read at or stored as. `date` is UTC in ISO 8601, set by the filesystem.
    """

    id: str = ""
    name: str = ""
    path: str = "/"
    type: str = field(default="object", repr=False)
    perms: str = field(default=DEFAULT_PERMS, repr=False)
    owner: str = field(default="", repr=False, compare=False)
    group: str = field(default="", repr=False, compare=False)
    uuid: str = field(default="", repr=False, compare=False)
    node: str = field(default="", repr=False, compare=False)
    version: int = field(default=0, repr=False, compare=False)
    date: str = field(default="", repr=False, compare=False)


@dataclass(kw_only=True)
class EmergeFile(EmergeObject):
    """The usual base: an object with a free `data` field."""

    type: str = field(default="file", repr=False)
    data: Any = None


@dataclass(kw_only=True)
class EmergeBlob(EmergeObject):
    """A file whose bytes are in blocks: `put` or `open` writes it, `open` reads it.

    `content` is the root of its block map, and how many bytes it has; `layout` is its raid level. Those of a small file
    are the bytes themselves, and "inline".
    """

    type: str = field(default=BLOB, repr=False)
    content: object = None
    layout: str = ""


@dataclass(kw_only=True)
class EmergeDirectory(EmergeObject):
    """A directory, as `getobject` returns it. Storing one makes it."""

    type: str = field(default=DIRECTORY, repr=False)


METADATA_TYPES = {f.name: type(f.default) for f in fields(EmergeObject) if f.name != "id"}
METADATA = tuple(METADATA_TYPES)
"""The attributes that travel in the pointer and are not part of the state. (`id` is the user's, so state.)"""


def object_path(obj: EmergeObject) -> str:
    """Return where an object is, or will be stored: its directory and its name, which falls back to its id."""
    return child_path(obj.path, obj.name or obj.id)


@dataclass(frozen=True, slots=True)
class Pointer:
    """One entry of a directory: no state, no code.

    `class_name` and `bundle` (a hash) are empty for directories and plain state; `size` is the state's bytes;
    `revision` is globally unique per change. `removed`: the object was removed; only a listing of /registry has such.
    """

    uuid: str
    name: str
    path: str  # the directory
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
    node: str
    removed: bool = False

    @property
    def full_path(self) -> str:
        return "/" if not self.name else child_path(self.path, self.name)

    @property
    def is_directory(self) -> bool:
        return self.type == DIRECTORY

    def to_wire(self) -> PointerRow:
        """Return a plain map with these fields, as operations have it: `removed` only where it is true."""
        wire = asdict(self)
        if not self.removed:
            del wire["removed"]
        return cast("PointerRow", wire)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Make the pointer in such a map; keys unknown here (from a newer node) are dropped."""
        made = object.__new__(cls)
        for name, put in _ALWAYS:
            put(made, data[name])
        _put_removed(made, data.get("removed", False))
        return made


_ALWAYS = tuple((f.name, vars(Pointer)[f.name].__set__) for f in fields(Pointer) if f.name != "removed")
"""How each field is set, in a fifth of the time that the constructor of a frozen class takes."""

_put_removed = vars(Pointer)["removed"].__set__
