"""The filesystem contract over HTTP: each scenario straight from a node or through a relay, in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.sandbox import Pool
from tests.contracts.filesystem import SCENARIOS, Scenario
from tests.filesystem.conftest import pool as pool  # the sandbox of the session
from tests.scale import pairs, sample

from .conftest import by_relay_rest, by_rest

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def client(request: pytest.FixtureRequest, tmp_path: Path, pool: Pool) -> AsyncIterator[Client]:
    ways = {"rest": lambda: by_rest(pool), "relay-rest": lambda: by_relay_rest(pool, tmp_path)}
    async with ways[request.param]() as client:
        yield client


@pytest.mark.parametrize(
    ("scenario", "client"),
    sample(pairs(SCENARIOS, ["rest", "relay-rest"]), 2),
    indirect=["client"],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_contract(scenario: Scenario, client: Client) -> None:
    await scenario(client)
