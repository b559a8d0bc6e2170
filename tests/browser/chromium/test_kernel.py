"""The kernel: the built worker in a real Chromium, spoken to as the page speaks to it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page as BrowserPage

from buildtools.browser import FLAGS
from tests.browser.chromium.conftest import DIST, pyodide_folder
from tests.scale import in_turn, sample

DRIVER = """() => {
window.events = []; window.waiting = {}; let next = 0;
window.begin = (worker, base) => new Promise((resolve) => {
  window.flag = new Uint8Array(new SharedArrayBuffer(1));
  window.worker = new Worker(worker, { type: "module" });
  window.worker.onmessage = ({ data }) => {
    if ("id" in data) window.waiting[data.id](data);
    else if ("booted" in data) {
      window.worker.postMessage({ start: true, relay: "", base, interrupt: window.flag, guest: "", allowed: [] });
      resolve();
    } else window.events.push(data);
    if (data.event === "clear" && data.cell === window.stopping?.cell) {
      const { after } = window.stopping;
      after < 0 ? window.stop() : setTimeout(window.stop, after);
    }
    if (data.event === "question") window.ask("answer", { question: data.question.id, run: true });
  };
  base = new URL(base, location.href).href;
  window.worker.postMessage({ boot: base, lock: crypto.randomUUID(), parts: {} });
});
window.ask = (kind, args) => new Promise((resolve) => {
  const id = ++next;
  window.waiting[id] = resolve;
  window.worker.postMessage({ id, kind, args });
});
window.stop = () => { Atomics.store(window.flag, 0, 2); window.worker.postMessage({ interrupt: true }); };
}"""


class Tab:
    """A page with a kernel."""

    def __init__(self, page: BrowserPage, address: str, base: str = "", query: str = "") -> None:
        self.page = page
        self.warnings: list[str] = []
        self.cells = 0
        page.on("console", lambda message: self.warnings.append(message.text))
        page.goto(f"{address}/driver")
        page.evaluate(DRIVER)
        worker = f"/assets/{next((DIST / 'assets').glob('worker-*.js')).name}{query}"
        page.evaluate("([worker, base]) => begin(worker, base)", [worker, base or f"/{pyodide_folder()}/"])

    def ask(self, kind: str, **args: Any) -> Any:
        """The result of a request, or its failure under "failure"."""
        reply = self.page.evaluate("([kind, args]) => ask(kind, args)", [kind, args])
        return reply["result"] if "result" in reply else reply

    def cell(self, code: str, *, stop: int | None = None) -> Any:
        """Run a cell; Stop is pressed so many milliseconds after it has come to its last line, which an event tells;
        -1: at once."""
        self.cells += 1
        if stop is not None:
            self.page.evaluate("stopping => { window.stopping = stopping }", {"cell": self.cells, "after": stop})
            before, line, last = code.rpartition("\n")
            code = f"{before}{line}clear_output()\n{last}"
        return self.ask("cell", cell=self.cells, code=code, cause="", requirements=[])

    def value(self, code: str) -> Any:
        result = self.cell(code)
        assert "failure" not in result, result
        return result["text"]

    def events(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("name => events.filter(e => e.event === name)", name)
        return found

    def await_event(self, condition: str) -> None:
        self.page.wait_for_function(f"events.some(e => {condition})", timeout=10_000)

    def printed(self, stream: str = "stdout") -> str:
        """What the last cell printed."""
        rows = self.events("output")
        return "".join(row["text"] for row in rows if row["cell"] == self.cells and row["stream"] == stream)


@pytest.fixture(scope="module")
def shared(context: BrowserContext, address: str) -> Tab:
    """One kernel for the tests that leave it as they found it."""
    return Tab(context.new_page(), address)


@pytest.fixture
def tab(shared: Tab) -> Tab:
    shared.ask("select", where="cluster")
    return shared


def test_it_starts_from_the_snapshot_with_everything_it_says(tab: Tab) -> None:
    assert tab.value("1 + 1") == "2"
    tab.await_event("e.event === 'features'")
    assert tab.events("features")[0] == {
        "event": "features",
        "sync": True,
        "interrupt": True,
        "storage": "indexeddb",
    }
    assert not [text for text in tab.warnings if "snapshot" in text]
    kept = "caches.open('emerge-snapshot').then(c => c.keys()).then(k => k.length === 1)"  # once it has the time
    tab.page.wait_for_function(f"() => {kept}", timeout=30_000)


def test_a_traceback_shows_the_cell(tab: Tab) -> None:
    failure = tab.cell("def divide(a):\n    return a / 0\n\ndivide(1)")["failure"]
    assert failure["message"] == "ZeroDivisionError: division by zero"
    assert "    return a / 0" in failure["traceback"]
    assert f'File "<cell {tab.cells}>", line 4, in <module>' in failure["traceback"]
    assert "emerge_wasm" not in failure["traceback"]


def test_an_error_without_a_stack_ends_who_awaits_it(tab: Tab) -> None:
    """As WebKit's are of what fails outside of any script, such as a fetch."""
    lost = "const lost = new TypeError('lost'); delete lost.stack; Promise.reject(lost)"
    failure = tab.cell(f"from pyodide.code import run_js\nawait run_js({lost!r})")["failure"]
    assert failure["message"].endswith("TypeError: lost")


