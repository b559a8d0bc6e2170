"""A store on S3, or anything that speaks it with conditional writes: `s3://bucket/prefix?endpoint=https://host`.

Rows are in slatedb, a log-structured merge tree made for object storage (`<prefix>/rows/`): a commit is one object of
its log, put on condition that nobody else put it, so a second process that opens the store fences the first. A row's
key is `<space> \\0 <key>`; keys that begin with \\0 are our own (the last log numbers, the mark of the last write).
Values above 1 MiB are objects beside it (`<prefix>/values/`, see `value`); `<prefix>/format` tells the format,
`<prefix>/owner` who opened the store last. Must not be imported in a browser.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...errors import EmergeError, Invalid
from ...store import Batch, Capabilities, Key
from ..check import check_batch, check_keys, check_scan, closed
from ..group_commit import GroupCommit
from .bucket import S3Bucket
from .database import SlateDatabase, SlateTuning
from .location import S3Location, location_of
from .value import LARGE, LargeValue, LargeValues, from_row, is_large
from .write import S3Writer, row_key, space_end

_SWEEP = 3600.0  # seconds from one sweep to the next
_log = logging.getLogger("emerge.stores.s3")


class S3Store:
    """A store of URL `s3://bucket/prefix`. It belongs to the event loop that opened it."""

    def __init__(self, bucket: S3Bucket, tuning: SlateTuning) -> None:
        self.capabilities = Capabilities(
            durability="disk",
            reopens=True,
            many_writers=False,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
        )
        self._bucket = bucket
        self._database = SlateDatabase(bucket, tuning)
        self._values = LargeValues(bucket)
        self._group = GroupCommit(S3Writer(self._database).write, limit=5000)
        self._large: set[asyncio.Task[list[int]]] = set()  # commits that have large values
        self._sweeping: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> S3Store:
        """Open or make a store; location is "bucket/prefix". Whoever had it open gets Unavailable from then on.

        Options: `endpoint` (its URL; Amazon's own unless given), `region`, `style` = path (the default) or virtual,
        `wait` = seconds to wait for S3's answer. Credentials are AWS_ACCESS_KEY_ID and the like in the environment.

        Raises:
            Invalid: the location or an option is wrong, or the prefix holds something else.
            PermissionDenied: S3 refuses these credentials.
            Unavailable: S3 does not answer.
        """
        return await cls.open_at(location_of(location, options), SlateTuning())

    @classmethod
    async def open_at(cls, location: S3Location, tuning: SlateTuning) -> S3Store:
        """Open or make the store at a location, as `open`."""
        store = cls(S3Bucket(location), tuning)
        try:
            await store._bucket.claim()
            await store._database.open()
        except BaseException:
            store._bucket.close()
            raise
        store._sweeping = asyncio.ensure_future(store._sweep_at_times())
        return store

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        names = [row_key(space, key) for space, key in keys]
        for _ in range(3):
            rows = await self._database.get(names) if names else []
            with suppress(FileNotFoundError):  # swept since: the row has another value by now
                return await self._whole(names, rows)
        raise self._damaged()

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        first, last = row_key(space, start), space_end(space) if end is None else row_key(space, end)
        skip = len(space) + 1
        for _ in range(3):
            found = await self._database.scan(first, last, limit, reverse)
            with suppress(FileNotFoundError):
                values = await self._whole([name for name, _ in found], [row for _, row in found])
                return [
                    (name[skip:], value) for (name, _), value in zip(found, values, strict=True) if value is not None
                ]
        raise self._damaged()

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        if not _has_large(batch):
            return await self._group.commit(batch)
        work = asyncio.ensure_future(self._commit_large(batch))
        self._large.add(work)
        work.add_done_callback(self._large.discard)
        return await asyncio.shield(work)

    async def sweep(self) -> int:
        """Delete what interrupted commits and overwritten large values left behind; return how many objects."""
        self._check_open()
        return await self._values.sweep(self._database)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _whole(self, names: Sequence[bytes], rows: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the values of these rows, fetching large ones. Raises FileNotFoundError when one was swept."""
        values = [row if row is None else from_row(row) for row in rows]
        large = [(place, value) for place, value in enumerate(values) if isinstance(value, LargeValue)]
        if large:
            fetched = await asyncio.gather(*[self._values.get(names[place], value) for place, value in large])
            for (place, _), value in zip(large, fetched, strict=True):
                values[place] = value
        return values

    async def _commit_large(self, batch: Batch) -> list[int]:
        """Write the large values, all at once, then the rows that name them."""
        plain = Batch(deletes=batch.deletes, appends=batch.appends, counts=batch.counts)
        plain.expects = [await self._compared(*each) for each in batch.expects]
        news: dict[bytes, bytes] = {row_key(space, key): value for space, key, value in batch.puts}  # the last of each
        bigs = {name: value for name, value in news.items() if is_large(name, value)}
        made = await self._put_large(bigs)
        plain.puts = [(space, key, made.get(row_key(space, key), value)) for space, key, value in batch.puts]
        try:
            answer = await self._group.commit(plain)
        except EmergeError as error:
            if not error.details.get("unknown"):  # else the rows may come
                await self._drop_large(made)
            raise
        for each in made.values():
            self._values.keep(each.name)
        return answer

    async def _put_large(self, values: dict[bytes, bytes]) -> dict[bytes, LargeValue]:
        """Write all of these, or (when it raises) none of them: what is left of them is swept later."""
        news = await asyncio.gather(*[self._values.put(*each) for each in values.items()], return_exceptions=True)
        made = {name: each for name, each in zip(values, news, strict=True) if isinstance(each, LargeValue)}
        for each in news:
            if isinstance(each, BaseException):
                await self._drop_large(made)
                raise each
        return made

    async def _drop_large(self, made: dict[bytes, LargeValue]) -> None:
        drops = [self._values.drop(name, each.name) for name, each in made.items()]
        await asyncio.gather(*drops, return_exceptions=True)  # a sweep finds what is left

    async def _compared(self, space: str, key: bytes, value: bytes | None) -> tuple[str, bytes, bytes | None]:
        if value is None or not is_large(row_key(space, key), value):
            return space, key, value
        return space, key, await asyncio.to_thread(LargeValue.of, value)

    async def _sweep_at_times(self) -> None:
        while True:
            try:
                await self._values.sweep(self._database)
            except (EmergeError, FileNotFoundError) as error:
                _log.warning("%s: a sweep failed, the next is in %d s: %s", self._bucket.location.name, _SWEEP, error)
            await asyncio.sleep(_SWEEP)

    async def _close(self) -> None:
        if self._sweeping:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        while self._large:
            await asyncio.wait(self._large)
        await self._group.drain()
        await self._database.close()
        self._bucket.close()

    def _damaged(self) -> Invalid:
        return Invalid(
            f"{self._bucket.location.name} is damaged: a large value is gone", remedy="restore it from a backup"
        )

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(self._bucket.location.name)


def _has_large(batch: Batch) -> bool:
    return any(len(value) > LARGE for _, _, value in batch.puts) or any(
        value is not None and len(value) > LARGE for _, _, value in batch.expects
    )
