"""`build.py test`: the static checks side by side, then pytest in several processes; its closing line is the end.

A check that fails stops none of the others.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import browser, debian
from .environment import PYTHON, node, tool
from .step import ROOT, BuildError, say

NODE_TOOLS = ROOT / "node_modules"
WORKERS = ("-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "worksteal")
"""How pytest shares the tests out: a process more than there are cores, since some wait; each has a row of neighbours,
and whoever is done first helps.

Neighbours share servers and pages; with more processes than four, these take longer to start than the tests to run.
"""


def _commands() -> list[tuple[str, list[str | Path]]]:
    svelte = NODE_TOOLS / "svelte-check" / "bin" / "svelte-check"
    return [
        ("ruff check", [tool("ruff"), "check", "."]),
        ("ruff format", [tool("ruff"), "format", "--check", "."]),
        ("mypy", [tool("mypy")]),
        ("svelte-check", [node(), svelte, "--tsconfig", "./tsconfig.json", "--fail-on-warnings"]),
        ("tsc", [node(), NODE_TOOLS / "typescript" / "bin" / "tsc", "--noEmit"]),
        ("vitest", [node(), NODE_TOOLS / "vitest" / "vitest.mjs", "run", "--passWithNoTests"]),
    ]


def _run(check: tuple[str, list[str | Path]]) -> tuple[str, bool]:
    """Run a check and show what it says only when it fails; its name, and whether it passed."""
    name, command = check
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = done.stdout[-20_000:] + "\n" if done.returncode else ""
    say(f"{said}{'FAIL' if done.returncode else 'ok  '} {name}: {time.perf_counter() - started:.1f} s")
    return name, done.returncode == 0


def _pytest(environment: Mapping[str, str], arguments: list[str]) -> tuple[bool, str]:
    """Run pytest, showing what it says; whether it passed, and its closing line."""
    closing = ""
    command = [str(PYTHON), "-m", "pytest", *WORKERS, *arguments]
    setting = {**os.environ, **environment}
    with subprocess.Popen(
        command, cwd=ROOT, env=setting, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
            closing = line.strip() or closing
    return process.returncode == 0, closing


def run(arguments: list[str]) -> int:
    """Run every check and return the exit code. `arguments` are pytest's: `-n 0` runs the tests in one process."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [name for name, passed in pool.map(_run, _commands()) if not passed]
    environment: dict[str, str] = {}
    started = time.perf_counter()
    debian.ensure()
    try:
        environment = browser.ensure()
    except BuildError as error:
        say(str(error))
        failed.append("a browser")
    passed, closing = _pytest(environment, arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not passed:
        failed.append("pytest")
    say(f"{'ok  ' if passed else 'FAIL'} pytest: {time.perf_counter() - started:.1f} s")
    say(f"failed: {', '.join(failed)}" if failed else "everything passed")
    say(closing.strip("= "))
    return 1 if failed else 0
