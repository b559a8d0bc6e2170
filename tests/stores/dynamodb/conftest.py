"""A store behind a proxy that makes trouble, for the tests of DynamoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from emerge_wasm.errors import Unavailable
from emerge_wasm.stores import open_store
from emerge_wasm.stores.dynamodb.store import DynamoDBStore
from tests.backends import Started
from tests.backends.dynamodb import Proxy


class Through:
    """A store and the proxy between it and its server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._port = int(url.partition("127.0.0.1:")[2].partition("&")[0])
        self.proxy = Proxy(self._port)
        self._stores: list[DynamoDBStore] = []

    def url(self, wait: float) -> str:
        return self._url.replace(str(self._port), str(self.proxy.port)) + f"&wait={wait}"

    async def open(self, wait: float) -> DynamoDBStore:
        """Open a store that gives up after so many seconds; on a busy machine that may take more than one attempt."""
        async with asyncio.timeout(20):
            while True:
                with suppress(Unavailable):
                    store = await open_store(self.url(wait))
                    break
        assert isinstance(store, DynamoDBStore)
        self._stores.append(store)
        return store

    async def close(self) -> None:
        await asyncio.gather(*[store.close() for store in self._stores])
        await self.proxy.stop()


@pytest.fixture
async def through(backends: Started) -> AsyncIterator[Through]:
    through = Through(backends.url("dynamodb"))
    await through.proxy.start()
    yield through
    await through.close()
