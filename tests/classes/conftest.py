"""The table of cases, run once for the session in every place: processes of several Pythons, a node, Pyodide."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random

import msgpack
import pytest

from tests.pyodide import node_command
from tests.scale import pairs, rotated, sample

from .case import Case, dump, read_cases
from .compose import compose

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
OTHERS = ("3.12", "3.13")
PYODIDE = "3.14"
NODE = ("search", "run")
"""What a node does with a case's code: each starts a process of its own."""
SEEDED = 30

KNOWN: dict[str, str] = {
    "seeded17": "captured on Python 3.14, a bundle has other bytes",
}
"""Cases that are wrong somewhere, and why."""

Outcomes = dict[str, dict[str, str]]
"""By case, then by place and step: "" or what went wrong."""


@cache
def find_python(version: str) -> str | None:
    """An interpreter of that version: on the path, or among pyenv's."""
    names = [shutil.which(f"python{version}")]
    if os.environ.get("PYENV_ROOT"):
        names += sorted(map(str, Path(os.environ["PYENV_ROOT"]).glob(f"versions/{version}.*/bin/python")))
    return next((name for name in names if name and _is_python(name)), None)


def _is_python(name: str) -> bool:
    return subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0


def table() -> list[Case]:
    """Half of the cases, and what is known to be wrong: as people wrote them, and some composed, always the same."""
    cases = [*read_cases(), *(compose(Random(number), f"seeded{number}") for number in range(SEEDED))]
    right = [case for case in cases if case.name not in KNOWN]
    return [case for case in cases if case.name in KNOWN] + sample(right, 2)


@cache
def shared_out() -> dict[str, Case]:
    """The table by name, each with one of the other Pythons and one use on the node; by command with all."""
    others = [*filter(find_python, OTHERS), PYODIDE]
    cases = {case.name: case for case in table()}
    for name in KNOWN:  # what is known to fail, fails in every run
        cases[name].others = others
        cases[name].asked = [*NODE]
    names = [name for name in cases if name not in KNOWN]
    for name, python in pairs(names, rotated(others)):
        cases[name].others.append(python)
    for name, use in pairs(names, rotated(NODE)):
        cases[name].asked.append(use)
    return cases


def run_cases(cases: list[Case], folder: Path, host: str, far: bool = True) -> Outcomes:
    """Run them here and on a node; with `far` in other Pythons too. A process that fails, fails all its cases."""
    for case in cases:
        case.write(folder / "modules")
    (folder / "cases.json").write_text(dump(cases))
    finish(start("store", folder, host))
    pythons = [*filter(None, map(find_python, OTHERS))] if far else []
    apart = [start("bytes", folder, python=python) for python in pythons]
    if far:
        apart.append(in_pyodide(folder))
    finish(start("fresh", folder, host), start("own", folder, host))
    finish(start("run", folder, host))  # it changes what the others have read
    finish(*apart)
    return collect(folder)


def start(place: str, folder: Path, host: str = "", python: str = sys.executable) -> subprocess.Popen[str]:
    paths = [ROOT / "py", Path(msgpack.__file__).parents[1]]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    if python != sys.executable:
        env["MSGPACK_PUREPYTHON"] = "1"
    command = [python, str(HERE / "place.py"), place, str(folder), host]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=folder)


def in_pyodide(folder: Path) -> subprocess.Popen[str]:
    command = node_command(HERE / "pyodide.mjs", HERE, folder)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said


def collect(folder: Path) -> Outcomes:
    outcomes: Outcomes = {}
    for path in sorted(folder.glob("*.json")):
        if path.stem not in ("cases", "kept"):
            for name, steps in json.loads(path.read_text()).items():
                found = outcomes.setdefault(name, {})
                found.update({f"{path.stem}: {step}": said for step, said in steps.items()})
    return outcomes


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What every case did everywhere. The first of pytest's workers that asks, runs them; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    result = shared / "classes.json"
    with (shared / "classes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            place, cases = request.getfixturevalue("place"), [*shared_out().values()]
            result.write_text(json.dumps(run_cases(cases, tmp_path_factory.mktemp("classes"), place.host)))
    found: Outcomes = json.loads(result.read_text())
    return found
