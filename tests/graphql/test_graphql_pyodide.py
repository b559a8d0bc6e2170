"""GraphQL in Pyodide, over the browser's side of the filesystem, with no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import graphql
import pytest

from tests.conftest import ROOT

HERE = Path(__file__).parent


def test_it_works_in_pyodide(tmp_path: Path) -> None:
    folder = ROOT / "dist" / "pyodide"
    if not (folder / "pyodide-lock.json").exists():
        pytest.fail(f"{folder} is not there: run python3 build.py build", pytrace=False)
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "py" / "emerge_wasm", tmp_path / "emerge_wasm", ignore=skip)
    shutil.copytree(Path(graphql.__file__).parent, tmp_path / "graphql", ignore=skip)
    command = ["node", ROOT / "tests" / "rest" / "pyodide.mjs", folder, tmp_path, HERE / "in_pyodide.py", "", ""]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
