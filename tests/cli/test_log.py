"""What Emerge logs: shown by a server to whoever started it, and never mixed into what a command prints."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

EMERGE = [sys.executable, "-m", "emerge_wasm.cli"]
LOST = "import logging; logging.getLogger('emerge.clients').warning('lost')"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_server_shows_what_it_logs() -> None:
    endpoint = f"tcp://127.0.0.1:{closed_port()}"
    command = [*EMERGE, "--json", "node", "start", "--port", "0", "--store", "memory:", "--join", endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as node:
        assert node.stderr is not None
        line = next(line for line in node.stderr if endpoint in line)
        node.terminate()
    assert " WARNING emerge.cluster: " in line


def test_a_command_prints_its_error_alone() -> None:
    command = [*EMERGE, "--json", "-h", f"127.0.0.1:{closed_port()}", "ls"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7
    assert json.loads(done.stderr)["error"]["code"] == "Unavailable"


def test_a_program_shows_nothing_unless_it_asks() -> None:
    quiet, asked = (
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, env=os.environ)
        for text in (f"import emerge_wasm; {LOST}", f"import emerge_wasm, logging; logging.basicConfig(); {LOST}")
    )
    assert (quiet.stderr, "lost" in asked.stderr) == ("", True)
