"""Processes that need no start: forked from one that has imported what nodes and relays import.

A node starts so in a tenth of the time, and is a process as any: with an environment, a folder and an output of its
own, to be signalled and killed. What a test says of how Python itself starts (its options, signals that are ignored,
another release on its path) needs a command all the same.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Lock

PRELOADED = [
    "tests.forkserver",
    "tests.without_sandbox",
    "emerge_wasm.node.node",
    "emerge_wasm.cluster.authenticator",
    "emerge_wasm.relay.server",
    "emerge_wasm.rest.node_server",
    "emerge_wasm.stores.sqlite.store",
    "emerge_wasm.stores.dynamodb.store",
    "emerge_wasm.sandbox.python_pools",
    "uvloop",
]
"""What is imported before anything is forked; nothing of it may start a thread. What is not there is left out."""

_context = get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


class ForkedProcess:
    """What `subprocess.Popen` is for a command, as far as servers need it; `stdout` is text."""

    def __init__(self, process: BaseProcess, output: int) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.stdout = os.fdopen(output, encoding="utf-8")
        self._process = process
        self._lock = Lock()

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        with self._lock:  # its status is read from a pipe, once
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutExpired(str(self._process), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(
    main: Callable[..., None], *args: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ForkedProcess:
    """Run a function of a module in a process of its own, whose output can be read."""
    reading, writing = os.pipe()
    setting = dict(env or os.environ)
    try:
        process = _context.Process(target=_run, args=(_Output(writing), setting, str(cwd or Path.cwd()), main, args))
        process.daemon = True  # it ends with the tests
        process.start()
    finally:
        os.close(writing)
    return ForkedProcess(process, reading)


def emerge(args: list[str]) -> None:
    """`emerge` with these arguments."""
    from emerge_wasm.cli.main import main

    main(args)


class _Output:
    """A descriptor on its way to the new process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __getstate__(self) -> dict[str, object]:
        return {"sent": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, DupFd]) -> None:
        self._descriptor = state["sent"].detach()

    def install(self) -> None:
        os.dup2(self._descriptor, 1)
        os.close(self._descriptor)


def _run(
    output: _Output, env: dict[str, str], folder: str, main: Callable[..., None], args: tuple[object, ...]
) -> None:
    output.install()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv[1:] = []
    main(*args)
