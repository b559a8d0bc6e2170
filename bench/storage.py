"""Ten thousand objects into the browser's IndexedDB and out of it again, from Python by Emerge's own calls, beside
plain JavaScript.

All run in the worker of the page's cells, in turn. Emerge: `local.storeall(…)` of dataclass instances, which makes
an entry and a version of each and the log, while the page watches; then every instance again from
`alocal.objects(path)`. The peers (web/storage.js): one readwrite transaction of as many puts with the same durability,
until it is complete, then one `getAll` of them. One puts and gets the very bytes of the states; the other plain
objects of the same fields, so that what it reads can be used as Emerge's can. Dexie, a library, puts the same
objects by `bulkPut`, and gets them by a range of its table.
"""

from __future__ import annotations

import ast
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from .browser import PATIENCE, profile
from .measure import ROUNDS, Row, print_rows
from .process import cluster

COUNT = 10_000
AIMS = {"store": "≤ 2", "read": "≤ 4", "both": ""}
BESIDE_DEXIE = {"store": "≤ 1", "read": "", "both": ""}

PREPARE = f"""
import asyncio, msgpack, js
from time import perf_counter
from pyodide.ffi import to_js
from emerge_wasm.codec import pack_state

@dataclass
class Reading(EmergeFile):
    \"\"\"One measurement of a weather station.\"\"\"
    station: str = "Fichtelberg, Upper Ore Mountains"
    latitude: float = 50.4283
    longitude: float = 12.9536
    elevation: int = 1213
    temperature: float = -3.25
    humidity: float = 0.87
    wind: float = 11.5
    quality: str = "checked by two people"
    remark: str = "snow since the early morning, sight below 200 metres, road closed for lorries"
    number: int = 0

def make(path):
    return [Reading(name=f"reading{{n:05}}", path=path, number=n) for n in range({COUNT})]

while msgpack.Packer.__module__ != "msgpack._cmsgpack":
    await asyncio.sleep(0.1)
states = [pack_state(each, None) for each in make("/")]
rows = {{"bytes": states, "objects": [msgpack.unpackb(state) for state in states]}}
js.records = to_js(rows, dict_converter=js.Object.fromEntries)
sum(map(len, states)) / {COUNT}
"""

STORE = """
objects = make("{path}")
began = perf_counter()
local.storeall(objects)
perf_counter() - began
"""

READ = """
began = perf_counter()
objects = [each async for each in alocal.objects("{path}")]
took = perf_counter() - began
assert [each.number for each in objects] == list(range(len(objects))) and len(objects) == {count}
del objects
took
"""

PEERS = ("bytes", "objects", "dexie")
PLAIN = (Path(__file__).parent / "web" / "storage.js").read_text()
DEXIE = Path(__file__).parents[1] / "node_modules" / "dexie" / "dist" / "dexie.min.js"


class Console:
    """The console of an opened page, and the worker behind its cells, which has what `PREPARE` made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.size = self.value(PREPARE)
        self.worker = next(worker for worker in page.workers if worker.evaluate("typeof records") == "object")

    def value(self, code: str) -> float:
        """Run a cell; the number that its last line gives."""
        cells = self.page.get_by_test_id("cell")
        count = cells.count()
        self.page.locator('.cm-content[data-testid="prompt"]').fill(code)
        self.page.keyboard.press("Shift+Enter")
        expect(cells.nth(count)).to_have_attribute("data-state", "done", timeout=PATIENCE)
        return float(ast.literal_eval(cells.nth(count).get_by_test_id("cell-value").inner_text()))

    def plain(self, what: str, round: int) -> list[float]:
        """Run a peer in the worker: the milliseconds of its store, of its read, and of both."""
        store = float(self.worker.evaluate(f"peer.store('{what}', {round})"))
        read = float(self.worker.evaluate(f"peer.read('{what}', {round})"))
        return [store, read, store + read]

    def emerge(self, round: int) -> list[float]:
        """The same of Emerge."""
        path = f"/bench/round{round}"
        store = 1000 * self.value(STORE.format(path=path))
        read = 1000 * self.value(READ.format(path=path, count=COUNT))
        return [store, read, store + read]


def measure(console: Console) -> list[list[float]]:
    """Medians of store, read and both, in milliseconds: Emerge's, then those of each peer."""
    taken = [[console.emerge(round), *(console.plain(peer, round) for peer in PEERS)] for round in range(ROUNDS)]
    return [[statistics.median(column) for column in zip(*side, strict=True)] for side in zip(*taken, strict=True)]


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder)) as place,
        sync_playwright() as playwright,
        profile(playwright) as context,
    ):
        page = context.new_page()
        page.goto(place["page"])
        page.get_by_test_id("status-kernel").and_(page.locator('[data-state="ready"]')).wait_for()
        console = Console(page)
        console.worker.evaluate(DEXIE.read_text())
        console.worker.evaluate(PLAIN)
        sides = measure(console)
    plain: list[Row] = []
    library: list[Row] = []
    for what, (ours, *peers) in zip(AIMS, zip(*sides, strict=True), strict=True):
        plain.append(Row(what, ours, peers[:2], AIMS[what]))
        library.append(Row(what, ours, peers[2:], BESIDE_DEXIE[what]))
    title = f"{COUNT:,} objects of {console.size:.0f} bytes in IndexedDB, from Python"
    print_rows(title, "milliseconds", ["JavaScript, bytes", "JavaScript, objects"], plain)
    print_rows("The same beside a library that applications use, from JavaScript", "milliseconds", ["Dexie"], library)


if __name__ == "__main__":
    main()
