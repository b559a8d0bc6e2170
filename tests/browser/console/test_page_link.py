"""Both ends of the link between the kernels, each in a thread of its own, as they are in workers.

Cells reach the filesystem awaiting and blocking, which is to be one and the same; the user's own code runs with them.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, sync
from emerge_wasm.browser.cells import CellsKernel
from emerge_wasm.browser.console.nested_loop import NestedLoops
from emerge_wasm.browser.console.page_link import PageLink
from emerge_wasm.browser.console.prompt import InputPrompts
from emerge_wasm.browser.console.shell import Shell
from emerge_wasm.browser.console.trace import traced
from emerge_wasm.browser.guests.consent import Consent
from emerge_wasm.browser.guests.pool import GuestPool
from emerge_wasm.browser.guests.runner import TabRunner
from emerge_wasm.clients import reads
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.sync import SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import Conflict, NotFound
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside import execute
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from emerge_wasm.wire.frame import ITEM, write_frame
from tests.contracts.filesystem import SCENARIOS, Scenario
from tests.scale import sample


@dataclass
class Counter(EmergeFile):
    count: int = 0

    def add(self, many: int = 1) -> int:
        self.count += many
        return self.count

    def others(self, fs: Any) -> list[str]:
        return [pointer.name for pointer in fs.list("/")]

    def nested(self, fs: Any) -> int:
        result: int = fs.run("/inner", "add", 5)
        return result

    def looks(self, many: int, fs: Any) -> int:
        return sum(fs.getobject(f"/all/c{number}").count + 1 for number in range(many))

    async def wait(self) -> None:
        await asyncio.Event().wait()


class PageSide:
    """The page's kernel, in a thread: a filesystem in memory, to which the events of the cells go."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.loop = asyncio.new_event_loop()
        self.events: list[Any] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.filesystem = self.run(self._open(send))

    async def _open(self, send: Callable[[bytes], None]) -> Filesystem:
        consent = Consent(self._hear)
        self.inputs = InputPrompts(self._hear)
        self.consent = consent

        async def refuse(*_: object) -> Any:
            raise AssertionError("no guest is to be started")

        runner = TabRunner("local", consent, GuestPool(refuse), lambda pointer: True, lambda: self.cells)
        filesystem = await Filesystem.open(await open_store("memory:"), node="page", url="memory:", runner=runner)
        self.direct = LocalTransport(filesystem, Context("tester", superuser=True))
        self.cells = CellsKernel(send, {"local": self.direct}, consent, lambda number: None, self.inputs.ask)
        return filesystem

    def _hear(self, event: Any) -> None:
        """Take an event as the page does; its user lets all code run."""
        self.events.append(event)
        if event["event"] == "question":
            self.loop.call_soon(self.consent.answer, event["question"]["id"], True)
        if event["event"] == "input" and event["open"] and event["prompt"]:
            self.loop.call_soon(self.inputs.answer, event["input"], None if "end" in event["prompt"] else "typed")

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.cells.lose)
        self.run(self.filesystem.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class CellSide:
    """The kernel of cells, in the test's own loop. `client` is awaited; `drive` blocks."""

    def __init__(self) -> None:
        self._coming: queue.Queue[bytes] = queue.Queue()
        self._loop = asyncio.get_running_loop()
        self.stopped = False
        self.page = PageSide(self._arrive)
        self.link = PageLink(lambda data: self.page.loop.call_soon_threadsafe(self.page.cells.hear, data))
        self.loops: NestedLoops = self.link.nested_loops(self._wait, lambda: None)
        self.shell = Shell(lambda message: None, {}, self.link.filesystems, self.link.consent, self.link.ask_input)
        self.link.shell = self.shell
        self.client = Client(self.link.filesystems["local"])

    def _arrive(self, data: bytes) -> None:
        self._coming.put(write_frame(ITEM, data))
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        while not self._coming.empty():
            self.link.hear_frames(self._coming.get())

    def _wait(self, seconds: float | None) -> bytes:
        if self.stopped:
            self.stopped = False
            raise KeyboardInterrupt
        try:
            return self._coming.get(timeout=min(0.02 if seconds is None else seconds, 0.02))
        except queue.Empty:
            return b""

    def drive(self, work: Any) -> Any:
        return self.loops.drive(work)


@pytest.fixture
async def cells(monkeypatch: pytest.MonkeyPatch) -> Any:
    side = CellSide()
    monkeypatch.setattr(sync, "drive", side.loops.drive)  # patched: as the worker of cells sets it
    monkeypatch.setattr(execute, "IN_PYODIDE", True)  # patched: a tab has no threads for methods to block in
    yield side
    if side.link._told:  # what was told is answered, or its task would end with the loop
        await asyncio.wait(side.link._told, timeout=20)
    side.loops.close()
    side.page.close()


@pytest.mark.parametrize("blocks", [False, True], ids=["awaited", "blocking"])
@pytest.mark.parametrize("scenario", sample(SCENARIOS, 6), ids=lambda scenario: scenario.__name__)
async def test_every_operation_works_from_a_cell(scenario: Scenario, blocks: bool, cells: CellSide) -> None:
    if blocks:
        cells.drive(scenario(cells.client))
    else:
        await scenario(cells.client)


@pytest.mark.parametrize("many", [1, 3, 9, 20])
async def test_methods_that_wait_for_the_filesystem_run_on_many(many: int, cells: CellSide) -> None:
    """They wait in one thread, the later ones over the earlier."""
    await cells.client.storeall([Counter(name=f"c{number}", path="/all") for number in range(many)])
    rows = await cells.client.run("/all", "looks", many)
    assert [row.get("result") for row in rows] == [many] * many


async def test_page_and_cells_share_one_filesystem_and_one_order_of_writes(cells: CellSide) -> None:
    """Calls of the page, of a blocking cell and of an awaiting one, in any order, do what they would do in a dict."""
    dice, expected = random.Random(4), dict[str, int]()
    page = Client(cells.page.direct)
    blocking = Client(cells.link.filesystems["local"])

    async def by_page(work: Awaitable[Any]) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(work), cells.page.loop))

    async def by_blocking(work: Awaitable[Any]) -> Any:
        return cells.drive(_awaited(work))

    ways = [(page, by_page), (blocking, by_blocking), (cells.client, _awaited)]
    for step in range(120):
        client, do = dice.choice(ways)
        path = f"/o{dice.randrange(5)}"
        if path not in expected:
            await do(client.store(Counter(name=path[1:], count=step)))
            expected[path] = step
        elif dice.random() < 0.3:
            await do(client.rm(path))
            del expected[path]
        else:
            pointer = await do(client.update(path, count=step))
            expected[path] = step
            with pytest.raises(Conflict):
                await do(client.update(path, pointer.version - 1, count=-1))
        reader, read = dice.choice(ways)
        state = (await read(reader.cat(path)))["count"] if path in expected else None
        assert state == expected.get(path)
    with pytest.raises(NotFound, match="gone"):
        cells.drive(blocking.cat("/gone"))


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


