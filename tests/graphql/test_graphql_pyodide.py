"""GraphQL in Pyodide, over the browser's side of the filesystem, with no network."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import ROOT
from tests.pyodide import node_command

HERE = Path(__file__).parent


def test_it_works_in_pyodide() -> None:
    script = ROOT / "tests" / "rest" / "pyodide.mjs"
    command = node_command(script, HERE / "in_pyodide.py", "", "", "graphql-core")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