def test_a_syntax_error_shows_the_line_alone(tab: Tab) -> None:
    failure = tab.cell("x = = 3")["failure"]
    assert failure["message"] == "SyntaxError: invalid syntax"
    assert "x = = 3" in failure["traceback"]
    assert "ast.py" not in failure["traceback"]


def test_both_streams_arrive(tab: Tab) -> None:
    tab.cell("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (tab.printed(), tab.printed("stderr")) == ("out\n", "err\n")


def test_a_hundred_megabytes_of_prints_are_cut(tab: Tab) -> None:
    tab.cell("for _ in range(100_000): print('x' * 1000)\nprint('y' * 1_000_000)")
    assert len(tab.printed()) <= 1_000_000
    assert "printed more than 1,000,000 characters" in tab.printed("stderr")
    tab.cell("print('next')")
    assert tab.printed() == "next\n"


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import asyncio\nawait asyncio.sleep(30)",
        "import asyncio\nfrom emerge_wasm.sync import wait\nwait(asyncio.sleep(30))",
        "import time\ntime.sleep(30)",
    ],
    ids=["loop", "await", "sync wait", "sleep"],
)
def test_stop(tab: Tab, code: str) -> None:
    """Whenever it comes: while the cell computes, begins to wait, or waits."""
    for moment in [-1, -1, -1, 0, 0, 1, 2, 5, 20, 200]:
        failure = tab.cell(code, stop=moment)["failure"]
        assert failure["message"] == "stopped", moment
        if moment >= 20:  # it waits, or computes, in its last line by then
            assert f"<cell {tab.cells}>" in failure["traceback"]
        assert tab.printed("stderr") == ""
        assert tab.value("1 + 1") == "2"


