"""`python -m build` in the project's root runs the packaging tool of that name, not the project's own build.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def run(*command: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_packaging_tool_is_run(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "__init__.py").touch()
    (tmp_path / "build" / "__main__.py").write_text("import sys; print(__name__, sys.argv[1:])")
    done = run("-m", "build", "--wheel", "test", path=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "__main__ ['--wheel', 'test']\n", "")


def test_it_says_what_to_do_where_there_is_none() -> None:
    done = run("-S", "-m", "build")  # without site-packages
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install build" in done.stderr and "python3 build.py" in done.stderr


def test_the_entry_point_is_still_build_py() -> None:
    done = run("build.py", "--help")
    assert done.returncode == 0 and "build | up | test | bench | wheel" in done.stdout
