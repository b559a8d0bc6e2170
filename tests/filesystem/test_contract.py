"""The filesystem contract by every client that CPython has: next door on each store, by ZeroMQ, through a relay.

In a run that anyone waits for, each scenario goes to one of the stores beyond SQLite, in turn: what a store
must do is the store contract, which runs whole on each. And it goes by ZeroMQ or through a relay, which goes on by it.
In a browser they run by tests/browser/chromium.
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
from tests.scale import SCALE, pairs, rotated

pytestmark = pytest.mark.asyncio(loop_scope="session")


WHOLE = ["sqlite"]
AFAR = ["zeromq", "relay"]
SLOW = ["relstorage", "dynamodb"]
QUICK = [name for name in BACKENDS if name not in (*WHOLE, *SLOW)]
IN_TURN = rotated([*QUICK * 4, *SLOW])  # these less often
LONG = {"answers_as_a_full_scan_would"}  # some hundred searches: on the slow ones by command


def is_tried(way: str, scenario: Scenario) -> bool:
    return SCALE > 1 or way not in SLOW or scenario.__name__ not in LONG


@pytest_asyncio.fixture(loop_scope="session")
async def client(
    request: pytest.FixtureRequest, tmp_path: Path, pool: Pool, backends: Started
) -> AsyncIterator[Client]:
    ways = {"zeromq": lambda: by_zeromq(pool), "relay": lambda: by_relay(pool, tmp_path)}
    way = ways.get(request.param) or (lambda: local(backends.url(request.param)))
    async with way() as client:
        yield client


@pytest.mark.parametrize(
    ("client", "scenario"),
    [
        *((way, scenario) for way in WHOLE for scenario in SCENARIOS),
        *dict.fromkeys(
            (way, scenario)
            for ways in (AFAR, IN_TURN)
            for scenario, way in pairs(SCENARIOS, ways)
            if is_tried(way, scenario)
        ),
    ],
    indirect=["client"],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_contract(scenario: Scenario, client: Client) -> None:
    await scenario(client)