def test_no_stop_of_a_loop_is_lost(tab: Tab) -> None:
    """Python looks for interrupts all the time, by reading a byte and then clearing it."""
    for moment in [0, 1, 2, 5] * 25:
        assert tab.cell("while True: pass", stop=moment)["failure"]["message"] == "stopped"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f(): return f()\nf()", "RecursionError"),
        ("def f(n): return sorted([1, 2], key=lambda _: f(n))\nf(0)", "RecursionError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_cell_that_would_end_python_fails_alone(tab: Tab, code: str, message: str) -> None:
    assert message in tab.cell(code)["failure"]["message"]
    assert tab.value("1 + 1") == "2"


def test_what_a_task_raises_later_is_told(tab: Tab) -> None:
    tab.cell("import asyncio\nasync def late(): raise ValueError('late')\nt = asyncio.ensure_future(late())")
    tab.cell("import gc\ndel t\ngc.collect()")
    tab.await_event(f"e.event === 'failure' && e.failure.message === 'ValueError: late' && e.cell === {tab.cells - 1}")


def test_served_libraries_are_loaded_when_a_cell_imports_them(tab: Tab) -> None:
    assert tab.value("import micropip\n'emerge-wasm' in micropip.list()") == "True"


def test_native_msgpack_replaces_the_pure_one(tab: Tab) -> None:
    deadline = time.monotonic() + 10
    while "_cmsgpack" not in tab.value("import msgpack; msgpack.Packer.__module__ + msgpack.unpackb.__module__"):
        assert time.monotonic() < deadline
    used = "from emerge_wasm.codec.msgpack_engine import engine\nengine.Packer.__module__ + engine.unpackb.__module__"
    assert tab.value(used) == repr("msgpack._cmsgpack" * 2)
    assert tab.value("from emerge_wasm.codec import decode, encode\ndecode(encode([1, 'a', 2.5]))") == "[1, 'a', 2.5]"


def test_the_start_needs_no_archive_and_an_import_reads_what_it_needs(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    archives = re.compile(r"/(python_stdlib\.zip|libraries\.tar)$")
    page.route(archives, lambda route: route.abort())
    late = Tab(page, address)
    assert late.value("1+1") == "2"
    assert "I/O error" in late.cell("import colorsys")["failure"]["message"]
    assert [text for text in late.warnings if "python_stdlib.zip" in text and "reload" in text]
    page.unroute(archives)
    assert late.value("import colorsys; colorsys.rgb_to_hsv(1, 1, 1)") == "(0.0, 0.0, 1)"
    assert "class Notebook" in late.value("import inspect, emerge_wasm.notebook as found; inspect.getsource(found)")
    assert late.value("from zoneinfo import ZoneInfo; ZoneInfo('Asia/Kathmandu').key") == "'Asia/Kathmandu'"
    page.close()


def test_fs_follows_the_switch_and_says_where_it_cannot_reach(tab: Tab) -> None:
    failure = tab.cell("fs.list('/')")["failure"]
    assert failure["code"] == "Unavailable"
    assert "`local`" in failure["remedy"]
    tab.ask("select", where="local")
    assert tab.value("from emerge_wasm import fs as same\nsame is fs and isinstance(fs.list('/'), list)") == "True"
    assert tab.value("isinstance(await afs.list('/'), list)") == "True"


ITEM = """
from dataclasses import dataclass
from emerge_wasm import EmergeFile, fs

@dataclass
class Item(EmergeFile):
    \"\"\"One line of stock.\"\"\"
    unit_price: float = 0.0
    quantity: int = 0

    def total(self, rate: float = 1.0) -> float:
        print("adding up")
        return self.unit_price * self.quantity * rate

    def sell(self) -> int:
        self.quantity -= 1
        return self.quantity

    def fail(self) -> None:
        raise ValueError("never " + self.name)

local.store(Item(name="NAME", path="/stock", unit_price=3.0, quantity=10))
"""


def store(tab: Tab, name: str) -> dict[str, Any]:
    """An Item in this browser; the arguments that name it."""
    tab.value(ITEM.replace("NAME", name))
    return {"where": "local", "path": f"/stock/{name}"}


def test_an_object_is_viewed_edited_and_run(tab: Tab) -> None:
    item = store(tab, "widget")
    view = tab.ask("open", **item, version=0)
    assert view["doc"] == "One line of stock."
    assert view["runs"] == "anywhere"
    assert "class Item(EmergeFile)" in view["source"]
    assert [m["name"] for m in view["methods"]] == ["total", "sell", "fail"]
    assert {f["name"]: f["kind"] for f in view["fields"]}.items() >= {"unit_price": "float", "quantity": "int"}.items()

    saved = tab.ask("save", **item, version=1, changes={"unit_price": "4"})
    assert saved["pointer"]["version"] == 2
    late = tab.ask("save", **item, version=1, changes={"unit_price": "5.5"})["conflict"]
    assert [{f["name"]: f["text"] for f in late[side]}["unit_price"] for side in ("theirs", "mine")] == ["4.0", "5.5"]
    assert late["pointer"]["version"] == 2

    ran = tab.ask("run", **item, method="total", args="rate=0.5", place="here", run=1)
    assert (ran["text"], ran["output"], ran["pointer"]) == ("20.0", "adding up\n", None)
    sold = tab.ask("run", **item, method="sell", args="", place="there", run=1)
    assert (sold["text"], sold["pointer"]["version"]) == ("9", 3)
    assert [v["version"] for v in tab.ask("versions", **item, before=0)["versions"]] == [3, 2, 1]
    old = tab.ask("open", **item, version=1)
    assert {f["name"]: f["text"] for f in old["fields"]}["unit_price"] == "3.0"


def test_a_late_save_of_another_field_is_merged(tab: Tab) -> None:
    item = store(tab, "late")
    tab.ask("save", **item, version=1, changes={"unit_price": "4"})
    saved = tab.ask("save", **item, version=1, changes={"quantity": "11"})
    assert (saved["conflict"], saved["pointer"]["version"]) == (None, 3)
    shown = {f["name"]: f["text"] for f in tab.ask("open", **item, version=0)["fields"]}
    assert (shown["unit_price"], shown["quantity"]) == ("4.0", "11")


def test_results_keep_their_type_through_a_synchronous_call(tab: Tab) -> None:
    store(tab, "typed")
    assert tab.value("local.run('/stock/typed', 'total'), local.getobject('/stock/typed').total()") == "(30.0, 30.0)"


def test_a_method_that_raises_shows_the_shipped_line(tab: Tab) -> None:
    failure = tab.ask("run", **store(tab, "broken"), method="fail", args="", place="here", run=1)["failure"]
    assert failure["code"] == "ExecutionFailed"
    assert 'raise ValueError("never " + self.name)' in failure["traceback"]
    assert "never broken" in failure["message"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"unit_price": "cheap"}, "unit_price"), ({"quantity": "1.5"}, "quantity"), ({"data": "open('x')"}, "data")],
)
def test_a_bad_field_is_named_and_nothing_is_saved(tab: Tab, changes: dict[str, str], said: str) -> None:
    item = store(tab, "careful")
    version = tab.ask("open", **item, version=0)["pointer"]["version"]
    failure = tab.ask("save", **item, version=version, changes=changes)["failure"]
    assert failure["code"] == "Invalid"
    assert said in failure["message"]
    assert tab.ask("open", **item, version=0)["pointer"]["version"] == version


