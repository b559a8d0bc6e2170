"""The filesystem contract on the stores that CPython has, by the client next door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.execute import execute
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import SCENARIOS, Scenario


@pytest.fixture(params=["memory", "sqlite"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    filesystem = await Filesystem.open(await open_store(url), node="here", url=url, runner=execute)
    async with Client(LocalTransport(filesystem, Context("tester"))) as client:
        yield client


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_contract(scenario: Scenario, client: Client) -> None:
    await scenario(client)