async def test_own_code_runs_with_the_cells_whoever_calls_it(cells: CellSide) -> None:
    blocking = Client(cells.link.filesystems["local"])
    cells.drive(blocking.store(Counter(name="inner")))
    cells.drive(blocking.store(Counter(name="outer")))
    assert cells.drive(blocking.run("/inner", "add", 2)) == 2
    assert cells.drive(blocking.run("/outer", "nested")) == 7
    assert await cells.client.run("/outer", "others") == ["inner", "outer"]
    page = asyncio.run_coroutine_threadsafe(Client(cells.page.direct).run("/inner", "add", 3), cells.page.loop)
    assert await asyncio.wrap_future(page) == 10
    assert not [event for event in cells.page.events if event["event"] == "question"]


async def test_what_the_page_runs_waits_for_a_cell_that_blocks(cells: CellSide) -> None:
    blocking = Client(cells.link.filesystems["local"])
    cells.drive(blocking.store(Counter(name="inner")))
    asked = asyncio.run_coroutine_threadsafe(Client(cells.page.direct).run("/inner", "add"), cells.page.loop)
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        cells.drive(blocking.list("/"))
    assert not asked.done()
    assert await asyncio.wrap_future(asked) == 1


async def test_stop_ends_a_blocking_call_and_the_next_one_works(cells: CellSide) -> None:
    blocking = Client(cells.link.filesystems["local"])
    cells.drive(blocking.store(Counter(name="inner")))
    for work in (blocking.run("/inner", "wait"), asyncio.sleep(30)):
        threading.Timer(0.05, setattr, (cells, "stopped", True)).start()
        with pytest.raises(KeyboardInterrupt):
            cells.drive(work)
        assert [pointer.name for pointer in cells.drive(blocking.list("/"))] == ["inner"]


async def test_the_loop_outside_goes_on_after_a_blocking_call(cells: CellSide) -> None:
    async def tick() -> str:
        await asyncio.sleep(0.01)
        return "done"

    task = asyncio.create_task(tick())
    cells.drive(asyncio.sleep(0.02))
    running = asyncio.current_task()
    assert await task == "done"
    assert asyncio.current_task() is running


