"""`build.py wheel`: what is published, in dist/. emerge-wasm is the package; emerge-wasm-page is the page, built."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from . import licence
from .compress import DIST, ENCODERS, served
from .distribution import fetch
from .environment import PYTHON
from .step import ROOT, WORK, BuildError, run

SOURCE = ROOT / "page"
STAGE = WORK / "page-wheel"
PLAIN = ("index.html", "sw.js")
"""Files that are shipped as they are, too; the relay makes the others from their compressed forms where a browser
accepts none."""


def _version(project: Path) -> str:
    found: str = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def _stage() -> None:
    """Put the project of the page together in a folder of its own."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(SOURCE, STAGE, ignore=shutil.ignore_patterns("licences", "__pycache__"))
    shutil.copy(ROOT / "LICENSE", STAGE)
    licence.write(STAGE / "THIRD-PARTY.txt", fetch("pyodide"))
    for file in served(DIST):
        target = STAGE / "emerge_wasm_page" / "files" / file.relative_to(DIST)
        target.parent.mkdir(parents=True, exist_ok=True)
        for ending in (*ENCODERS, *([""] if file.name in PLAIN else [])):
            shutil.copy2(f"{file}{ending}", f"{target}{ending}")


def make(folder: Path = DIST) -> list[Path]:
    """Make the distributions; those made before go."""
    if _version(ROOT) != _version(SOURCE):
        raise BuildError("pyproject.toml and page/pyproject.toml name different versions: make them the same")
    for old in folder.glob("emerge_wasm*"):
        old.unlink()
    _stage()
    run(PYTHON, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", folder)
    run(PYTHON, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=STAGE)
    return sorted(folder.glob("emerge_wasm*"))
