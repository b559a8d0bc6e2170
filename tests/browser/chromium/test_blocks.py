"""Blocks in the origin's private files, in a real Chromium: the contract, a full quota, a browser that is killed."""

from __future__ import annotations

import ast
import os
import signal
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Error

from buildtools.browser import FLAGS
from tests.browser.chromium.test_kernel import Tab
from tests.conftest import ROOT

CONTRACTS = {f"{name}.py": (ROOT / "tests" / "contracts" / f"{name}.py").read_text() for name in ("blocks", "store")}
SETUP = f"""
import asyncio, pathlib, random, sys, js
from emerge_wasm.blocks.block import block_name
from emerge_wasm.errors import *
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.large_state import with_blocks
from emerge_wasm.stores import open_store
folder = pathlib.Path("/suite/tests/contracts")
folder.mkdir(parents=True, exist_ok=True)
for name, text in {CONTRACTS!r}.items():
    (folder / name).write_text(text)
sys.path.insert(0, "/suite")
from tests.contracts.blocks import damage, made, scenario_blocks, scenario_repair

async def opened(name):
    return await open_store(f"indexeddb://{{name}}")

async def files(blocks):
    return len(await blocks.files.page())
"""

WRITE = """
blocks = with_blocks(await opened("killed")).blocks
source = random.Random(1)
while True:
    some = {block_name(data): data for data in (source.randbytes(200_000) for _ in range(3))}
    await blocks.put(some, "writer")
    print(*[name.hex() for name in some])
"""

AFTER = """
blocks = with_blocks(await opened("killed")).blocks
names = [bytes.fromhex(name) for name in ACKNOWLEDGED]
source = random.Random(1)
again = {block_name(data): data for data in (source.randbytes(200_000) for _ in range(len(names) + 6))}
found = [len(await blocks.read(names))]
here = await blocks.has(again)
await blocks.put(again, "writer")  # the upload goes on: what is here is not sent again
found += [len(here) >= len(names), await blocks.read([*again]) == [*again.values()]]
await blocks.release("writer")
await collect(blocks)
folders = await (await js.navigator.storage.getDirectory()).getDirectoryHandle("blocks")
left = []
async for folder in (await folders.getDirectoryHandle("killed")).values():
    async for name in folder.keys():
        left.append(name)
found + [await files(blocks), await blocks.count(), left]
"""

FULL = """
store = await opened("full")
blocks = with_blocks(store).blocks
small, large = made(1000), made(*[1 << 20] * 9)
await blocks.put(small, "ann")
try:
    await blocks.put(large, "ann")
    said = None
except LimitExceeded as error:
    said = error.message, error.details["limit"]
[said, await blocks.read([*small]) == [*small.values()], await files(blocks)]
"""

MADE_ROOM = """
await blocks.put(large, "ann")
[await blocks.read([*large]) == [*large.values()], await files(blocks)]
"""

OLDER = """
beside = with_blocks(await opened("older")).blocks
old, new = made(300_000), made(300_000, seed=2)
beside.files, kept = None, beside.files
await beside.put(old, "ann")  # as they were put before there were files
beside.files = kept
await beside.put({**old, **new}, "ann")
[await beside.read([*old, *new]) == [*old.values(), *new.values()], await files(beside)]
"""


def launch(context: BrowserContext, profile: Path, binary: str | None) -> BrowserContext:
    assert context.browser is not None
    return context.browser.browser_type.launch_persistent_context(profile, executable_path=binary, args=list(FLAGS))


def kill(profile: Path) -> None:
    """Kill the browser of a profile, and all processes of it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"--user-data-dir={profile}".encode() in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:  # it has ended
            pass


def kill_as_it_prints(browser: BrowserContext, tab: Tab, profile: Path, code: str, lines: int) -> list[str]:
    """Kill the browser while a cell runs, once so many lines have come; return the words that were printed."""
    tab.cells += 1
    tab.page.evaluate(
        "([cell, code]) => void ask('cell', { cell, code, cause: '', requirements: [] })", [tab.cells, code]
    )
    tab.page.wait_for_function(
        "([cell, least]) => events.map(e => e.event === 'output' && e.cell === cell ? e.text : '').join('')"
        ".split('\\n').length > least",
        arg=[tab.cells, lines],
    )
    printed = tab.printed().split()
    kill(profile)
    with suppress(Error):  # there is none any more
        browser.close()
    return printed


def test_blocks_in_private_files(context: BrowserContext, binary: str | None, address: str, tmp_path: Path) -> None:
    """In a profile on the disk: what was acknowledged outlives a killed browser, and nothing half-written stays."""
    browser = launch(context, tmp_path, binary)
    page = browser.new_page()
    tab = Tab(page, address)
    tab.value(SETUP)
    tab.value('await scenario_blocks(lambda: opened("contract"))')
    tab.value('await scenario_repair(lambda: opened("repair"))')
    assert tab.value(OLDER) == "[True, 1]"

    devtools = browser.new_cdp_session(page)
    used = page.evaluate("navigator.storage.estimate().then(({ usage }) => usage)")
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": address, "quotaSize": used + (4 << 20)})
    said = ast.literal_eval(tab.value(FULL))
    assert "MiB are used" in said[0][0] and said[0][1] == "storage quota" and said[1:] == [True, 1]
    devtools.send("Storage.overrideQuotaForOrigin", {"origin": address})
    assert tab.value(MADE_ROOM) == "[True, 10]"

    acknowledged = kill_as_it_prints(browser, tab, tmp_path, WRITE, 3)

    with launch(context, tmp_path, binary) as browser:
        tab = Tab(browser.new_page(), address)
        tab.value(SETUP)
        found = ast.literal_eval(tab.value(AFTER.replace("ACKNOWLEDGED", repr(acknowledged))))
        assert found == [len(acknowledged), True, True, 0, 0, []] and len(acknowledged) >= 3
