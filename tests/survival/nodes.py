"""Nodes as processes of their own, which may be told to kill themselves inside a commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.backends import BACKENDS
from tests.conftest import ROOT, Server

START = """
import sys
from importlib import import_module
from tests.without_sandbox import run

module, point, count, *args = sys.argv[1:]
if point:
    import_module("tests.backends." + module).kill_at(point, int(count))
run(args)
"""


@contextmanager
def node(backend: str, url: str, *more: str, name: str = "node", point: str = "", count: int = 0) -> Iterator[Server]:
    """`emerge node start` on this store; with a `point`, it kills itself there, in that commit or soon after.

    It is killed in the end, whatever it does.
    """
    command = [sys.executable, "-c", START, BACKENDS[backend].module, point, str(count), "--json"]
    command += ["node", "start", "--name", name, "--port", "0", "--store", url, *more]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, f"it ended with {process.wait(10)}"
            yield Server(process, json.loads(line))
        finally:
            process.kill()
            process.wait()


def refused(backend: str, url: str) -> dict[str, str]:
    """The error that a second node on this store ends with, as `emerge --json` shows it."""
    command = [sys.executable, "-m", "tests.without_sandbox", "--json", "node", "start", "--port", "0", "--store", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.returncode, "it started"
    error: dict[str, str] = json.loads(done.stderr)["error"]
    return error