async def test_the_cells_kernel_may_end_at_any_time(cells: CellSide) -> None:
    """What it had asked for is cancelled, and the page's own requests are not."""
    waiting = asyncio.ensure_future(_first(cells.client.watch("/")))
    await asyncio.sleep(0.05)
    own = asyncio.run_coroutine_threadsafe(_first(Client(cells.page.direct).watch("/")), cells.page.loop)
    await asyncio.sleep(0.05)
    cells.page.loop.call_soon_threadsafe(cells.page.cells.lose)
    page = Client(cells.page.direct)
    stored = asyncio.run_coroutine_threadsafe(page.store(EmergeFile(name="after")), cells.page.loop)
    assert (await asyncio.wrap_future(stored)).name == "after"
    assert await asyncio.wait_for(asyncio.wrap_future(own), 5)
    waiting.cancel()


async def _first(items: Any) -> bool:
    async for _ in items:
        return True
    return False


async def test_a_sync_client_blocks_by_it(cells: CellSide) -> None:
    """Files and streams, too, which work with tasks of their own."""
    blocking = Client(cells.link.filesystems["local"])

    async def open_client() -> Client:
        return blocking

    fs = SyncClient(open_client)
    with fs.open("/big", "wb") as file:
        for number in range(40):
            file.write(bytes([number]) * 100_000)
    with fs.open("/big", "rb") as file:
        assert file.read() == b"".join(bytes([number]) * 100_000 for number in range(40))
    with fs.transaction() as tx:
        tx.store(Counter(name="one"))
        tx.store(Counter(name="two"))
    assert [pointer.name for pointer in fs.dir("/")] == ["big", "one", "two"]
    assert sorted(obj.name for obj in fs.search(lambda o: o.count == 0, path="/")) == ["one", "two"]


@pytest.mark.parametrize("taken", [1, 7, 20])
async def test_a_blocking_cell_reads_pages_that_come_by_themselves(
    taken: int, cells: CellSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it does something else, and again after it has left some."""
    monkeypatch.setattr(reads, "PAGE", 6)
    monkeypatch.setattr(reads, "TOGETHER", 2)
    place = cells.shell.switch.find("local")
    fs = place.sync
    names = [f"{number:02}" for number in range(50)]
    fs.storeall(Counter(name=name, path="/d") for name in names)
    left = fs.objects("/d")
    assert [next(left).name for _ in range(taken)] == names[:taken]
    fs.update(f"/d/{names[-1]}", count=7)
    assert [each.name for each in fs.objects("/d")] == names
    left.close()
    found = [each async for each in place.client.objects("/d")]
    assert [each.name for each in found] == names and found[-1].count == 7


async def test_a_cell_asks_for_input_and_waits_for_it(cells: CellSide) -> None:
    """Blocking and awaited; Stop ends the wait, and the page's field goes with it."""
    assert await cells.link.ask_input(3, "name? ", False) == "typed"
    assert cells.drive(cells.link.ask_input(3, "name? ", True)) == "typed"
    assert cells.drive(cells.link.ask_input(3, "the end", True)) is None
    asyncio.get_running_loop().call_later(0.1, setattr, cells, "stopped", True)
    threading.Timer(0.2, setattr, (cells, "stopped", True)).start()
    with pytest.raises(KeyboardInterrupt):
        cells.drive(cells.link.ask_input(4, "", False))
    shown: list[tuple[int, bool, bool]] = []
    async with asyncio.timeout(5):
        while (4, False, False) not in shown:  # the page hears of the stop by itself
            await asyncio.sleep(0.01)
            asked = [event for event in cells.page.events if event["event"] == "input"]
            shown = [(event["cell"], event["secret"], event["open"]) for event in asked]
    assert shown[:2] == [(3, False, True), (3, False, False)]
    assert shown[-1] == (4, False, False)


async def test_a_run_tells_what_it_read_and_wrote(cells: CellSide) -> None:
    """By any way of reading; what was at an older version does not change."""
    place = cells.shell.switch.find("local")
    cells.drive(place.blocking.store(Counter(name="a", path="/x")))
    cells.drive(place.blocking.mkdir("/y"))

    async def read() -> None:
        await place.client.cat("/x/a.count")
        [pointer async for pointer in place.client.dir("/y")]
        await place.client.count("o.count == 0", "/x")
        await place.client.cat("/x/a", 1)

    with traced() as trace:
        await read()
        cells.drive(place.blocking.update("/x/a", count=5))
        place.sync.list("/")
    view = trace.view()
    assert {each["path"] for each in view["reads"]} >= {"/x/a.count", "/y", "/x", "/"}
    assert "/x/a" not in {each["path"] for each in view["reads"]}
    assert {each["path"] for each in view["writes"]} == {"/x/a"}
    assert view["made"] == [(await cells.client.get("/x/a")).revision]
