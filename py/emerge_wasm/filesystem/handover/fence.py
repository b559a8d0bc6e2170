"""A store whose commits are made only while one of its rows is as it was: for work that another may have finished."""

from __future__ import annotations

from collections.abc import Sequence

from ...store import Batch, Capabilities, Key, Store


class FencedStore:
    """Reads as the store does; a commit is a Conflict once the row has another value, or is gone."""

    def __init__(self, store: Store, key: Key, value: bytes) -> None:
        self._store = store
        self._key = key
        self._value = value

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        return await self._store.get(keys)

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return await self._store.scan(space, start, end, limit=limit, reverse=reverse)

    async def commit(self, batch: Batch) -> list[int]:
        batch.expect(*self._key, self._value)
        return await self._store.commit(batch)

    async def close(self) -> None:
        """Leave it open: it is another's."""
