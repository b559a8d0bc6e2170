"""What a shell starts in the background ignores SIGINT: the servers and the tests must not depend on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import IGNORE_SIGINT, ROOT, start_server
from tests.scale import pairs

INTERRUPTED = "tests/clients/test_sync.py::test_interrupting_a_stream_ends_it_on_the_node"
SERVERS = {
    "up": ("up", "--no-open", "--port", "0", "--node-port", "0", "--dir"),
    "node": ("node", "start", "--port", "0", "--rest", "0", "--store"),
}


@pytest.mark.parametrize(("name", "number"), pairs([*SERVERS], [signal.SIGTERM, signal.SIGINT]))
def test_a_server_in_the_background_ends_cleanly(name: str, number: signal.Signals, tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/n.db" if name == "node" else str(tmp_path / "data")
    server = start_server(*SERVERS[name], where, ignore_sigint=True)
    assert server.stop(number) == 0


def test_the_suite_in_the_background_can_interrupt_itself() -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "--timeout", "30", INTERRUPTED]
    done = subprocess.run(
        [sys.executable, "-c", IGNORE_SIGINT, *command],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
