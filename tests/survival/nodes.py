"""Nodes as processes of their own, which may be told to kill themselves inside a commit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from tests import without_sandbox
from tests.backends import BACKENDS
from tests.conftest import ROOT, Server
from tests.forkserver import fork


def serve(module: str, point: str, count: int, args: list[str]) -> None:
    if point:
        import_module(f"tests.backends.{module}").kill_at(point, count)
    without_sandbox.run(args)


@contextmanager
def node(backend: str, url: str, *more: str, name: str = "node", point: str = "", count: int = 0) -> Iterator[Server]:
    """`emerge node start` on this store; with a `point`, it kills itself there, in that commit or soon after.

    It is killed in the end, whatever it does.
    """
    command = ["--json", "node", "start", "--name", name, "--port", "0", "--store", url, *more]
    process = fork(serve, BACKENDS[backend].module, point, count, command)
    try:
        line = process.stdout.readline()
        assert line, f"it ended with {process.wait(10)}"
        yield Server(process, json.loads(line))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def refused(backend: str, url: str) -> dict[str, str]:
    """The error that a second node on this store ends with, as `emerge --json` shows it."""
    command = [sys.executable, "-m", "tests.without_sandbox", "--json", "node", "start", "--port", "0", "--store", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.returncode, "it started"
    error: dict[str, str] = json.loads(done.stderr)["error"]
    return error
