"""The Python that cells run in: their names, their output, one cell at a time, and Stop.

In a tab with two kernels it is the second one, and reaches both filesystems through the first (`page_link`); in a tab
with one it is part of that. Imports no js.
"""

from __future__ import annotations

import asyncio
import getpass
import inspect
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TypeVar

from ... import sync
from ...clients.client import Client
from ...errors import Unavailable
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import execute
from ...objects import EmergeFile, EmergeObject
from ...operations import Transport
from ...results import EntryPage
from ..guests.consent import CodeConsent
from ..packages.finder import PackageFinder
from ..packages.loader import PackageLoader
from ..packages.pip import Pip
from ..protocol.option import PlaceName
from ..responder import PageHandler, Responder, SendMessage, TabWork, guarded
from .cell import RUNNING, Console
from .chart import ChartFinder, ChartScript
from .completion import Completer
from .display import CellScreen
from .inspection import InstanceOf
from .live import LiveValues
from .mime import MimeBundle
from .names import prepare_names
from .output import ConsoleOutput, StreamName, capture_streams
from .place import FollowingAsync, ShellPlace, Switch
from .prompt import AskInput
from .stoppable import stoppable

FLUSH_DELAY = 0.05  # seconds until a cell's output is sent
_RUNS = (guarded, execute, evaluate_rows)
"""What runs the user's code. Their code objects are looked at late: the snapshot has shorter ones."""

T = TypeVar("T")


