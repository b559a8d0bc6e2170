"""A Jupyter notebook, run by a real kernel beside a real node: what its cells define is stored, run and searched."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.conftest import ROOT, Server

NOTEBOOK = ROOT / "tests" / "data" / "notebook.txt"
SCRIPTED = """
from dataclasses import dataclass
from emerge_wasm import EmergeFile
@dataclass
class Scripted(EmergeFile):
    n: int = 3
"""
RELOADED = """
import math
from emerge_wasm import EmergeFile
class Part(EmergeFile):
    def f(self): return math.floor(1.5)
"""


def test_a_notebook(place: Server, tmp_path: Path) -> None:
    (tmp_path / "scripted.py").write_text(SCRIPTED)
    (tmp_path / "reloaded.py").write_text(RELOADED)
    _, *texts = NOTEBOOK.read_text().replace("ADDRESS", place.host).split("# %% ")
    heads, cells = zip(*(text.split("\n", 1) for text in texts), strict=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}, allow_errors=True)
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.create_kernel_manager().kernel_cmd = kernel
    client.execute()
    shown = [_result(cell) for cell in notebook.cells]
    assert [f"{head.partition(' → ')[0]} → {value}" for head, value in zip(heads, shown, strict=True)] == list(heads)


def _result(cell: nbformat.NotebookNode) -> str | None:
    """What a cell shows as its value, or the error that ended it."""
    for output in cell.outputs:
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}"
        if output.output_type == "execute_result":
            return str(output.data["text/plain"])
    return None
