"""Directory runs and flows on Ray, where it is installed (requirements/ray.txt)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emerge_wasm import connect
from emerge_wasm.clients import SyncClient
from emerge_wasm.flows import run_flow, start
from tests.conftest import ROOT, start_server
from tests.flows.test_dask import Cell, Tour, outcomes, put

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    paths = os.pathsep.join([str(ROOT / "py"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield "ray://auto"
    ray.shutdown()


@pytest.fixture
def fs(tmp_path: Path) -> Iterator[SyncClient]:
    server = start_server("node", "start", "--port", "0", "--store", f"sqlite:///{tmp_path}/emerge.db")
    with connect(server.host) as fs:
        yield fs
    server.kill()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_a_map_and_a_flow_on_ray(fs: SyncClient, cluster: str) -> None:
    kinds = ["double", "nothing", "raise", "find"]
    found = []
    for engine in ("", cluster):
        put(fs, [Cell(value=number, kind=kind) for number, kind in enumerate(kinds)], f"/cells{len(engine)}")
        rows = fs.map(f"/cells{len(engine)}", "work", 2, engine=engine)
        found.append([row[1:] for row in outcomes(rows)])
    assert found[0] == found[1]
    assert fs.map(f"/cells{len(cluster)}", "work", 2, engine=cluster, id="m") == fs.map(
        f"/cells{len(cluster)}", "work", 2, engine=cluster, id="m"
    )
    fs.update("/counter", count=0)
    start(fs, Tour(stops=3), "/flows/x")
    assert run_flow(fs, "/flows/x", engine=cluster) == [0, 1, 2]
    assert fs.cat("/counter.count") == 103
