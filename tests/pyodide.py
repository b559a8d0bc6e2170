"""What the build made for Pyodide: the page's Python, and whether it holds the sources as they are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildtools.distribution import is_for_browsers, read_libraries

ROOT = Path(__file__).parents[1]


def changed(folder: Path) -> str | None:
    """A source of ours that is not, or not as it is now, among the libraries of a folder of the build."""
    held = read_libraries(folder)
    sources = sorted((ROOT / "py" / "emerge_wasm").rglob("*.py"))
    names = {source.relative_to(ROOT / "py").as_posix(): source for source in sources}
    needed = [name for name in names if is_for_browsers(name)]
    return next((name for name in needed if held.get(name) != names[name].read_bytes()), None)


def node_command(script: Path, *arguments: str | Path) -> list[str]:
    """Run a script that calls `runIn` of pyodide.mjs. Python starts from the memory snapshot, which is ten times as
    fast, when that holds the sources as they are now; otherwise slowly, with these."""
    folder = next((ROOT / "dist").glob("pyodide-*"), None)
    if folder is None:
        pytest.fail("dist/ is not complete: run python3 build.py build", pytrace=False)
    restorable = (folder / "snapshot.bin").exists() and changed(folder) is None
    return ["node", *map(str, [script, folder, "" if restorable else ROOT / "py", *arguments])]
