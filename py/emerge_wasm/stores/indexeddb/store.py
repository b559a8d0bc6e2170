"""A store in the browser's IndexedDB: `indexeddb://name`, where a tab's own objects live with no network.

The requests are issued by web/indexeddb.ts, the JavaScript module `emerge_indexeddb`; this packs and unpacks.
Imports nothing of the browser before `open`, so that it can be imported anywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Protocol

from ...errors import Invalid
from ...store import SPACES, Batch, Capabilities, Key
from ..check import changed, check_batch, check_keys, check_options, check_scan, closed
from .buffer import ABSENT, Buffer, cut, cut_rows, mapped, to_buffer, words_of
from .opfs import OpfsFolder

_INDEX = {space: index for index, space in enumerate(SPACES)}
_DURABILITY = {"disk": "strict", "relaxed": "relaxed"}


class _JSDatabase(Protocol):
    """An opened database of web/indexeddb.ts; each call takes and gives one buffer."""

    def get(self, buffer: object, /) -> Awaitable[Buffer]: ...

    def scan(self, buffer: object, /) -> Awaitable[Buffer]: ...

    def commit(self, buffer: object, /) -> Awaitable[Buffer]: ...

    def close(self) -> Awaitable[object]: ...


class IndexedDBStore:
    """A store of URL `indexeddb://name`. Several tabs of one origin may open it and write to it."""

    def __init__(self, name: str, durability: str, database: _JSDatabase, files: OpfsFolder | None) -> None:
        self.capabilities = Capabilities(
            durability=durability,
            reopens=True,
            many_writers=True,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
        )
        self._name = name
        self._database = database
        self._closed = False
        self.block_files = files
        """Where blocks are put; None: into rows, as they were before and are still read."""

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> IndexedDBStore:
        """Open or make the database called `location`.

        Option: `durability` = disk (the default) or relaxed.

        Raises:
            Invalid: the location or an option is wrong, or another program's database has that name.
            Unavailable: the browser allows no database, or another tab holds it in an older version.
            LimitExceeded: the browser gives the database no room.
        """
        check_options("indexeddb", options, ("durability",))
        durability = options.get("durability", "disk")
        if durability not in _DURABILITY:
            raise Invalid(f"durability={durability} is unknown", remedy="use disk or relaxed")
        if not location:
            raise Invalid("indexeddb:// names no database", remedy="write indexeddb://name")
        import emerge_indexeddb
        from pyodide.ffi import to_js

        work = emerge_indexeddb.open(location, to_js(list(SPACES)), _DURABILITY[durability])
        database = await mapped(location, work)
        return cls(location, durability, database, await OpfsFolder.open(location, durability))

    @staticmethod
    async def destroy(location: str) -> None:
        """Delete the database of that name; other tabs that have it open lose it."""
        import emerge_indexeddb

        await mapped(location, emerge_indexeddb.destroy(location))
        await OpfsFolder.destroy(location)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        if not keys:
            return []
        head = [len(keys), *chain.from_iterable((_INDEX[space], len(key)) for space, key in keys)]
        reply, lengths = await self._call(self._database.get, head, (key for _, key in keys))
        return cut(reply, lengths)

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        if limit == 0 or (end is not None and start >= end):
            return []
        head = [_INDEX[space], len(start), _length(end), min(limit, ABSENT), int(reverse)]
        reply, lengths = await self._call(self._database.scan, head, (start, end or b""))
        return cut_rows(reply, lengths)

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        _, words = await self._call(self._database.commit, *pack_batch(batch))
        failed, *halves = words
        if failed != ABSENT:
            checked = [(space, key) for space, key, _ in batch.expects]
            checked += [(space, start) for space, start, _, _ in batch.counts]
            raise changed(*checked[failed])
        return [(high << 32) + low for high, low in zip(halves[::2], halves[1::2], strict=True)]

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await mapped(self._name, self._database.close())

    def _check_open(self) -> None:
        if self._closed:
            raise closed(f"indexeddb://{self._name}")

    async def _call(
        self, method: Callable[[object], Awaitable[Buffer]], head: list[int], parts: Iterable[bytes]
    ) -> tuple[bytes, list[int]]:
        """Call a method of the database; return (the whole reply, the words of its head)."""
        reply = (await mapped(self._name, method(to_buffer(head, parts)))).to_bytes()
        return reply, words_of(reply)


def pack_batch(batch: Batch) -> tuple[list[int], list[bytes]]:
    """Return the head and the parts of a commit, for `pack`."""
    head = [len(batch.expects), len(batch.deletes), len(batch.puts), len(batch.appends), len(batch.counts)]
    parts: list[bytes] = []
    for space, key, expected in batch.expects:
        head += _INDEX[space], len(key), _length(expected)
        parts += key, expected or b""
    for space, key in batch.deletes:
        head += _INDEX[space], len(key)
        parts.append(key)
    for space, key, value in batch.puts:
        head += _INDEX[space], len(key), len(value)
        parts += key, value
    for space, value in batch.appends:
        head += _INDEX[space], len(value)
        parts.append(value)
    for space, start, end, count in batch.counts:
        head += _INDEX[space], len(start), _length(end), count
        parts += start, end or b""
    return head, parts


def _length(value: bytes | None) -> int:
    return ABSENT if value is None else len(value)
