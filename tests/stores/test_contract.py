"""The store contract on every engine that runs on CPython; indexeddb has it in tests/browser."""

from __future__ import annotations

import pytest

from emerge_wasm.store import Store
from emerge_wasm.stores import ENGINES, open_store
from tests.backends import BACKENDS, Started
from tests.contracts import store as contract
from tests.contracts.store import SCENARIOS, Scenario
from tests.contracts.store_model import run_random
from tests.scale import examples

BROWSER_ONLY = {"indexeddb"}
STEPS = {"memory": 400, "sqlite": 200}
FEW = 100  # on the others, which are slow


def test_every_engine_is_under_contract() -> None:
    assert {backend.module for backend in BACKENDS.values()} | BROWSER_ONLY == set(ENGINES)


def test_every_scenario_is_listed() -> None:
    assert {name for name in vars(contract) if name.startswith("scenario_")} == {each.__name__ for each in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("scenario_"))
@pytest.mark.parametrize("backend", BACKENDS)
async def test_contract(backend: str, scenario: Scenario, backends: Started) -> None:
    url = backends.url(backend)
    await scenario(lambda: open_store(url))


@pytest.mark.parametrize("durability", ["relaxed"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("scenario_"))
async def test_relaxed_sqlite(durability: str, scenario: Scenario, backends: Started) -> None:
    url = backends.url("sqlite") + f"?durability={durability}"
    await scenario(lambda: open_store(url))


@pytest.mark.parametrize("backend", BACKENDS)
async def test_random_operations(backend: str, backends: Started) -> None:
    url = backends.url(backend)

    async def reopen() -> Store:
        return await open_store(url)

    done = await run_random(reopen, seed=20, steps=examples(STEPS.get(backend, FEW)))
    assert min(done.values()) > 0
