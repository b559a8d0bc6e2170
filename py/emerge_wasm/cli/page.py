"""Finds the page that relays serve: the one that this checkout has built, or that of the package emerge-wasm-page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def find_page() -> Path:
    """Return the folder of the built page; there may be none, and the relay then says how to get it."""
    checkout = Path(__file__).resolve().parents[3] / "dist"
    installed = find_spec("emerge_wasm_page")
    if installed is None or installed.origin is None or (checkout / "index.html").is_file():
        return checkout
    return Path(installed.origin).parent / "files"
