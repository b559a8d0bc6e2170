"""Notebooks as a user has them: written, run, kept as they are typed, and shared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from emerge_wasm import connect
from emerge_wasm.notebook import Notebook
from tests.page.conftest import SLOW, Site, Tab

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def write(tab: Tab, text: str) -> None:
    """Type into the cell that is being written."""
    editor = tab.page.locator('.cm-content[data-testid="cell-editor"]')
    expect(editor).to_be_focused(timeout=SLOW)
    tab.write(editor, text)


def sources(tab: Tab) -> list[str]:
    found: list[str] = tab.find("cell-source").all_inner_texts()
    return [each.strip() for each in found]


def test_a_notebook_is_written_run_kept_and_shared(site: Site, tab: Tab, tmp_path: Path) -> None:
    tab.find("new-notebook").click()
    expect(tab.find("object-name")).to_have_text("untitled", timeout=SLOW)
    cells = tab.find("notebook-cell")
    expect(cells).to_have_count(1, timeout=SLOW)
    cells.first.press("Enter")
    write(tab, "x = 20\nprint('said')\n[dict(a=x, b='y')]")
    tab.page.keyboard.press("Alt+Enter")
    write(tab, "x + 1")
    tab.page.keyboard.press("Shift+Enter")
    write(tab, "1 / 0")
    tab.page.keyboard.press("Control+Enter")
    expect(cells.nth(2)).to_have_attribute("data-state", "failed", timeout=SLOW)
    expect(cells.nth(1).get_by_test_id("cell-value")).to_have_text("21")
    expect(cells.nth(0).get_by_test_id("value-row")).to_have_text(re.compile(r"20\s*y"))
    tab.find("add-markdown").click()
    write(tab, "# Title\n\nwith **words**")
    tab.page.keyboard.press("Control+Enter")
    expect(cells.nth(3).locator("h1")).to_have_text("Title")
    expect(tab.find("notebook-state")).to_contain_text("is saved", timeout=SLOW)

    with connect(site.node.host) as fs:  # it is an object, and versions are not one a key
        kept = fs.getobject("/notebooks/untitled")
        assert isinstance(kept, Notebook) and [cell["kind"] for cell in kept.cells] == ["code"] * 3 + ["markdown"]
        assert kept.cells[1]["outputs"][0]["data"]["text/plain"] == "21"  # type: ignore[index]
        assert kept.version < 12

    # keys and tools: up, down, fold, name, duplicate, remove and back
    cells.nth(3).focus()
    for _ in range(3):
        tab.page.keyboard.press("Alt+ArrowUp")
    expect(cells.first.locator("h1")).to_have_text("Title")
    tab.page.keyboard.press("ArrowDown")
    expect(cells.nth(1)).to_be_focused()
    tab.page.keyboard.press("o")
    expect(cells.nth(1).get_by_test_id("unfold-output")).to_be_visible()
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("c")
    expect(cells).to_have_count(5)
    tab.page.keyboard.press("x")
    expect(cells).to_have_count(4)
    tab.page.keyboard.press("x")
    expect(cells).to_have_count(3)
    tab.page.keyboard.press("z")
    expect(cells).to_have_count(4)
    cells.nth(2).hover()
    cells.nth(2).get_by_test_id("name").click()
    cells.nth(2).get_by_test_id("cell-name").fill("the sum")
    expect(tab.find("notebook-state")).to_contain_text("is saved", timeout=SLOW)

    # another writes into it meanwhile
    with connect(site.node.host) as fs:
        theirs = fs.getobject("/notebooks/untitled")
        theirs.cells[3]["source"] = "'theirs'"
        fs.store(theirs)
    expect(cells.nth(3)).to_contain_text("'theirs'", timeout=SLOW)

    before = sources(tab)
    tab.page.reload()
    tab.ready()
    expect(cells.nth(2).get_by_test_id("cell-value")).to_have_text("21", timeout=SLOW)  # outputs survive
    assert sources(tab) == before
    expect(cells.nth(2).get_by_test_id("cell-name")).to_have_value("the sum")
    tab.find("restart-run-all").click()
    expect(cells.nth(2)).to_have_attribute("data-state", "done", timeout=SLOW)

    # as a file, and back in as another notebook
    with tab.page.expect_download() as caught:
        tab.find("export-notebook").click()
    file = tmp_path / caught.value.suggested_filename
    caught.value.save_as(file)
    nbformat.validate(nbformat.read(file, as_version=4))
    assert file.name == "untitled.ipynb" and len(json.loads(file.read_text())["cells"]) == 4
    pictured = {"id": "p", "cell_type": "markdown", "metadata": {}, "source": "![dot $x$](attachment:a%20b.png)"}
    pictured["attachments"] = {"a b.png": {"image/png": DOT}}
    book = json.loads(file.read_text())
    file.write_text(json.dumps({**book, "cells": [*book["cells"], pictured]}))
    tab.find("import-ipynb").set_input_files(file)
    expect(tab.find("object-name")).to_have_text("untitled 2", timeout=SLOW)
    expect(cells).to_have_count(5)
    assert sources(tab)[:4] == before
    expect(cells.nth(4).get_by_alt_text("dot $x$")).to_have_js_property("naturalWidth", 1)

    # what `fs` is survives a reload
    tab.use("local")
    tab.page.reload()
    tab.ready()
    expect(tab.find("fs-switch")).to_have_attribute("data-where", "local")
    assert tab.run("fs").get_by_test_id("cell-value").inner_text() == "<fs: local>"


def test_the_console_is_a_notebook_of_this_browser(site: Site, tab: Tab) -> None:
    page, cells = tab.page, tab.find("cell")
    tab.run("n = 1\nn")
    second = tab.run("n + 1")
    cells.first.get_by_test_id("cell-source").click()  # an earlier cell is written and run again where it is
    write(tab, "n = 5\nn")
    page.keyboard.press("Shift+Enter")
    expect(cells.first.get_by_test_id("cell-value")).to_have_text("5", timeout=SLOW)
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("Shift+Enter")
    expect(second.get_by_test_id("cell-value")).to_have_text("6", timeout=SLOW)
    expect(page.locator('.cm-content[data-testid="prompt"]')).to_be_focused()
    expect(cells).to_have_count(2)

    tab.find("console").get_by_test_id("add-markdown").click()
    write(tab, "# Sums")
    page.keyboard.press("Control+Enter")
    expect(cells.nth(2).locator("h1")).to_have_text("Sums")
    for _ in range(2):
        page.keyboard.press("Alt+ArrowUp")
    expect(cells.first.locator("h1")).to_have_text("Sums")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("o")
    expect(cells.nth(1).get_by_test_id("unfold-output")).to_be_visible()
    page.keyboard.press("c")
    expect(cells).to_have_count(4)
    page.keyboard.press("x")
    expect(cells).to_have_count(3)
    page.keyboard.press("z")
    expect(cells).to_have_count(4)
    page.keyboard.press("x")
    cells.nth(2).hover()
    cells.nth(2).get_by_test_id("name").click()
    cells.nth(2).get_by_test_id("cell-name").fill("the sum")

    def shown() -> list[list[str]]:
        kept = "all => all.map(each => [each.dataset.kind, each.querySelector('input')?.value ?? ''])"
        found: list[list[str]] = cells.evaluate_all(kept)
        return found

    before = shown()
    assert before == [["markdown", ""], ["code", ""], ["code", "the sum"]]
    page.reload()
    tab.ready()
    expect(cells).to_have_count(3, timeout=SLOW)
    expect(cells.first.locator("h1")).to_have_text("Sums")
    assert shown() == before
    tab.find("run-console").click()
    expect(cells.nth(2).get_by_test_id("cell-value")).to_have_text("6", timeout=SLOW)
    tab.find("new-notebook").click()
    expect(tab.find("notebook-cell")).to_have_count(3, timeout=SLOW)
    with connect(site.node.host) as fs:
        kept = fs.getobject("/notebooks/untitled")
        assert isinstance(kept, Notebook)
        found = [(cell["kind"], cell["name"], cell["source"]) for cell in kept.cells]
        assert found == [("markdown", "", "# Sums"), ("code", "", "n = 5\nn"), ("code", "the sum", "n + 1")]
        assert kept.cells[2]["outputs"][0]["data"]["text/plain"] == "6"  # type: ignore[index]
