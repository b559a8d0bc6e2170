"""The store contract on every engine that runs on CPython; indexeddb has it in tests/browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from emerge_wasm.store import Store
from emerge_wasm.stores import ENGINES, open_store
from tests.contracts import store as contract
from tests.contracts.store import SCENARIOS, Scenario
from tests.contracts.store_model import run_random

URLS = {
    "memory": "memory:",
    "sqlite": "sqlite:///{folder}/store.db",
    "sqlite relaxed": "sqlite:///{folder}/store.db?durability=relaxed",
}
BROWSER_ONLY = {"indexeddb"}


def test_every_engine_is_under_contract() -> None:
    assert {name.split()[0] for name in URLS} | BROWSER_ONLY == set(ENGINES)


def test_every_scenario_is_listed() -> None:
    assert {name for name in vars(contract) if name.startswith("scenario_")} == {each.__name__ for each in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("scenario_"))
@pytest.mark.parametrize("engine", URLS)
async def test_contract(engine: str, scenario: Scenario, tmp_path: Path) -> None:
    await scenario(lambda: open_store(URLS[engine].format(folder=tmp_path)))


@pytest.mark.parametrize("engine", URLS)
async def test_random_operations(engine: str, tmp_path: Path) -> None:
    async def reopen() -> Store:
        return await open_store(URLS[engine].format(folder=tmp_path))

    done = await run_random(reopen, seed=20, steps=400)
    assert min(done.values()) > 0