class Shell(Responder):
    """Runs cells, and answers the page's requests about them. `filesystems` are those that cells reach, by name."""

    def __init__(
        self,
        send: SendMessage,
        handlers: Mapping[str, PageHandler],
        filesystems: Mapping[PlaceName, Transport],
        consent: CodeConsent,
        ask: AskInput,
    ) -> None:
        super().__init__(send, handlers)
        self.switch = Switch({name: ShellPlace(name, filesystem, consent) for name, filesystem in filesystems.items()})
        self.output = ConsoleOutput(self._print)
        self.screen = CellScreen(self._display, self._wipe, self.output.flush)
        self.console = Console(sys.modules["__main__"].__dict__)
        self.completer = Completer(self.console.namespace, self._list, {"afs": InstanceOf(Client)})
        self.packages = PackageLoader(self._say)
        self.charts = ChartScript(lambda name, text: send({"event": "script", "name": name, "text": text}))
        self.lives = LiveValues(send, lambda: self.output.cell)
        self._ask = ask
        self.on_busy: Callable[[bool], object] = lambda busy: None
        self._turn = asyncio.Lock()  # cells run one at a time
        self._running: asyncio.Task[Callable[[], object]] | None = None
        self._stopping = False  # asked to stop where the user's code did not run
        self._flushing = False

    def begin(self) -> None:
        """Catch what cells print, and define their names. `from emerge_wasm import fs` imports the same object."""
        import builtins

        import emerge_wasm

        self.output.soon = self._flush_soon
        capture_streams(self.output)
        builtins.input = self._input
        getpass.getpass = self._getpass
        if sync.IN_PYODIDE:
            _sleep_quietly()
            signal.signal(signal.SIGINT, self._interrupt)
        local, cluster = self.switch.find("local"), self.switch.find("cluster")
        emerge_wasm.__dict__["fs"] = self.switch.sync
        self.console.namespace.update(
            fs=self.switch.sync,
            local=local.sync,
            cluster=cluster.sync,
            afs=FollowingAsync(self.switch),
            alocal=local.client,
            acluster=cluster.client,
            EmergeFile=EmergeFile,
            EmergeObject=EmergeObject,
            dataclass=emerge_wasm.dataclass,
            live=self.lives.live,
            ainput=self._ainput,
        )
        prepare_names(self.console.namespace, self.screen)
        self.console.tools.pip = Pip(self.packages, self._say).run
        PackageFinder(self.packages, lambda: RUNNING.get() != 0).install()
        ChartFinder().install()

    async def run_alone(self, work: TabWork[T]) -> T:
        """Run the user's code, one piece at a time, so that Stop can interrupt it."""
        async with self._turn:
            self.state("busy")
            self.on_busy(True)
            self._stopping = False
            self._running = task = asyncio.create_task(guarded(stoppable(work, self._take_stop)))
            try:
                outcome = await task
            finally:
                self._running = None
                self.on_busy(False)
                self.state("idle")
        return outcome()

    def stop(self) -> None:
        """Cancel the running code where it waits: at an `await`, or inside a call that blocks for its result."""
        running = self._running
        if running is None or running.done():
            return
        inner = [task for task in asyncio.all_tasks() if task is not running and _belongs(task, running)]
        if any(map(_is_new, inner)):  # one that is cancelled before it begins cannot keep its error to itself
            asyncio.get_event_loop().call_soon(self.stop)
            return
        if getattr(running, "_fut_waiter", None) is not None or not inner:
            running.cancel()
        else:
            for task in inner:
                task.cancel()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Stop the user's code between two of its instructions. Elsewhere, as in the event loop between two tasks or
        where the code begins to wait, an error would be nobody's: there it is stopped at its next step, or where it
        waits."""
        if _is_of_user(frame):
            raise KeyboardInterrupt
        self._stopping = self._running is not None
        asyncio.get_event_loop().call_soon(self._stop_late, self._running)

    def _stop_late(self, meant: asyncio.Task[Callable[[], object]] | None) -> None:
        if meant is None or (meant is self._running and self._take_stop()):
            self.stop()

    def _take_stop(self) -> bool:
        stopping, self._stopping = self._stopping, False
        return stopping

    async def _list(self, client: object, root: str, path: str, cursor: str, limit: int) -> EntryPage:
        filesystem = self.switch.place_of(client, root).filesystem
        page: EntryPage = await filesystem.call("list", [path, cursor, limit])  # type: ignore[assignment]
        return page

    def tell_packages(self, cell: int, code: str) -> None:
        """Tell the page which packages this code has used, for its notebook to keep."""
        used = self.packages.used(code)
        if used:
            self.send({"event": "packages", "cell": cell, "packages": used})

    def _input(self, prompt: object = "") -> str:
        """What `input` is in cells: the cell waits for what is typed into a field of its output."""
        return self._wait_for_input(prompt, secret=False)

    def _getpass(self, prompt: object = "Password: ", stream: object = None) -> str:
        return self._wait_for_input(prompt, secret=True)

    def _wait_for_input(self, prompt: object, *, secret: bool) -> str:
        try:
            return sync.wait(self._ainput(prompt, secret=secret))
        except Unavailable as error:
            raise Unavailable(error.message, remedy="write `await ainput(…)` instead of `input(…)`") from None

    async def _ainput(self, prompt: object = "", *, secret: bool = False) -> str:
        """Ask the user, and return what is typed. Raises EOFError when nothing is."""
        self.output.flush()
        text = await self._ask(self.output.cell, str(prompt), secret)
        shown = "" if text is None else "·" * len(text) if secret else text
        self.output.write("stdout", f"{prompt}{shown}\n")
        if text is None:
            raise EOFError("no more input")
        return text

    def before_reply(self) -> None:
        self.output.flush()

    def _say(self, text: str) -> None:
        self.output.write("stdout", text)

    def _print(self, cell: int, stream: StreamName, text: str) -> None:
        self.send({"event": "output", "cell": cell, "stream": stream, "text": text})

    def _display(self, bundle: MimeBundle, id: str, update: bool) -> None:
        data, metadata = bundle.data, bundle.metadata
        cell = self.output.cell
        self.charts.tell(bundle)
        self.send({"event": "display", "cell": cell, "id": id, "update": update, "data": data, "metadata": metadata})

    def _wipe(self, wait: bool) -> None:
        self.send({"event": "clear", "cell": self.output.cell, "wait": wait})

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_event_loop().call_later(FLUSH_DELAY, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.output.flush()


def _sleep_quietly() -> None:
    """Let `time.sleep` end by Stop without a word: Pyodide's own prints the traceback of the task that it waits for."""
    blocking = time.sleep

    def sleep(seconds: float, /) -> None:
        try:
            sync.wait_in_pyodide(asyncio.sleep(seconds))
        except Unavailable:
            blocking(seconds)

    time.sleep = sleep  # type: ignore[assignment]  # asyncio takes the same numbers


def _is_of_user(frame: FrameType | None) -> bool:
    """Whether the user's code runs here, of a cell or a class, and does not begin to wait."""
    while frame is not None and frame.f_code is not sync.wait_in_pyodide.__code__:
        code = frame.f_code
        if code.co_filename.startswith("<cell") or any(code is each.__code__ for each in _RUNS):
            return True
        frame = frame.f_back
    return False


def _is_new(task: asyncio.Task[object]) -> bool:
    work = task.get_coro()
    return inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED


def _belongs(task: asyncio.Task[object], running: asyncio.Task[object]) -> bool:
    return bool(task.get_context().get(RUNNING) == running.get_context().get(RUNNING) != 0)  # type: ignore[attr-defined,unused-ignore]
