"""Ten thousand objects into the browser's IndexedDB and out of it again, from Python by Emerge's own calls, beside
plain JavaScript.

Both run in the kernel worker of Emerge's page, in turn. Emerge: `local.storeall(…)` of dataclass instances, which makes
an entry, a version and the log of each, then every instance again from `alocal.objects(path)`. The peer: one readwrite
transaction that puts the states' bytes, with the same durability, until it is complete; then one `getAll` of them.
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
AIM = "≤ 5"

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
js.records = to_js([pack_state(each, None) for each in make("/")])
sum(map(len, js.records.to_py())) / {COUNT}
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

OPEN = """() => new Promise((resolve, reject) => {
  const request = indexedDB.open("bench", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("records");
  request.onerror = () => reject(request.error);
  request.onsuccess = () => { globalThis.bench = request.result; resolve(); };
})"""

PLAIN_STORE = """(path) => new Promise((resolve, reject) => {
  const began = performance.now();
  const transaction = bench.transaction("records", "readwrite", { durability: "strict" });
  const store = transaction.objectStore("records");
  records.forEach((bytes, index) => store.put(bytes, `${path}/reading${String(index).padStart(5, "0")}`));
  transaction.onabort = () => reject(transaction.error);
  transaction.oncomplete = () => resolve(performance.now() - began);
})"""

PLAIN_READ = """(path) => new Promise((resolve, reject) => {
  const began = performance.now();
  const request = bench.transaction("records").objectStore("records").getAll(IDBKeyRange.bound(path, path + "/~"));
  request.onerror = () => reject(request.error);
  request.onsuccess = () => resolve(request.result.length === records.length ? performance.now() - began : NaN);
})"""


class Console:
    """The console of an opened page, and the worker behind it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.worker = next(worker for worker in page.workers if "worker" in worker.url)

    def value(self, code: str) -> float:
        """Run a cell; the number that its last line gives."""
        cells = self.page.get_by_test_id("cell")
        count = cells.count()
        self.page.locator('.cm-content[data-testid="prompt"]').fill(code)
        self.page.keyboard.press("Shift+Enter")
        expect(cells.nth(count)).to_have_attribute("data-state", "done", timeout=PATIENCE)
        return float(ast.literal_eval(cells.nth(count).get_by_test_id("cell-value").inner_text()))

    def plain(self, code: str, path: str) -> float:
        """Run JavaScript in the worker; the milliseconds that it measured."""
        return float(self.worker.evaluate(code, path))


def measure(console: Console) -> list[float]:
    """The medians of: Emerge's store, its read, the peer's store, its read, in milliseconds."""
    taken = []
    for number in range(ROUNDS):
        path = f"/bench/round{number}"
        stored = 1000 * console.value(STORE.format(path=path))
        plain_stored = console.plain(PLAIN_STORE, path)
        read = 1000 * console.value(READ.format(path=path, count=COUNT))
        taken.append((stored, read, plain_stored, console.plain(PLAIN_READ, path)))
        print(taken[-1])
    return [statistics.median(column) for column in zip(*taken, strict=True)]


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
        size = console.value(PREPARE)
        console.worker.evaluate(OPEN)
        store, read, plain_store, plain_read = measure(console)
    rows = [Row("store", store, [plain_store], AIM), Row("read", read, [plain_read], AIM)]
    title = f"{COUNT:,} objects of {size:.0f} bytes in IndexedDB, from Python"
    print_rows(title, "milliseconds", ["plain JavaScript"], rows)


if __name__ == "__main__":
    main()
