"""Libraries that the page serves."""

from __future__ import annotations

from emerge_wasm.browser.library import missing_libraries


def test_libraries_that_a_cell_imports() -> None:
    assert missing_libraries("import json\nfrom pyodide_http import patch_all") == ["pyodide-http"]
    assert missing_libraries("import = 3") == []
