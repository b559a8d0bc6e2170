"""`emerge node start` as a user starts it: how it stands with running code is said at once, and seen by every one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import emerge_wasm
from emerge_wasm.errors import ExecutionFailed
from tests.conftest import Server, start_server

from .agent import Agent

Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*flags: str) -> Server:
        servers.append(start_server("node", "start", "--port", "0", "--store", "memory:", *flags))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


def test_sandbox_is_said_and_seen(start: Start) -> None:
    server = start("--preload", "sqlite3, fractions")
    assert "methods run in a sandbox: 10 layers" in server.found["sandbox"]
    with emerge_wasm.connect(server.host) as fs:
        assert fs.hello()["runs"] == "sandbox"
        fs.store(Agent(path="/agents", name="one"))
        assert fs.run("/agents/one", "names", "/agents") == ["one"]
        assert fs.run("/agents/one", "need", "sqlite3") == "sqlite3"
        with pytest.raises(ExecutionFailed, match="--preload pytest"):
            fs.run("/agents/one", "need", "pytest")


def test_unsafe_is_said_and_seen(start: Start) -> None:
    server = start("--unsafe-run")
    assert server.found["sandbox"].startswith("UNSAFE")
    with emerge_wasm.connect(server.host) as fs:
        assert fs.hello()["runs"] == "unsafe"
        fs.store(Agent(path="/agents", name="one"))
        assert fs.run("/agents/one", "need", "imaplib") == "imaplib"


def test_nothing_of_it_is_needed_to_have_a_pool() -> None:
    """Where there is neither fork nor seccomp, a node starts and says why it runs nothing."""
    code = """
import asyncio, sys, zoneinfo
for name in ("resource", "fcntl", "emerge_wasm.sandbox.confine.syscall"):
    sys.modules[name] = None
sys.platform = "win32"
from emerge_wasm.sandbox import Pool, examine
async def main():
    for unsafe in (False, True):
        async with Pool(unsafe=unsafe) as pool:
            print(pool.kind or "-", await examine(pool))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("- runs no methods: processes cannot be forked on Windows") == 2
