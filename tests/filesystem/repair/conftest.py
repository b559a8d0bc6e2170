"""A filesystem over the store that a test names, in memory otherwise, and its client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store
from tests.backends import Started


@pytest.fixture
async def filesystem(request: pytest.FixtureRequest, backends: Started) -> AsyncIterator[Filesystem]:
    opened = await Filesystem.open(await open_store(backends.url(getattr(request, "param", "memory"))))
    yield opened
    await opened.close()


@pytest.fixture
def client(filesystem: Filesystem) -> Client:
    return Client(LocalTransport(filesystem))
