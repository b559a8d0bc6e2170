"""ministack, which emulates Amazon's services, in a process of its own.

Run as a program it is ministack as it comes, but remembers the expressions it has parsed: it parses a query's anew for
each row of the partition, which takes most of its time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
KEPT = 1000  # parsed expressions
T = TypeVar("T")


@contextmanager
def ministack(folder: Path, service: str, **settings: str) -> Iterator[str]:
    """One emulated service with nothing in it, on 127.0.0.1; its URL."""
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    env |= {"SERVICES": service, "LOG_LEVEL": "ERROR", "TMPDIR": str(folder), "S3_DATA_DIR": str(folder / "s3")}
    with (folder / "server.log").open("wb") as log:
        command = [sys.executable, "-m", __name__]
        with subprocess.Popen(command, env=env | settings, cwd=folder, stdout=log, stderr=log) as process:
            try:
                _wait_for(port, process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()


@contextmanager
def environment(wanted: dict[str, str]) -> Iterator[None]:
    """These variables, and afterwards those that there were."""
    held = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name)
        os.environ.update({name: held[name] for name in wanted if name in held})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "ministack ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("ministack does not answer")


def _remember_expressions() -> None:
    from ministack.services import dynamodb

    for name in ("_tokenize", "_condition_syntax_error"):
        setattr(dynamodb, name, lru_cache(KEPT)(getattr(dynamodb, name)))


def main() -> None:
    from ministack.app import main as serve

    if os.environ["SERVICES"] == "dynamodb":
        _remember_expressions()
    serve()


if __name__ == "__main__":
    main()
