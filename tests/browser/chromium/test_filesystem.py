"""The filesystem in real Chromium, over IndexedDB: the same contract as every client, methods run in the page.

In a run that anyone waits for a third of the scenarios, others each time: all run elsewhere on other stores, and the
store contract runs whole on this one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.filesystem import SCENARIOS, Scenario
from tests.scale import sample

SETUP = """
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from emerge_wasm.stores.indexeddb.store import IndexedDBStore
from tests.contracts import filesystem as contract

scenarios = {scenario.__name__: scenario for scenario in contract.SCENARIOS}

async def open_client(name):
    url = f"indexeddb://{name}"
    opened = await Filesystem.open(await open_store(url), node="browser", url=url, runner=Here(given=give_filesystem))
    return Client(LocalTransport(opened, Context("tester", superuser=True)))
"""


@pytest.fixture(scope="package")
def page(selenium_module_scope: Any) -> Any:
    """The page, where the scenarios and `open_client` can be used."""
    selenium_module_scope.run(SETUP)
    return selenium_module_scope


@pytest.fixture
def name(page: Any) -> Iterator[str]:
    """The name of a database that is not there yet, deleted in the end."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    page.run_async(f"await IndexedDBStore.destroy({name!r})")


@pytest.mark.parametrize("scenario", sample(SCENARIOS, 3), ids=lambda scenario: scenario.__name__)
def test_contract(page: Any, name: str, scenario: Scenario) -> None:
    page.run_async(f"""
async with await open_client({name!r}) as client:
    await scenarios[{scenario.__name__!r}](client)
""")


def test_the_scenarios_were_run_as_they_are_here(page: Any) -> None:
    assert page.run("len(contract.SCENARIOS)") == len(SCENARIOS)


def test_objects_outlive_their_client(page: Any, name: str) -> None:
    """What is stored is there for the next one who opens the database, class and versions included."""
    found = page.run_async(f"""
async with await open_client({name!r}) as client:
    await client.store(contract.item("w", unit_price=2.0, quantity=3))
    await client.update("/inventory/w", quantity=4)
async with await open_client({name!r}) as client:
    obj = await client.getobject("/inventory/w")
    result = [obj.total_cost(), await client.run("/inventory/w", "gross"), obj.version]
result
""")
    assert list(found) == [8.0, 9.6, 2]


def test_two_tabs_see_each_other(page: Any, name: str) -> None:
    """Two filesystems over one database, as two tabs have: a stale writer is told, moved directories are found."""
    told = page.run_async(f"""
from emerge_wasm import Conflict
async with await open_client({name!r}) as one, await open_client({name!r}) as two:
    await one.store(contract.item("w", unit_price=1.0))
    mine, theirs = await one.getobject("/inventory/w"), await two.getobject("/inventory/w")
    theirs.unit_price = 2.0
    await two.store(theirs)
    mine.unit_price = 3.0
    error = await contract.refused(one.store(mine), Conflict, "version 2")
    await two.mv("/inventory", "/stock")
    result = [error.path, (await one.get("/stock/w")).full_path, len(await one.list("/"))]
result
""")
    assert list(told) == ["/inventory/w", "/stock/w", 1]


def test_two_tabs_write_at_once(page: Any, name: str) -> None:
    """Two filesystems over one database change the same objects at the same time: no update is lost."""
    sums = page.run_async(f"""
import asyncio
async with await open_client({name!r}) as one, await open_client({name!r}) as two:
    await one.store(contract.item("w", data=[]))

    async def count_up(client, path):
        for number in range(10):
            while True:
                seen = await client.get(path)
                try:
                    value = await client.cat(path + ".quantity")
                    await client.update(path, seen.version, quantity=value + 1)
                    break
                except contract.Conflict:
                    continue
    await one.store(contract.item("c", "/counts"))
    adding = [client.add("/inventory/w", "data", number) for number in range(20) for client in (one, two)]
    await asyncio.gather(count_up(one, "/counts/c"), count_up(two, "/counts/c"), *adding)
    result = [await one.cat("/counts/c.quantity"), sorted(await two.cat("/inventory/w.data"))]
    log = (await one.changes(0, 1000))["changes"]
    result.append(sorted({{change["position"] for change in log}}) == list(range(1, log[-1]["position"] + 1)))
result
""")
    count, added, gapless = sums
    assert count == 20 and list(added) == sorted([*range(20), *range(20)]) and gapless
