"""Large values of an S3 store: objects of their own, written before the row that names them, swept when none does.

An object's name is its row's key and a random part, both in hex, and is never used twice. So whoever finds an object
can look up the one row that may name it, and an object that no row names will never be named again. The row keeps the
value's size and digest, which conditions compare and against which a read is checked. Knows nothing of groups.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Self

import obstore
from obstore.store import S3Store as Client

from ...errors import Invalid
from .bucket import S3Bucket
from .database import SlateDatabase

LARGE = 1 << 20  # bytes above which a value has an object of its own
_LONGEST = 300  # bytes of a key that fits into an object's name
_ROOT = "values"
_SMALL, _NAMED = b"\0", b"\1"  # how a row begins: its value follows, or a `LargeValue`
_NAME = 16  # random bytes


class LargeValue(bytes):
    """What stands for a large value in its row and in a batch: size (8 bytes), digest (sha256, 32) and object's name.

    Equal to another one of the same value, whatever the names, and never to a value itself.
    """

    @classmethod
    def of(cls, value: bytes) -> Self:
        """Name an object for this value. Takes a millisecond a megabyte."""
        return cls(len(value).to_bytes(8, "big") + hashlib.sha256(value).digest() + os.urandom(_NAME))

    @property
    def name(self) -> bytes:
        return self[-_NAME:]

    def measures(self, value: bytes) -> bool:
        """Return whether this stands for that value."""
        return self == LargeValue.of(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LargeValue) and self[:-_NAME] == other[:-_NAME]

    def __ne__(self, other: object) -> bool:  # else that of bytes, which looks at the names
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-_NAME])


def is_large(key: bytes, value: bytes) -> bool:
    """Return whether this row's value has an object of its own."""
    return len(value) > LARGE and len(key) <= _LONGEST


def to_row(value: bytes) -> bytes:
    """Return the row of a value, which may be a `LargeValue`; `from_row` is its inverse."""
    return (_NAMED if isinstance(value, LargeValue) else _SMALL) + value


def from_row(row: bytes) -> bytes:
    """Return the value of a row, or the `LargeValue` that stands for it."""
    return LargeValue(row[1:]) if row[:1] == _NAMED else row[1:]


class LargeValues:
    """The large values of one store."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._coming: set[bytes] = set()  # names whose rows may yet be written

    async def put(self, key: bytes, value: bytes) -> LargeValue:
        """Write the object for a row to come; then `keep` it when the row is written, or `drop` it."""
        made = await self._bucket.call(_measured, value)
        self._coming.add(made.name)
        try:
            await self._bucket.call(_put, _path(key, made.name), value)
        except BaseException:  # no row will name it, should it be there
            self._coming.discard(made.name)
            raise
        return made

    def keep(self, name: bytes) -> None:
        self._coming.discard(name)

    async def drop(self, key: bytes, name: bytes) -> None:
        self._coming.discard(name)
        await self._bucket.call(obstore.delete, _path(key, name))

    async def get(self, key: bytes, wanted: LargeValue) -> bytes:
        """Read a large value.

        Raises:
            FileNotFoundError: the object was swept.
            Invalid: the object is not what was written.
        """
        value = await self._bucket.call(_get, _path(key, wanted.name))
        if not await self._bucket.call(_measures, wanted, value):
            raise Invalid(
                f"an object of {self._bucket.location.name} is damaged: {_path(key, wanted.name)}",
                remedy="restore it from a backup",
            )
        return value

    async def sweep(self, database: SlateDatabase) -> int:
        """Delete the objects that no row names; return how many.

        A write between looking and deleting shows that the store is still ours, so that what another owner writes
        cannot be among them.
        """
        swept = 0
        pages = await self._bucket.call(_pages)
        while paths := await self._bucket.call(_next, pages):
            orphans = await self._orphans(database, paths)
            if orphans:
                await database.write({})
                await self._bucket.call(obstore.delete, orphans)
                swept += len(orphans)
        return swept

    async def _orphans(self, database: SlateDatabase, paths: Sequence[str]) -> list[str]:
        names = {path: found for path in paths if (found := _named(path)) and found[1] not in self._coming}
        rows = await database.get([key for key, _ in names.values()])
        held = [from_row(row) if row else b"" for row in rows]
        return [
            path
            for (path, (_, name)), value in zip(names.items(), held, strict=True)
            if not isinstance(value, LargeValue) or value.name != name
        ]


def _path(key: bytes, name: bytes) -> str:
    return f"{_ROOT}/{key.hex()}/{name.hex()}"


def _named(path: str) -> tuple[bytes, bytes] | None:
    """Return (key, name) of an object's path, None for an object that is not ours."""
    try:
        _, key, name = path.split("/")
        return bytes.fromhex(key), bytes.fromhex(name)
    except ValueError:
        return None


def _measured(_client: Client, value: bytes) -> LargeValue:
    return LargeValue.of(value)


def _measures(_client: Client, wanted: LargeValue, value: bytes) -> bool:
    return wanted.measures(value)


def _put(client: Client, path: str, value: bytes) -> None:
    obstore.put(client, path, value)


def _get(client: Client, path: str) -> bytes:
    return bytes(obstore.get(client, path).bytes())


def _pages(client: Client) -> Iterator[list[str]]:
    for page in obstore.list(client, _ROOT, chunk_size=1000):
        yield [meta["path"] for meta in page]


def _next(_client: Client, pages: Iterator[list[str]]) -> list[str]:
    return next(pages, [])