def test_directories_are_made_listed_moved_copied_and_removed(tab: Tab) -> None:
    place = {"where": "local"}
    made = [
        {"change": "mkdir", "path": "/d/e"},
        {"change": "copy", "path": "/d", "target": "/f"},
        {"change": "move", "path": "/d/e", "target": "/d/g"},
    ]
    report = tab.ask("change", **place, steps=made, run=1, id="")
    assert (report["done"], report["failed"]) == (3, 0)
    listed = [tab.ask("list", **place, path=path, cursor="", limit=10)["entries"] for path in ("/d", "/f")]
    assert [[entry["name"] for entry in entries] for entries in listed] == [["g"], ["e"]]
    removed = tab.ask("change", **place, steps=[{"change": "remove", "path": "/d"}], run=2, id="")
    assert removed["done"] == 1
    assert tab.ask("list", **place, path="/d", cursor="", limit=10)["failure"]["code"] == "NotFound"


def test_an_unknown_request_is_answered(tab: Tab) -> None:
    assert "nonsense" in tab.ask("nonsense")["failure"]["message"]


@pytest.fixture(scope="module")
def other(context: BrowserContext, address: str) -> Tab:
    """A second kernel, in a browser that has no JSPI; the last test that uses it ends it."""
    return Tab(context.new_page(), address, query="?without-jspi")


