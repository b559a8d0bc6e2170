"""A Dask cluster of processes for tests: a scheduler and workers that can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tests.conftest import ROOT


class DaskCluster:
    """A scheduler at a fixed port, and its workers, by name. They are killed with SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def engine(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
        self.scheduler = self._start("scheduler", *options)

    def start_worker(self, name: str, threads: int = 2) -> None:
        options = ["--name", name, "--nthreads", str(threads), "--no-nanny", "--no-dashboard"]
        self.workers[name] = self._start("worker", self.address, *options, "--local-directory", str(self._folder))

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(ROOT / "py"), str(ROOT)])
        with (self._folder / f"{what}.log").open("ab") as log:
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options]
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": path})

    def kill_worker(self, name: str) -> None:
        _kill(self.workers.pop(name))

    def keep_alive(self, stop: threading.Event) -> None:
        """Start workers again that end, as a supervisor does, until it is told to stop."""
        while not stop.wait(0.05):
            for name, process in list(self.workers.items()):
                if process.poll() is not None:
                    self.start_worker(name)

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        _kill(self.scheduler)

    def close(self) -> None:
        for process in [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
