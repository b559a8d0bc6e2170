"""The page's Python reads what this one writes, and writes the same bytes; time zones are there too."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd

from emerge_wasm.codec import encode, show
from tests.conftest import ROOT
from tests.pyodide import node_command

from .test_codec_standard import VALUES

TABLES = [np.float64(1.5), np.arange(6).reshape(2, 3), pd.DataFrame({"a": [1, 2], "b": ["x", None]})]


def test_values_in_pyodide() -> None:
    values = json.dumps([[encode(value).hex(), show(value)] for value in [*VALUES, *TABLES]])
    script = ROOT / "tests" / "codec" / "in_pyodide.py"
    command = node_command(ROOT / "tests" / "rest" / "pyodide.mjs", script, values, "")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
