"""A node and a Dask cluster of processes beside it, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emerge_wasm import connect
from emerge_wasm.clients import SyncClient
from tests.conftest import Server, start_server
from tests.flows.dask_cluster import DaskCluster


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    cluster.start_scheduler()
    for name in ("one", "two"):
        cluster.start_worker(name)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def node(dask: DaskCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A node, which starts while the workers do."""
    folder = tmp_path_factory.mktemp("node")
    server = start_server("node", "start", "--port", "0", "--store", f"sqlite:///{folder}/emerge.db", "--name", "desk")
    yield server
    server.kill()


@pytest.fixture
def fs(node: Server) -> Iterator[SyncClient]:
    with connect(node.host) as fs:
        yield fs
        for pointer in fs.list("/"):
            fs.rm(pointer.full_path, recursive=True)
