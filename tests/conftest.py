"""The live servers that tests of the outer layers share: `emerge up` as a user starts it."""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from emerge_wasm.clients.keys.local_key import FOLDER
from tests import forkserver, without_sandbox
from tests.backends import Started
from tests.scale import SCALE, TURN

if TYPE_CHECKING:
    from tests.network import Network

# A suite starts Python some thousand times: where the environment forbids bytecode, each would compile all of Emerge.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("emerge", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a machine is busy
settings.load_profile("emerge")

if FOLDER not in os.environ:  # nodes that tests kill leave their keys: not among those of the user
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="emerge-keys-")  # pytest's workers inherit it
    atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)

gc.disable()  # all the thousands of tests that are collected stay: looking for garbage takes a third of the time

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = TURN


def pytest_report_header() -> str:
    return f"EMERGE_TEST_TURN={TURN}"


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # the tests make little garbage in cycles, and parse much: a tenth of their time
    gc.enable()


@dataclass
class Server:
    """A started `emerge` command: its process, and what it announced."""

    process: subprocess.Popen[str] | forkserver.ForkedProcess
    found: dict[str, str]

    @property
    def host(self) -> str:
        return self.found["node"].removeprefix("tcp://")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send it Ctrl-C's signal, or another, and return its exit code; kill it when it goes on."""
        try:
            if self.process.poll() is None:
                self.process.send_signal(number)
            return self.process.wait(15)
        finally:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


IGNORE_SIGINT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""A program that becomes the one that its arguments name, as a shell starts what it puts in the background."""


def start_server(
    *args: str, env: dict[str, str] | None = None, ignore_sigint: bool = False, sandbox: bool = True
) -> Server:
    """Start `emerge --json …` and wait for its announcement. A node without a sandbox starts in a tenth of the time.

    It is forked, unless the test is of how it starts: in the background, or of another release; and by command, always.
    """
    setting = {**os.environ, **(env or {})}
    process: subprocess.Popen[str] | forkserver.ForkedProcess
    if SCALE == 1 and not ignore_sigint and "PYTHONPATH" not in (env or {}):
        process = forkserver.fork(forkserver.emerge if sandbox else without_sandbox.run, ["--json", *args], env=setting)
    else:
        process = _start_command(args, setting, ignore_sigint, sandbox)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.stdout.close()
        raise AssertionError(f"{args} ended with {process.wait(10)}")
    return Server(process, json.loads(line))


def _start_command(
    args: tuple[str, ...], env: dict[str, str], ignore_sigint: bool, sandbox: bool
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emerge_wasm.cli" if sandbox else "tests.without_sandbox", "--json", *args]
    if ignore_sigint:
        command = [sys.executable, "-c", IGNORE_SIGINT, *command]
    setting = {**env, "PYTHONPATH": str(ROOT)} if not sandbox else env
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=setting)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One `emerge up` for the whole session: a node and a relay on free ports."""
    folder = tmp_path_factory.mktemp("place")
    server = start_server("up", "--no-open", "--port", "0", "--node-port", "0", "--dir", str(folder / "data"))
    yield server
    assert server.stop() == 0


@pytest.fixture
def emerge(place: Server, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line against the live node, in an empty folder."""
    from tests.command import run_here

    return lambda *words: run_here(words, tmp_path, {"EMERGE_HOST": place.host})


def run_example(name: str, host: str) -> str:
    """Run a script of examples/ against a node, as the README says; what it prints."""
    command = [sys.executable, str(ROOT / "examples" / name)]
    env = {**os.environ, "EMERGE_HOST": host}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The servers of the engines under test, each started when a test first asks for it."""
    started = Started(tmp_path_factory.mktemp("backends"))
    yield started
    started.stop()


@pytest.fixture
def make_network() -> Iterator[Callable[[int], Network]]:
    """Make hosts in network namespaces; see tests/network.py."""
    from tests.network import networks

    with networks() as make:
        yield make


@pytest.fixture
def traced() -> Iterator[None]:
    """Python's memory is measured during the test."""
    tracemalloc.start()
    yield
    tracemalloc.stop()
