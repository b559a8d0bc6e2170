"""The client's operations that look: at objects, directories, code, versions and the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from ..codec import Reference
from ..errors import Invalid
from ..objects import EmergeDirectory, EmergeObject, Pointer
from ..operations import Wire
from .class_loader import ClassLoader
from .metadata import metadata_of, set_metadata
from .operations import PAGE

AsOf = datetime | str | None
"""A moment: with its timezone, or as ISO 8601 text (UTC unless it says otherwise); None is now."""


class Listing(list[Pointer]):
    """Pointers of a directory, by name. `cursor` continues a limited listing; "" means that it is complete."""

    def __init__(self, pointers: list[Pointer], cursor: str = "") -> None:
        super().__init__(pointers)
        self.cursor = cursor


class Reading(ClassLoader):
    """What can be asked for. Reads take `version` (0: the newest) or `as_of`."""

    # --- objects
    async def getobject(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The object at a path, an instance of the class it was stored with; its code is loaded here.

        A directory is an EmergeDirectory. Without loading code: see `cat` and `get`.
        """
        return await self._instance(await self._call("getobject", path, version, moment_text(as_of)))

    async def objects(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Any]:
        """Every object in a directory, as instances, fetched by the page."""
        cursor, moment = "", moment_text(as_of)
        while True:
            wire = await self._call("objects", path, cursor, PAGE, moment)
            for row in wire["objects"]:
                yield await self._instance(row)
            cursor = wire["cursor"]
            if not cursor:
                return

    async def states(self, path: str = "/") -> AsyncIterator[tuple[str, bytes]]:
        """The name and the encoded state of every object in a directory; no code is loaded."""
        cursor = ""
        while True:
            wire = await self._call("objects", path, cursor, PAGE)
            for row in wire["objects"]:
                yield row["pointer"]["name"], row["state"]
            cursor = wire["cursor"]
            if not cursor:
                return

    async def _instance(self, wire: Wire) -> Any:
        pointer = Pointer.from_wire(wire["pointer"])
        obj = EmergeDirectory() if pointer.is_directory else await self.unpack(wire["state"], pointer)
        set_metadata(obj, metadata_of(pointer))
        return obj

    async def get(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """The pointer at a path; of an older version, or a moment, when one is given."""
        return Pointer.from_wire(await self._call("get", path, version, moment_text(as_of)))

    async def cat(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The state at a path as plain data, or one property of it (`/a/b.field.0`), also of an object that it refers
        to. No code is loaded."""
        return await self._call("cat", path, version, moment_text(as_of))

    async def reference(self, target: str | EmergeObject | Pointer | Reference) -> Reference:
        """A reference to a stored object (or what is at a path), to be kept in fields of others; it survives moves."""
        if isinstance(target, Reference):
            return target
        uuid = (await self.get(target)).uuid if isinstance(target, str) else target.uuid
        if not uuid:
            raise Invalid(f"this {type(target).__name__} is stored nowhere", remedy="store it, then refer to it")
        return Reference(uuid)

    async def resolve(self, reference: Reference | str, as_of: AsOf = None) -> Any:
        """The object that a reference (or uuid) leads to, wherever it is now. NotFound says where it was removed."""
        uuid = reference.uuid if isinstance(reference, Reference) else reference
        return await self.getobject(f"/registry/{uuid}", as_of=as_of)

    async def references(self, path: str, back: bool = False) -> Listing:
        """The objects that this one refers to, or (`back`) that refer to this one."""
        pointers = Listing([])
        while True:
            wire = await self._call("references", path, back, pointers.cursor, PAGE)
            pointers.extend(Pointer.from_wire(entry) for entry in wire["entries"])
            pointers.cursor = wire["cursor"]
            if not pointers.cursor:
                return pointers

    # --- directories
    async def list(self, path: str = "/", cursor: str = "", limit: int | None = None, as_of: AsOf = None) -> Listing:
        """What is in a directory, by name: all of it, or with `limit` one page, continued from its `cursor`.

        What may not be read is left out. `/registry` lists every object by uuid, removed ones too.
        """
        pointers: Listing = Listing([], cursor)
        moment = moment_text(as_of)
        while True:
            wire = await self._call("list", path, pointers.cursor, PAGE if limit is None else limit, moment)
            pointers.extend(Pointer.from_wire(entry) for entry in wire["entries"])
            pointers.cursor = wire["cursor"]
            if limit is not None or not pointers.cursor:
                return pointers

    async def dir(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer in a directory, as a stream."""
        async with aclosing(self._stream("dir", path, moment_text(as_of))) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    async def tree(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer below a directory, as a stream, depth first."""
        async with aclosing(self._stream("tree", path, moment_text(as_of))) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    # --- code
    async def methods(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """[{"name", "signature", "doc", "kind"}…] of an object's class."""
        return await self._call("methods", path, version, moment_text(as_of))

    async def help(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The documentation of an object's class, or of one method."""
        return str(await self._call("help", path, method, version, moment_text(as_of)))

    async def code(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The source of an object's class, or of one method."""
        return str(await self._call("code", path, method, version, moment_text(as_of)))

    # --- versions and changes
    async def versions(self, path: str, before: int = 0, limit: int = 100, as_of: AsOf = None) -> Any:
        """The versions of an object, newest first: pointers' maps with `author` and `operation`."""
        return await self._call("versions", path, before, limit, moment_text(as_of))

    async def diff(self, path: str, before: int, after: int = 0) -> Any:
        """{"before", "after", "fields": [{"field", "before", "after"}…]}: what differs between two versions (0: the
        newest); a field that a version lacks has no such key."""
        return await self._call("diff", path, before, after)

    async def changes(self, since: int = -1, limit: int = PAGE) -> Any:
        """{"changes", "position"}: the log after a position; -1: only the newest position."""
        return await self._call("changes", since, limit)

    async def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[Any]:
        """The changes at or below a path as they come."""
        async with aclosing(self._stream("watch", path, since)) as changes:
            async for change in changes:
                yield change


def moment_text(as_of: AsOf) -> str:
    """`as_of` as operations take it; Invalid for a datetime that does not say of which timezone it is."""
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
