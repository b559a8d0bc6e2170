"""Steps that are skipped when nothing they read has changed. Stamps are kept under .emerge-build/."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".emerge-build"
SKIPPED = {"__pycache__", "node_modules"}


class BuildError(Exception):
    """The build cannot go on; the message says why and what to do."""


def say(text: str) -> None:
    """One line to the person who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def files(paths: Iterable[Path]) -> list[Path]:
    """Every file at or below these paths, in a fixed order."""
    found: set[Path] = set()
    for path in paths:
        if path.is_file():
            found.add(path)
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name not in SKIPPED]
            found.update(Path(folder, name) for name in names if not name.endswith(".pyc"))
    return sorted(found)


def digest(paths: Iterable[Path], *extra: str) -> str:
    """A hash of the names and contents of these files, and of `extra`."""
    total = hashlib.sha256("\0".join(extra).encode())
    for path in files(paths):
        name = path.relative_to(ROOT).as_posix()
        total.update(f"\0{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return total.hexdigest()


def once(name: str, inputs: Iterable[Path], outputs: Iterable[Path], action: Callable[[], object], *extra: str) -> None:
    """Run the action unless its inputs are as they were when it last succeeded and its outputs are there."""
    stamp = WORK / f"{name}.stamp"
    expected = digest(inputs, *extra)
    if stamp.is_file() and stamp.read_text() == expected and all(path.exists() for path in outputs):
        return
    started = time.perf_counter()
    say(f"{name} …")
    stamp.unlink(missing_ok=True)
    action()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(expected)
    say(f"{name}: done in {time.perf_counter() - started:.1f} s")


def run(*command: str | Path, env: Mapping[str, str] | None = None, folder: Path = ROOT) -> str:
    """Run a command in the checkout or another folder, quietly; what it said. BuildError with that when it fails."""
    parts = [str(part) for part in command]
    done = subprocess.run(
        parts,
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise BuildError(f"{' '.join(parts)}\n{done.stdout[-6000:]}\nfailed with exit code {done.returncode}")
    return done.stdout
