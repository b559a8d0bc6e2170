"""Runs the packaging tool `build`, for `python -m build` in the root of the project finds build.py before it."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

from .step import ROOT

ABSENT = """The package build is not installed: pip install build, or make a wheel by pip wheel --no-deps .
(For Emerge's own commands: python3 build.py)
"""


def run_build_package() -> int:
    """Run the installed package `build` as `python -m build` would; 1 when there is none."""
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    if importlib.util.find_spec("build") is None:
        sys.stderr.write(ABSENT)
        return 1
    runpy.run_module("build", run_name="__main__", alter_sys=True)
    return 0
