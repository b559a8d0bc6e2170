"""The page: vite puts it into dist/, beside the Pyodide files."""

from __future__ import annotations

import shutil

from .distribution import DIST, TESTS, page_folder
from .environment import node
from .step import ROOT, BuildError, once, run

WEB = ROOT / "web"
CONFIG = [ROOT / name for name in ("index.html", "vite.config.ts", "svelte.config.js", "tsconfig.json")]
LOCK = ROOT / "package-lock.json"
NEEDED = [WEB / "app" / "App.svelte", WEB / "indexeddb.ts"]
VITE = ROOT / "node_modules" / "vite" / "bin" / "vite.js"


def _build_page() -> None:
    for path in NEEDED:
        if not path.exists():
            raise BuildError(f"{path.relative_to(ROOT)} is missing: this checkout is not complete")
    shutil.rmtree(DIST / "assets", ignore_errors=True)
    run(node(), VITE, "build", "--logLevel", "warn")


def make() -> None:
    """The page, and parts of its worker by themselves for tests inside Pyodide."""
    once("page", [WEB, *CONFIG, LOCK], [DIST / "index.html", DIST / "sw.js"], _build_page, page_folder())
    inputs = [*WEB.glob("*.ts"), ROOT / "vite.config.ts", LOCK]
    once("parts", inputs, [TESTS / f"emerge_{name}.mjs" for name in ("indexeddb", "boot")], _build_parts)


def _build_parts() -> None:
    run(node(), VITE, "build", "--mode", "parts", "--logLevel", "warn")
