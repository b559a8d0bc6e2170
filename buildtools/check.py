"""`build.py test`: every check in turn, the rest also after a failure; pytest last, its closing line is the end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from . import browser
from .environment import PYTHON, node, tool
from .step import ROOT, BuildError, say

NODE_TOOLS = ROOT / "node_modules"


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


def _timed(name: str, action: Callable[[], bool]) -> bool:
    started = time.perf_counter()
    passed = action()
    say(f"{'ok  ' if passed else 'FAIL'} {name}: {time.perf_counter() - started:.1f} s")
    return passed


def _quietly(command: list[str | Path]) -> bool:
    """Run a check; show what it says only when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        say(done.stdout[-20_000:])
    return done.returncode == 0


def _pytest(environment: Mapping[str, str], arguments: list[str]) -> tuple[bool, str]:
    """Run pytest, showing what it says; whether it passed, and its closing line."""
    closing = ""
    command = [str(PYTHON), "-m", "pytest", *arguments]
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
    """Every check; the exit code. `arguments` are pytest's."""
    failed = [name for name, command in _commands() if not _timed(name, partial(_quietly, command))]
    environment: dict[str, str] = {}
    started = time.perf_counter()
    try:
        environment = browser.ensure()
    except BuildError as error:
        say(str(error))
        failed.append("a browser")
    passed, closing = _pytest(environment, arguments)
    if not passed:
        failed.append("pytest")
    say(f"{'ok  ' if passed else 'FAIL'} pytest: {time.perf_counter() - started:.1f} s")
    say(f"failed: {', '.join(failed)}" if failed else "everything passed")
    say(closing.strip("= "))
    return 1 if failed else 0
