"""The page's Python reads what this one writes, and writes the same bytes; time zones are there too."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from emerge_wasm.codec import encode, show
from tests.conftest import ROOT

from .test_codec_standard import VALUES

TABLES = [np.float64(1.5), np.arange(6).reshape(2, 3), pd.DataFrame({"a": [1, 2], "b": ["x", None]})]


def test_values_in_pyodide() -> None:
    folder = ROOT / "dist" / "pyodide"
    if not (folder / "pyodide-lock.json").exists():
        pytest.fail(f"{folder} is not there: run python3 build.py build", pytrace=False)
    values = json.dumps([[encode(value).hex(), show(value)] for value in [*VALUES, *TABLES]])
    script = ROOT / "tests" / "codec" / "in_pyodide.py"
    command = ["node", ROOT / "tests" / "rest" / "pyodide.mjs", folder, ROOT / "py", script, values, ""]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
