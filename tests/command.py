"""The command line as tests of what it says run it: in this process, which spares a start of Python for each command.

By command (`EMERGE_TEST_SCALE=large`) each is a process, as it is for a user; and always so in the README, and where a
test is about the process: its signals, its streams, what it imports, and the servers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from emerge_wasm.cli.main import main
from tests.scale import SCALE

EMERGE = [sys.executable, "-m", "emerge_wasm.cli"]


def run_process(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `emerge` as a user does, in a folder, with these variables beside the environment's."""
    command, both = [*EMERGE, *words], {**os.environ, **env}
    return subprocess.run(command, capture_output=True, text=True, env=both, cwd=folder, timeout=60)


def run_here(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The same without a process."""
    if SCALE > 1:
        return run_process(words, folder, env)
    with chdir(folder):
        done = CliRunner(env=env).invoke(main, list(words), catch_exceptions=False)
    return subprocess.CompletedProcess(list(words), done.exit_code, done.stdout, done.stderr)
