"""The filesystem contract by every client that CPython has: next door on each store, by ZeroMQ, through a relay.

`tests/browser/test_filesystem.py` runs the same scenarios in a browser.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.sandbox import Pool
from tests.backends import BACKENDS, Started
from tests.contracts.filesystem import SCENARIOS, Scenario
from tests.filesystem.conftest import by_relay, by_zeromq, local

pytestmark = pytest.mark.asyncio(loop_scope="session")


WAYS = ["zeromq", "relay", *BACKENDS]


@pytest_asyncio.fixture(params=WAYS, loop_scope="session")
async def client(
    request: pytest.FixtureRequest, tmp_path: Path, pool: Pool, backends: Started
) -> AsyncIterator[Client]:
    ways = {"zeromq": lambda: by_zeromq(pool), "relay": lambda: by_relay(pool, tmp_path)}
    way = ways.get(request.param) or (lambda: local(backends.url(request.param)))
    async with way() as client:
        yield client


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_contract(scenario: Scenario, client: Client) -> None:
    await scenario(client)
