"""The servers under measurement, each a process of its own on a free port, ended by its pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def spawned(*command: str, quiet: bool = False) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running Python module, and the first line that it prints. `quiet`: without its log."""
    log = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGCONT)  # it may stand still
        process.terminate()
        process.wait(10)


@contextmanager
def started(*command: str, quiet: bool = False) -> Iterator[str]:
    """The first line that a running Python module prints (see `spawned`)."""
    with spawned(*command, quiet=quiet) as (_, line):
        yield line


@contextmanager
def echo(*kind: str) -> Iterator[str]:
    """The endpoint of a bare echo, or of one read from asyncio."""
    with started("bench.echo", *kind) as endpoint:
        yield endpoint


@contextmanager
def cluster(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """`emerge up` in an empty folder: {"node": endpoint, "url": of the relay, "token": for programs, "page": url,
    "pid"}."""
    command = ("emerge_wasm.cli", "--json", "up", "--no-open", "--dir", str(folder), "--port", "0", "--node-port", "0")
    with spawned(*command, *options) as (process, line):
        found: dict[str, str] = json.loads(line)
        yield {**found, "pid": str(process.pid)}


def processor_seconds(pid: int | str) -> float:
    """Processor time that a process has used until now, by itself and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | str) -> int:
    """Memory that a process has in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
