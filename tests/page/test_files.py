"""Files in the page: put, looked at, saved, and gone on with after a reload."""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from emerge_wasm import connect
from emerge_wasm.blocks.block import BLOCK_SIZE
from tests.contracts.files import pattern
from tests.page.conftest import SLOW, Site, Tab
from tests.scale import in_turn

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

DROP = """(path) => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped on a row"], "dropped.txt"));
    const row = document.querySelector(`[data-testid=pane-cluster] [data-path="${path}"]`);
    for (const type of ["dragover", "drop"])
        row.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
}"""


def done(tab: Tab, count: int) -> None:
    expect(tab.page.locator('[data-testid="transfer"][data-state="done"]')).to_have_count(count, timeout=SLOW)


def save(tab: Tab) -> bytes:
    with tab.page.expect_download() as coming:
        tab.find("file-save").click()
    return Path(coming.value.path()).read_bytes()


def test_many_files_are_put_looked_at_and_saved(site: Site, swept: Tab, tmp_path: Path) -> None:
    tab = swept
    files = {"notes.txt": b"line\n" * 30_000, "dot.png": DOT, "big.bin": pattern(2 * BLOCK_SIZE + 5), "empty": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with connect(site.node.host) as fs:
        fs.mkdir("/files")
        tab.open("#/cluster/files")
        tab.find("choose-files").set_input_files([tmp_path / name for name in files])
        done(tab, len(files))
        for name, data in files.items():
            assert fs.open(f"/files/{name}").read() == data
        tab.page.evaluate(DROP, "/files")
        done(tab, len(files) + 1)
        assert fs.open("/files/dropped.txt").read() == b"dropped on a row"
    expect(tab.find("directory").get_by_text("file", exact=True)).to_have_count(len(files) + 1)

    tab.open("#/cluster/files/notes.txt")
    expect(tab.find("preview")).to_have_attribute("data-shape", "text")
    expect(tab.find("preview").locator("pre")).to_contain_text("line\nline")
    tab.open("#/cluster/files/dot.png")
    expect(tab.find("preview").locator("img")).to_be_visible()
    tab.open("#/cluster/files/empty")
    expect(tab.find("preview")).to_contain_text("It is empty")
    tab.open("#/cluster/files/big.bin")
    expect(tab.find("preview")).to_have_attribute("data-shape", "bytes")
    expect(tab.find("file-blocks")).to_contain_text("3, all here")
    tab.find("file-verify").click()
    expect(tab.find("file-condition")).to_have_text("all read and verified", timeout=SLOW)
    assert save(tab) == files["big.bin"]


def test_who_has_the_blocks_is_shown_and_a_damaged_one_repaired(site: Site, swept: Tab) -> None:
    tab = swept
    with connect(site.node.host) as fs:
        before = {*site.folder.glob("n1.db.blocks/*/*")}
        fs.put(BytesIO(pattern(4 * BLOCK_SIZE)), "/safe.bin", raid=5)
        fragment = max({*site.folder.glob("n1.db.blocks/*/*")} - before, key=lambda path: path.stat().st_size)
        data = bytearray(fragment.read_bytes())
        data[len(data) // 2] ^= 1
        fragment.write_bytes(data)
    tab.open("#/cluster/safe.bin")
    expect(tab.find("file-holders").locator("tbody tr")).to_have_text(re.compile("n1.*here"))
    expect(tab.find("file-repair")).to_have_count(0)
    tab.find("file-verify").click()
    expect(tab.find("file-condition")).to_contain_text("to be repaired; all of it can be read", timeout=SLOW)
    tab.find("file-repair").click()
    expect(tab.find("file-condition")).to_have_text("all here, 1 block repaired", timeout=SLOW)
    tab.find("file-verify").click()
    expect(tab.find("file-condition")).to_have_text("all read and verified", timeout=SLOW)


def test_an_object_is_not_replaced_by_a_file(site: Site, tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "widget1").write_bytes(b"no widget")
    tab.open("#/cluster/inventory")
    tab.find("choose-files").set_input_files(tmp_path / "widget1")
    row = tab.page.locator('[data-testid="transfer"][data-state="failed"]')
    expect(row).to_contain_text("/inventory/widget1 is an object", timeout=SLOW)
    row.get_by_test_id("transfer-cancel").click()
    expect(row).to_have_count(0)
    with connect(site.node.host) as fs:
        assert fs.cat("/inventory/widget1.unit_price") == 3.0


@pytest.mark.skipif(not in_turn(0, 2), reason="takes turns with this browser's files; all by EMERGE_TEST_SCALE=large")
def test_an_upload_goes_on_after_a_reload(site: Site, open_tab: Callable[[str], Tab], tmp_path: Path) -> None:
    """It is paused, the page is loaded anew, and the file is chosen again; another one is refused."""
    data, other = pattern(49 * BLOCK_SIZE), tmp_path / "other" / "large.bin"
    file = tmp_path / "large.bin"
    file.write_bytes(data)
    other.parent.mkdir()
    other.write_bytes(b"another")
    tab = open_tab(f"{site.relay.found['url']}/#/cluster/")
    tab.ready()
    tab.find("choose-files").set_input_files(file)
    bar = tab.find("transfer").get_by_role("progressbar")
    expect(bar).not_to_have_attribute("aria-valuenow", "0", timeout=SLOW)
    tab.find("transfer-pause").click()
    expect(tab.find("transfer")).to_have_attribute("data-state", "paused")
    tab.page.reload()
    tab.ready()
    expect(tab.find("transfer")).to_have_attribute("data-state", "lost")
    tab.find("transfer-choose").set_input_files(other)
    expect(tab.find("transfer")).to_contain_text("is not the file that was begun")
    tab.find("transfer-choose").set_input_files(file)
    done(tab, 1)
    with connect(site.node.host) as fs:
        assert fs.open("/large.bin").read() == data and fs.get("/large.bin").version == 1


@pytest.mark.skipif(
    not in_turn(1, 2), reason="takes turns with the upload that goes on; all by EMERGE_TEST_SCALE=large"
)
def test_this_browser_keeps_files_too(site: Site, open_tab: Callable[[str], Tab], tmp_path: Path) -> None:
    """Its tab is closed while one is put; another tab puts it again, and it reads back verified."""
    data = os.urandom(9 * BLOCK_SIZE) + zlib.compress(b"end")
    file = tmp_path / "mine.bin"
    file.write_bytes(data)
    url = f"{site.relay.found['url']}/#/local/"
    tab = open_tab(url)
    tab.ready()
    tab.find("choose-files").set_input_files(file)
    expect(tab.find("transfer").get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0", timeout=SLOW)
    tab.page.close()
    tab = open_tab(url)
    tab.ready()
    tab.find("choose-files").set_input_files(file)
    done(tab, 1)
    tab.open("#/local/mine.bin")
    tab.find("file-verify").click()
    expect(tab.find("file-condition")).to_have_text("all read and verified", timeout=SLOW)
    assert save(tab) == data
