"""A plugin for Dask's workers: each has a node of the cluster beside it, with a store of its own.

    client.register_plugin(EmergeNode("tcp://127.0.0.1:5558"))

The node is a process of its own: a task that keeps the interpreter busy would keep it from answering its peers, who
would take it for dead. It ends with its worker, however that ends, as the worker holds its input open.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import distributed

import emerge_wasm

from .. import connect
from ..clients.sync import SyncClient
from ..errors import Conflict, EmergeError, Invalid, Unavailable

STOP_SECONDS = 10.0
ENTER_SECONDS = 20.0

_log = logging.getLogger("emerge.flows")


class EmergeNode(distributed.WorkerPlugin):  # type: ignore[misc]  # it may not be installed
    """Starts a node beside each worker, which enters the cluster of `join` and owns `<root>/<worker's name>` in it.

    In a task `emerge_wasm.fs` is that node: the worker's own directory is in its own store, and any other path is the
    cluster's. The store is a folder beside the worker's own, `emerge-<name>`, which a worker that is started again
    finds. When a worker is closed, its directory goes to the owner of what is above, and the node leaves. `options` are
    more of those of `emerge node start`: a key, an address that others reach.
    """

    name = "emerge-node"
    idempotent = True

    def __init__(self, join: str, *, root: str = "/workers", options: tuple[str, ...] = ()) -> None:
        self.join = join if "://" in join else f"tcp://{join}"
        self.root = root.rstrip("/")
        self.options = tuple(options)
        self._process: subprocess.Popen[str] | None = None
        self._before: str | None = None
        self.own = ""
        """The worker's directory in the cluster."""

    async def setup(self, worker: distributed.Worker) -> None:
        await asyncio.to_thread(self._enter, worker)  # the worker's own loop goes on meanwhile

    def _enter(self, worker: distributed.Worker) -> None:
        name = str(worker.name).replace("/", "-").replace(":", "-")
        self.own = f"{self.root}/{name}"
        folder = Path(worker.local_directory).parent / f"emerge-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        node = self.own.strip("/").replace("/", "-")
        address = self._start(node, folder)
        self._before = os.environ.get("EMERGE_HOST")
        _use(address)
        with connect(address) as fs:
            _own(fs, self.own, node)

    def _start(self, name: str, folder: Path) -> str:
        """Start the node; return its address."""
        command = [sys.executable, "-m", "emerge_wasm.cli", "--json", "node", "start", "--while-input", "--port", "0"]
        command += ["--name", name, "--store", f"sqlite:///{folder / 'emerge.db'}", "--join", self.join, *self.options]
        with (folder / "node.log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(f"node {name} did not start", remedy=f"see {folder / 'node.log'}")
        return str(json.loads(line)["node"])

    async def teardown(self, worker: distributed.Worker) -> None:
        await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with connect(os.environ.get("EMERGE_HOST")) as fs:
            _give_back(fs, self.own)
        _use(self._before)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _own(fs: SyncClient, path: str, node: str) -> None:
    """Make a node the owner of a path, unless it is. A node that has just started may not know its peers yet.

    Raises:
        Invalid: there is no cluster.
    """
    until = time.monotonic() + ENTER_SECONDS
    while True:
        try:
            owners = {volume["path"]: volume["node"] for volume in fs.volumes()}
            if not owners:
                raise Invalid("the node to join is in no cluster", remedy="found one there: emerge cluster found")
            if owners.get(path) != node:
                fs.mount(path)
            return
        except Unavailable:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


def _give_back(fs: SyncClient, path: str) -> None:
    """Give a directory to the owner of what is above it. Other workers may do so at this moment."""
    until = time.monotonic() + ENTER_SECONDS
    while True:
        try:
            fs.unmount(path)
            return
        except (Conflict, Unavailable) as error:
            if time.monotonic() > until:
                _log.warning("%s stays with the node of this worker: %s", path, error)
                return
        except EmergeError as error:
            _log.warning("%s stays with the node of this worker: %s", path, error)
            return
        time.sleep(0.2)


def _use(address: str | None) -> None:
    """Make a node this process's `emerge_wasm.fs`, if it has a default."""
    if address is None:
        os.environ.pop("EMERGE_HOST", None)
    else:
        os.environ["EMERGE_HOST"] = address.removeprefix("tcp://")
    vars(emerge_wasm).pop("fs", None)
