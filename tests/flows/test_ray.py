"""Directory runs and flows on Ray, where it is installed (requirements/ray.txt)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emerge_wasm import connect
from emerge_wasm.clients import SyncClient
from emerge_wasm.flows import run_flow, start
from tests.conftest import ROOT, start_server
from tests.flows.test_dask import Cell, Tour, during, outcomes, put

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


def ours(pid: int) -> bool:
    """Whether a process was started by this one, or by one that was."""
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


def kill_worker() -> None:
    """Kill a worker of Ray's that is at work."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if file.read_bytes().startswith(b"ray::") and b"IDLE" not in file.read_bytes() and ours(int(file.parts[2])):
                os.kill(int(file.parts[2]), signal.SIGKILL)
                return


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_a_worker_is_killed_meanwhile_and_each_object_counts_once(fs: SyncClient, cluster: str) -> None:
    put(fs, [Cell(kind="count") if n % 2 else Cell(value=n) for n in range(24)], "/killed")
    thread = during(lambda: int(fs.cat("/counter.count")), kill_worker)
    rows = fs.map("/killed", "work", 2, 0.1, engine=cluster)
    thread.join()
    assert not [row for row in rows if "error" in row]
    assert [fs.cat(f"/killed/c{n:03}.value") for n in range(0, 24, 2)] == [[n, n] for n in range(0, 24, 2)]
    assert fs.cat("/counter.count") == 24, "twelve objects counted two each"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_an_object_that_kills_each_worker_is_told_and_the_others_are_run(fs: SyncClient, cluster: str) -> None:
    put(fs, [Cell(kind="raise"), Cell(), Cell()], "/deadly")
    rows = fs.map("/deadly", "die", engine=cluster)
    assert [row.get("error", {}).get("code") for row in rows] == ["ExecutionFailed", None, None]
    assert [fs.cat(f"/deadly/c00{n}.value") for n in range(3)] == [None, "lives", "lives"]
