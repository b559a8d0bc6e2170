"""Large values of an S3 store: objects of their own, written before the row that names them, swept when none does.

An object's name is its row's key and a random part, both in hex, and is never used twice: so whoever finds an object
can look up the one row that may name it, and what no row names will never be named again. The row keeps the value's
size and digest, which is what conditions compare and what a read is checked against. Knows nothing of groups.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import obstore

from ...errors import Invalid
from .bucket import Bucket
from .database import Database

LARGE = 1 << 20  # bytes above which a value has an object of its own
_LONGEST = 300  # bytes of a key that fits into an object's name
_ROOT = "values"
_SMALL, _NAMED = b"\0", b"\1"  # how a row begins: its value follows, or what `Large` holds


@dataclass(frozen=True, slots=True)
class Large:
    """What a row holds of a large value. Equal to another one of the same value."""

    size: int
    digest: bytes  # sha256
    name: bytes = field(compare=False)  # 16 random bytes


Value = bytes | Large


def is_large(key: bytes, value: bytes) -> bool:
    """Whether this row's value has an object of its own."""
    return len(value) > LARGE and len(key) <= _LONGEST


def large(value: bytes) -> Large:
    """What a row holds of this value. Takes a millisecond a megabyte."""
    return Large(len(value), hashlib.sha256(value).digest(), os.urandom(16))


def to_row(value: Value) -> bytes:
    """The row of a value; `from_row` is its inverse."""
    if isinstance(value, Large):
        return _NAMED + value.size.to_bytes(8, "big") + value.digest + value.name
    return _SMALL + value


def from_row(row: bytes) -> Value:
    if row[:1] == _NAMED:
        return Large(int.from_bytes(row[1:9], "big"), row[9:41], row[41:])
    return row[1:]


class Values:
    """The large values of one store."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._coming: set[bytes] = set()  # names whose rows may be on their way

    async def put(self, key: bytes, value: bytes) -> Large:
        """Write the object for a row to come; `keep` or `drop` it when it has come, or will not."""
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

    async def get(self, key: bytes, wanted: Large) -> bytes:
        """Raises FileNotFoundError when the object was swept, Invalid when it is not what was written."""
        value = await self._bucket.call(_get, _path(key, wanted.name))
        if len(value) != wanted.size or (await self._bucket.call(_measured, value)).digest != wanted.digest:
            raise Invalid(
                f"an object of {self._bucket.place.name} is damaged: {_path(key, wanted.name)}",
                remedy="restore it from a backup",
            )
        return value

    async def sweep(self, database: Database) -> int:
        """Delete the objects that no row names; how many.

        They are looked for first, then it is seen by a write that the store is still ours: what another owner writes
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

    async def _orphans(self, database: Database, paths: Sequence[str]) -> list[str]:
        names = {path: found for path in paths if (found := _named(path)) and found[1] not in self._coming}
        rows = await database.get([key for key, _ in names.values()])
        held = [from_row(row) if row else b"" for row in rows]
        return [
            path
            for (path, (_, name)), value in zip(names.items(), held, strict=True)
            if not isinstance(value, Large) or value.name != name
        ]


def _path(key: bytes, name: bytes) -> str:
    return f"{_ROOT}/{key.hex()}/{name.hex()}"


def _named(path: str) -> tuple[bytes, bytes] | None:
    """(key, name) of an object's path."""
    try:
        _, key, name = path.split("/")
        return bytes.fromhex(key), bytes.fromhex(name)
    except ValueError:  # not ours
        return None


def _measured(_client: Any, value: bytes) -> Large:
    return large(value)


def _put(client: Any, path: str, value: bytes) -> None:
    obstore.put(client, path, value)


def _get(client: Any, path: str) -> bytes:
    return bytes(obstore.get(client, path).bytes())


def _pages(client: Any) -> Any:
    return iter(obstore.list(client, _ROOT, chunk_size=1000))


def _next(_client: Any, pages: Any) -> list[str]:
    return [meta["path"] for meta in next(pages, [])]
