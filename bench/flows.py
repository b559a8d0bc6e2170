"""A method on 1,000 objects on Dask's workers, beside the same method in Dask alone, which is given the objects."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from emerge_wasm import EmergeFile, connect
from emerge_wasm.clients import SyncClient

from .measure import Row, in_turn, print_rows
from .process import cluster

MANY = 1000
ROUNDS = 3
STEPS = 20_000
"""Of a loop, for one object: about a millisecond of processor time."""


@dataclass
class Load(EmergeFile):
    total: int = 0

    def read(self, steps: int) -> int:
        return sum(number * number for number in range(steps))

    def write(self, steps: int) -> int:
        self.total += self.read(steps)
        return self.total


def run_alone(method: str, load: Load) -> tuple[Load, int]:
    """The work in Dask alone, which sends the object and gets it back."""
    result: int = getattr(load, method)(STEPS)
    return load, result


def map_rows(rounds: int = ROUNDS) -> list[Row]:
    """Objects a second of a map that changes nothing and of one that stores each object, beside Dask alone."""
    import distributed  # the extra `dask`

    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder)) as found,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as workers,
        distributed.Client(workers, set_as_default=False) as client,
        connect(found["node"].removeprefix("tcp://")) as fs,
    ):
        loads = [Load(name=f"l{number:04}", path="/loads") for number in range(MANY)]
        fs.storeall([replace(load) for load in loads])
        engine = "dask://" + workers.scheduler_address.removeprefix("tcp://")
        rows = []
        for method in ("read", "write"):
            ours = partial(_rate, partial(_map, fs, method, engine))
            alone = partial(_rate, partial(_gather, client, method, loads))
            figures = in_turn(ours, alone, rounds=rounds)
            rows.append(Row(f"{MANY:,} objects, {method}", figures[0], [figures[1]]))
        return rows


def _rate(work: partial[object]) -> float:
    start = time.perf_counter()
    work()
    return MANY / (time.perf_counter() - start)


def _map(fs: SyncClient, method: str, engine: str) -> None:
    rows = fs.map("/loads", method, STEPS, engine=engine)
    assert len(rows) == MANY and not any("error" in row for row in rows)


def _gather(client, method: str, loads: list[Load]) -> None:  # type: ignore[no-untyped-def]  # a client of Dask
    assert len(client.gather(client.map(partial(run_alone, method), loads, pure=False, batch_size=100))) == MANY


def main() -> None:
    print_rows("A directory run on Dask", "objects a second", ["Dask alone"], map_rows())


if __name__ == "__main__":
    main()