def test_another_tab_hears_of_a_change_and_a_reload_finds_it(tab: Tab, other: Tab) -> None:
    assert other.value("len([*await alocal.list('/')]) >= 0") == "True"
    other.await_event("e.event === 'features'")
    store(tab, "shared")
    other.await_event("e.event === 'change' && e.where === 'local' && e.path === '/stock/shared'")
    assert other.value("(await alocal.getobject('/stock/shared')).total()") == "30.0"
    assert other.value("import random; random.random()") != tab.value("import random; random.random()")


WITH_AWAIT = """
import math
from dataclasses import dataclass
from emerge_wasm import EmergeFile
@dataclass
class Awaited(EmergeFile):
    next: Awaited | None = None
    def f(self): return math.floor(7.5)
await alocal.store(Awaited(name="awaited", path="/cells"))
(await alocal.getobject("/cells/awaited")).f() if "class Awaited" in await alocal.code("/cells/awaited") else 0
"""


def test_without_jspi_waiting_is_refused_and_await_works(other: Tab) -> None:
    failure = other.cell("local.list('/')")["failure"]
    assert failure["code"] == "Unavailable"
    assert "await" in failure["remedy"]
    assert other.value("isinstance(await alocal.list('/'), list)") == "True"
    assert other.value(WITH_AWAIT) == "7"
    assert other.events("features")[0]["sync"] is False
    assert not [text for text in other.warnings if "snapshot" in text]


def test_a_python_that_dies_is_told(other: Tab) -> None:
    other.value("1")
    other.page.evaluate(
        "code => void ask('cell', { cell: 9, code, cause: '', requirements: [] })",
        "import js, pyodide_js\npyodide_js._api.fatal_error(js.Error.new('broken'))",
    )
    other.await_event("e.event === 'kernel' && e.state === 'dead' && e.detail === 'broken'")
    other.page.close()


QUOTA = """
import os
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store

store = await open_store("indexeddb://quota")
await store.commit(Batch(puts=[("states", b"before", b"1")]))
big = Batch(puts=[("states", b"%d" % number, os.urandom(1 << 20)) for number in range(8)], appends=[("log", b"x")])
try:
    await store.commit(big)
except LimitExceeded as error:
    said = error.details["limit"], "delete" in error.remedy
rows = [key.decode() for key, _ in await store.scan("states")]
said, rows, await store.commit(Batch(appends=[("log", b"y")]))
"""


@pytest.mark.skipif(not in_turn(0, 2), reason="takes turns with the slow start; all by EMERGE_TEST_SCALE=large")
def test_quota_exceeded(context: BrowserContext, binary: str | None, address: str, tmp_path: Path) -> None:
    """The store says so, keeps what it had, takes nothing of the commit, and goes on.

    In a profile of its own, as Chromium remembers for half a minute how much room an origin had; and one on disk: a
    private window's database, which is in memory, now and then counts part of the refused commit for good.
    """
    assert context.browser is not None
    chromium = context.browser.browser_type
    with chromium.launch_persistent_context(tmp_path, executable_path=binary, args=list(FLAGS)) as fresh:
        page = fresh.new_page()
        quota = {"origin": address, "quotaSize": 2 << 20}
        fresh.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)
        said = Tab(page, address).value(QUOTA)
    assert said == "(('storage quota', True), ['before'], [1])"


@pytest.mark.skipif(not in_turn(1, 2), reason="takes turns with the full quota; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize(("base", "query"), sample([("/broken/", ""), ("/bare/", "?without-jspi")], 2))
def test_without_a_good_snapshot_python_starts_slowly(
    context: BrowserContext, address: str, base: str, query: str
) -> None:
    page = context.new_page()
    fallen = Tab(page, address, base, query)
    assert fallen.value("import msgpack; msgpack.Packer.__module__") == "'msgpack._cmsgpack'"
    assert isinstance(fallen.ask("list", where="local", path="/", cursor="", limit=10)["entries"], list)
    page.close()
