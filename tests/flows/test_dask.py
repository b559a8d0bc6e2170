"""Directory runs and flows on a Dask cluster of processes, whose workers and scheduler are killed meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Invalid, Unavailable
from emerge_wasm.clients import SyncClient
from emerge_wasm.flows import Flow, flow_status, list_flows, start, step, work
from emerge_wasm.operations import Rows
from tests.flows.dask_cluster import DaskCluster
from tests.scale import SCALE, in_turn

TURNS = "clusters that lose processes take turns; all by EMERGE_TEST_SCALE=large"


@dataclass
class Counter(EmergeFile):
    count: int = 0

    def add(self, number: int) -> int:
        self.count += number
        return self.count


@dataclass
class Cell(EmergeFile):
    """What a directory run meets: objects that change, do not, raise, print, wait, and call others."""

    value: Any = None
    kind: str = "double"

    def work(self, fs, factor: int, seconds: float = 0.0) -> Any:
        time.sleep(seconds)
        print(self.kind)  # noqa: T201
        if self.kind == "double":
            self.value = [self.value] * factor
        elif self.kind == "raise":
            self.value = "never stored"
            raise ValueError(f"{self.value!r} of {self.name}")
        elif self.kind == "count":
            return fs.run("/counter", "add", factor)
        elif self.kind == "find":
            fs.getobject("/nowhere")
        elif self.kind == "bad":
            return (each for each in [object()])
        return self.value

    def die(self) -> None:
        import os

        if self.kind == "raise":
            os._exit(9)
        self.value = "lives"


def outcomes(rows: Rows) -> list[object]:
    """Rows as they are to be equal: an error by its path, code and message."""
    return [
        (row["path"], row.get("result"), row.get("error", {}).get("code"), row.get("error", {}).get("message"))
        for row in rows
    ]


def put(fs: SyncClient, cells: list[Cell], path: str = "/cells") -> None:
    for each, cell in enumerate(cells):
        cell.name, cell.path = f"c{each:03}", path
    fs.mkdir(path)
    fs.storeall([*cells, Counter(name="counter")])


VALUES = st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5), st.lists, max_leaves=4)
KINDS = ["double", "nothing", "raise", "count", "find", "bad"]


@settings(
    deadline=None, max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(VALUES, st.sampled_from(KINDS)), max_size=8))
def test_an_engine_changes_nothing_in_what_a_directory_run_gives(
    fs: SyncClient, dask: DaskCluster, made: list[tuple[Any, str]]
) -> None:
    found = []
    for engine in ("", dask.engine):
        for path in ("/cells", "/counter"):
            if fs.whohas(path):
                fs.rm(path, recursive=True)
        put(fs, [Cell(value=value, kind=kind) for value, kind in made])
        fs.mkdir("/cells/below")
        seen: list[Any] = []
        rows = fs.map("/cells", "work", 2, engine=engine, progress=seen.append)
        states = [cell.value for cell in fs.objects("/cells")]
        counted = sorted(row["result"] for row, (_, kind) in zip(rows, made, strict=True) if kind == "count")
        for row, (_, kind) in zip(rows, made, strict=True):
            if kind == "count":
                row["result"] = "in any order"
        found.append((outcomes(rows), states, counted, fs.cat("/counter.count"), seen[-1:]))
    assert found[0] == found[1]


def test_what_cannot_be_mapped_is_told(fs: SyncClient, dask: DaskCluster) -> None:
    put(fs, [Cell()])
    with pytest.raises(Invalid, match=r"dask://host:8786 or ray://auto"):
        fs.map("/cells", "work", 1, engine="spark://x")
    with pytest.raises(Invalid, match="run its method with run"):
        fs.map("/cells/c000", "work", 1, engine=dask.engine)
    with fs.transaction() as tx, pytest.raises(Invalid, match="transaction"):
        tx.map("/cells", "work", 1, engine=dask.engine)
    (row,) = fs.map("/cells", "_hidden", engine=dask.engine)
    assert row["error"]["code"] == "PermissionDenied"


def test_a_map_with_the_same_id_is_done_once(fs: SyncClient, dask: DaskCluster) -> None:
    put(fs, [Cell(value=0), Cell(kind="count")])
    first = fs.map("/cells", "work", 3, engine=dask.engine, id="m")
    assert fs.map("/cells", "work", 3, engine=dask.engine, id="m") == first
    assert (fs.cat("/cells/c000.value"), fs.cat("/counter.count")) == ([0, 0, 0], 3)


def during(done: Callable[[], int], disturb: Callable[[], None], least: int = 3) -> threading.Thread:
    """Disturb once so much is done, beside what the test does."""

    def wait() -> None:
        while done() < least:
            time.sleep(0.02)
        disturb()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.skipif(not in_turn(0, 3), reason=TURNS)
@pytest.mark.parametrize("whom", ["worker", "scheduler"])
def test_a_map_goes_on_when_one_is_killed_and_each_object_counts_once(
    fs: SyncClient, dask: DaskCluster, whom: str
) -> None:
    put(fs, [Cell(kind="count") if n % 2 else Cell(value=n) for n in range(24)])
    seen: list[Any] = [{"done": 0}]
    thread = during(lambda: int(fs.cat("/counter.count")), lambda: disturb(dask, whom))
    rows = fs.map("/cells", "work", 2, 0.1, engine=dask.engine, progress=seen.append)
    thread.join()
    assert [row["path"] for row in rows] == [f"/cells/c{n:03}" for n in range(24)]
    assert not [row for row in rows if "error" in row]
    assert [fs.cat(f"/cells/c{n:03}.value") for n in range(0, 24, 2)] == [[n, n] for n in range(0, 24, 2)]
    assert fs.cat("/counter.count") == 24, "twelve objects counted two each"
    assert seen[-1] == {"event": "progress", "done": 24, "failed": 0, "total": 24}


def disturb(dask: DaskCluster, whom: str) -> None:
    if whom == "scheduler":
        dask.kill_scheduler()
        dask.start_scheduler()
    name = next(iter(dask.workers))
    dask.kill_worker(name)
    dask.start_worker(name)


@pytest.mark.skipif(SCALE == 1, reason="starts a dozen workers: EMERGE_TEST_SCALE=large")
def test_an_object_that_kills_each_worker_is_told_and_the_others_are_run(fs: SyncClient, dask: DaskCluster) -> None:
    """Dask gives an item up when four workers died of it."""
    put(fs, [Cell(kind="raise"), Cell(), Cell()])
    stop = threading.Event()
    keeper = threading.Thread(target=dask.keep_alive, args=(stop,))
    keeper.start()
    try:
        rows = fs.map("/cells", "die", engine=dask.engine)
    finally:
        stop.set()
        keeper.join()
    assert [row.get("error", {}).get("code") for row in rows] == ["ExecutionFailed", None, None]
    assert "die ended each process that ran it" in rows[0]["error"]["message"]
    assert [fs.cat(f"/cells/c00{n}.value") for n in range(3)] == [None, "lives", "lives"]


# --- flows
@dataclass
class Tour(Flow):
    stops: int = 0
    visited: list[int] = field(default_factory=list)

    @step(backoff=0.05)
    def visit(self, fs, stop: int) -> int:
        time.sleep(0.05)
        counter = fs.getobject("/counter")
        counter.count += 1
        fs.store(counter)
        self.visited.append(stop)
        return stop

    @step(transaction=False)
    def tell(self, fs) -> int:
        return fs.run("/counter", "add", 100)

    def run(self) -> list[int]:
        seen = []
        for stop in range(self.stops):
            seen.append(self.visit(stop))
            self.sleep(0.01)
        self.tell()
        return seen


@pytest.mark.skipif(not in_turn(1, 3), reason=TURNS)
def test_flows_go_on_when_worker_and_scheduler_are_killed(fs: SyncClient, dask: DaskCluster) -> None:
    fs.store(Counter(name="counter"))
    for number in range(3):
        start(fs, Tour(stops=4), f"/flows/{number}")
    thread = during(lambda: int(fs.cat("/counter.count")), lambda: disturb(dask, "scheduler"))
    work(fs, engine=dask.engine, until_idle=True)
    thread.join()
    assert [each["status"] for each in list_flows(fs)] == ["done"] * 3
    assert fs.cat("/counter.count") == 312
    for number in range(3):
        assert fs.cat(f"/flows/{number}/flow.visited") == [0, 1, 2, 3]
        assert flow_status(fs, f"/flows/{number}")["result"] == [0, 1, 2, 3]


def test_an_engine_that_is_away_is_told_with_how_to_go_on(fs: SyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    dask_engine = pytest.importorskip("emerge_wasm.flows.dask_engine")
    monkeypatch.setattr(dask_engine, "PATIENCE", 0.1)  # patched: a minute otherwise
    put(fs, [Cell()])
    with pytest.raises(Unavailable, match=r"tcp://127.0.0.1:1\b.*id='m'"):
        fs.map("/cells", "work", 1, engine="dask://127.0.0.1:1", id="m")


# --- a node beside each worker
def keep(number: int) -> tuple[str, str, str]:
    """In a task: store here and in the cluster; the worker, and the nodes that have what was stored."""
    from distributed import get_worker

    from emerge_wasm import fs

    name = get_worker().name
    here = fs.store(EmergeFile(name=f"n{number}", path=f"/workers/{name}", data=number))
    there = fs.store(EmergeFile(name=f"n{number}", path="/common", data=name))
    return name, here.node, there.node


def listed(fs: SyncClient, path: str) -> list[str]:
    """The names in a directory, once its owner is back."""
    for _ in range(200):
        with suppress(Unavailable):
            return [each.name for each in fs.list(path)]
        time.sleep(0.05)
    raise AssertionError(f"the owner of {path} stays away")


@pytest.mark.skipif(not in_turn(2, 3), reason=TURNS)
def test_each_worker_has_a_node_whose_store_outlives_it(fs: SyncClient, dask: DaskCluster) -> None:
    from distributed import Client

    from emerge_wasm.flows.dask_node import EmergeNode

    def owners() -> dict[str, str]:
        return {volume["path"]: volume["node"] for volume in fs.volumes()}

    def address(name: str) -> str:
        """Where a worker is. What is submitted to one that is not there may be done by another, says Dask."""
        workers = client.scheduler_info(n_workers=-1)["workers"]
        return next((at for at, each in workers.items() if each["name"] == name), "")

    fs.foundcluster()
    names = sorted(dask.workers)
    with Client(dask.address, set_as_default=False) as client:
        client.wait_for_workers(len(names))
        client.register_plugin(EmergeNode(fs.origin[0].address))
        assert owners() == {"/": "desk", **{f"/workers/{name}": f"workers-{name}" for name in names}}
        for number, name in enumerate(names):
            kept = client.submit(keep, number, workers=[name], pure=False).result(60)
            assert kept == (name, f"workers-{name}", "desk")
        assert {fs.cat(f"/workers/{name}/n{number}.data") for number, name in enumerate(names)} == {0, 1}
        before = address(names[0])
        dask.kill_worker(names[0])
        dask.start_worker(names[0])
        until = time.monotonic() + 60
        while (now := address(names[0])) in ("", before):
            assert time.monotonic() < until
            time.sleep(0.05)
        kept = client.submit(keep, 7, workers=[now], pure=False).result(60)
        assert kept == (names[0], f"workers-{names[0]}", "desk")
        assert listed(fs, f"/workers/{names[0]}") == ["n0", "n7"], "it found its store"
        client.unregister_worker_plugin("emerge-node")
    assert owners() == {"/": "desk"}
    assert [each.node for each in fs.list(f"/workers/{names[0]}")] == ["desk", "desk"]
