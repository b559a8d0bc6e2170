"""A cluster under faults answers as if there were none, or says that it cannot: the command, in short."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.network import MakeNetwork
from tests.scale import SCALE

from .cluster import Deployment, shared, volumes
from .faults import FAULTS
from .run import run

SECONDS = 8.0 * SCALE
"""Of load and faults, in each of the two; a run has three to five faults."""

NODES = 3

SLOW = {"mount", "remount", "unmount", "promote"}
"""Faults that ask by the command line, some of them several times."""

pytestmark = pytest.mark.timeout(240 + 10 * SECONDS)


def show(cluster: Deployment, seed: int) -> None:
    names = [name for name in FAULTS if SCALE > 1 or name not in SLOW]
    outcome = run(cluster, SECONDS, seed, names, quick=SCALE == 1, programs=2 if SCALE > 1 else 0)
    print(f"seed {seed}: {outcome}")  # noqa: T201
    assert not outcome.faults, f"seed {seed}\n{outcome}"
    assert outcome.outcomes["ok"] > 20


@pytest.fixture
def seed() -> int:
    return Random().getrandbits(24)


def test_volumes_on_hosts(seed: int, make_network: MakeNetwork, tmp_path: Path) -> None:
    with volumes(tmp_path, NODES, make_network(NODES + 1), disks=True, copies=1) as cluster:
        show(cluster, seed)


def test_nodes_of_one_database(seed: int, tmp_path: Path) -> None:
    with shared(tmp_path, NODES) as cluster:
        show(cluster, seed)
