"""ministack's DynamoDB in a process of its own; all stores in one table, each under a prefix."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emerge_wasm.stores import dynamodb_table, dynamodb_write

from . import Urls

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def serve_dynamodb(folder: Path) -> Iterator[Urls]:
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ |= CREDENTIALS
    try:
        with serve(folder, free_port()) as (port, _):
            yield lambda name: url(port, name)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {name: value} if value is not None else {}


def url(port: int, name: str, options: str = "") -> str:
    """The URL of the store of that name in the server's table."""
    return f"dynamodb://stores?endpoint=http://127.0.0.1:{port}&region=us-east-1&prefix={name}{options}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(folder: Path, port: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server with nothing in it, on this port; it is killed in the end."""
    env = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
    }
    with (folder / "server.log").open("ab") as log:
        command = [sys.executable, "-m", "ministack"]
        with subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log) as process:
            try:
                _wait_for(port, process)
                yield port, process
            finally:
                process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number (see `tests.contracts.crash.POINTS`).

    Every value is moved out of its row, so that `between` the pieces have reached DynamoDB, but not the transaction.
    """
    original: Any = dynamodb_write.Writer.write
    transact: Any = dynamodb_table.Table.transact
    dynamodb_write.SMALL = dynamodb_write.LARGE = 100
    done = 0

    def die(here: str) -> None:
        if here == point and done == count:
            os.kill(os.getpid(), signal.SIGKILL)

    async def write(self: Any, batches: Any) -> Any:
        nonlocal done
        done += 1
        die("before")
        return await original(self, batches)

    async def transacted(self: Any, items: Any) -> None:
        die("between")
        await transact(self, items)
        die("after")

    dynamodb_write.Writer.write = write  # type: ignore[method-assign]
    dynamodb_table.Table.transact = transacted  # type: ignore[method-assign]
