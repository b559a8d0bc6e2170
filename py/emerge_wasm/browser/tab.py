"""The state of a tab: its two filesystems, its console and the requests under way, whose handlers are passed in."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Literal, NoReturn, TypeVar

from ..errors import Invalid
from ..objects import EmergeFile, EmergeObject
from ..results import PointerRow
from .console.cell import RUNNING, Console, cell_of
from .console.display import CellScreen
from .console.mime import MimeBundle
from .console.names import prepare_names
from .console.output import ConsoleOutput, StreamName, capture_streams
from .failure import STOPPED, failure_of
from .guests.channel import open_guest
from .guests.consent import Consent
from .guests.pool import GuestPool
from .guests.runner import TabRunner
from .places.cluster import Connection
from .places.local import open_local
from .places.place import FollowingAsync, Switch, TabPlace
from .protocol import KernelReply, Options, PageEvent, PlaceArgs

LOG = logging.getLogger("emerge.browser")

FLUSH_DELAY = 0.05  # seconds until a cell's output is sent

T = TypeVar("T")
TabWork = Coroutine[Any, Any, T]
PageHandler = Callable[["Tab", Any], Awaitable[object]]
"""Answers one kind of request; the second argument is the request's TypedDict in `protocol`."""


class Tab:
    """The Python of one page. `send` takes replies and events, as maps of JSON data."""

    def __init__(
        self, send: Callable[[KernelReply | PageEvent], object], options: Options, handlers: dict[str, PageHandler]
    ) -> None:
        self.send = send
        self.options = options
        self.handlers = handlers
        self.consent = Consent(send, options["allowed"])
        self.local = TabPlace("local", "use `cluster`, or set the console's switch to the cluster", self.consent)
        self.cluster = TabPlace("cluster", "use `local`, or set the console's switch to this browser", self.consent)
        self.guests = GuestPool(open_guest)
        self.runners = {
            place.name: TabRunner(place.name, self.consent, self.guests, place.is_mine)
            for place in (self.local, self.cluster)
        }
        self.switch = Switch(self.local, self.cluster)
        self.output = ConsoleOutput(self._print)
        self.screen = CellScreen(self._display, self._wipe, self.output.flush)
        self.console = Console(sys.modules["__main__"].__dict__)
        self._cells = asyncio.Lock()  # cells run one at a time
        self._running: asyncio.Task[Callable[[], object]] | None = None
        self._tasks: set[asyncio.Future[object]] = set()
        self._cancel: dict[int, Callable[[], object]] = {}  # by the page's number of the work under way
        self._flushing = False

    # --- start
    def begin(self) -> None:
        """Tell the page that Python is ready, then open the filesystems in the background."""
        self.output.soon = self._flush_soon
        capture_streams(self.output)
        self._prepare()
        asyncio.get_event_loop().set_exception_handler(self._report)
        self._state("ready")
        self.spawn(self._open_local())
        self.spawn(self._open_cluster())

    def _prepare(self) -> None:
        """Define the names of cells. `from emerge_wasm import fs` imports the same object."""
        import builtins

        import emerge_wasm

        builtins.input = _no_input
        emerge_wasm.__dict__["fs"] = self.switch.sync
        prepare_names(self.console.namespace, self.screen)
        self.console.namespace.update(
            fs=self.switch.sync,
            local=self.local.sync,
            cluster=self.cluster.sync,
            afs=FollowingAsync(self.switch),
            alocal=self.local.client,
            acluster=self.cluster.client,
            EmergeFile=EmergeFile,
            EmergeObject=EmergeObject,
            dataclass=emerge_wasm.dataclass,
        )

    async def _open_local(self) -> None:
        engine = await open_local(self.local, self.runners["local"])
        self.send(
            {
                "event": "features",
                "sync": self.options["sync"],
                "interrupt": self.options["interrupt"],
                "storage": engine,
            }
        )
        await self.local.follow(partial(self._changed, self.local))

    async def _open_cluster(self) -> None:
        if not self.options["relay"]:
            self.cluster.opened.set()
            return
        connection = Connection(
            self.cluster, self.options["relay"], lambda state: self.send({"event": "connection", "connection": state})
        )
        await connection.open()
        await self.cluster.follow(partial(self._changed, self.cluster))

    # --- requests
    def find(self, args: PlaceArgs) -> TabPlace:
        """Return the filesystem that a request is about."""
        return self.switch.find(args["where"])

    def submit(self, id: int, kind: str, args: object) -> None:
        """Take a request; its reply is sent later."""
        self.spawn(self._answer(id, kind, args))

    async def _answer(self, id: int, kind: str, args: object) -> None:
        reply: KernelReply
        try:
            handler = self.handlers.get(kind)
            if handler is None:
                raise Invalid(f"the page asked for {kind!r}, which this kernel does not know", remedy="reload the page")
            reply = {"id": id, "result": await handler(self, args)}
        except BaseException as error:  # SystemExit and Stop too: the page must get an answer
            reply = {"id": id, "failure": failure_of(error, traced=kind == "cell")}
        self.output.flush()
        self.send(reply)

    async def run_alone(self, work: TabWork[T]) -> T:
        """Run the user's code, one piece at a time, so that Stop can interrupt it."""
        async with self._cells:
            self._state("busy")
            self._running = task = asyncio.create_task(_guarded(work))
            try:
                outcome = await task
            finally:
                self._running = None
                self._state("idle")
        return outcome()

    async def under_way(self, number: int, work: TabWork[T]) -> T:
        """Run work under the page's number for it, by which the page can cancel it."""
        task = asyncio.ensure_future(_guarded(work))
        self._cancel[number] = task.cancel
        try:
            outcome = await task
        finally:
            del self._cancel[number]
        return outcome()

    def cancel(self, number: int) -> None:
        """Cancel a run at the point where it waits; do nothing if it has ended."""
        if number in self._cancel:
            self._cancel[number]()

    def stop(self) -> None:
        """Cancel the running code where it waits: at an `await`, or inside a call that blocks for its result."""
        running = self._running
        if running is None or running.done():
            return
        inner = [task for task in asyncio.all_tasks() if task is not running and _belongs(task, running)]
        if getattr(running, "_fut_waiter", None) is not None or not inner:
            running.cancel()
        else:
            for task in inner:
                task.cancel()

    def spawn(self, work: TabWork[Any]) -> None:
        """Run work in the background; the event loop reports its errors."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- events
    def printer(self, number: int) -> Callable[[str], None]:
        """Return a function that sends the printed text of the run with this number."""

        def write(text: str) -> None:
            self.send({"event": "printed", "run": number, "text": text})

        return write

    def _state(self, state: Literal["ready", "busy", "idle"]) -> None:
        self.send({"event": "kernel", "state": state, "detail": ""})

    def _print(self, cell: int, stream: StreamName, text: str) -> None:
        self.send({"event": "output", "cell": cell, "stream": stream, "text": text})

    def _display(self, bundle: MimeBundle, id: str, update: bool) -> None:
        data, metadata = bundle.data, bundle.metadata
        cell = self.output.cell
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

    def _changed(self, place: TabPlace, operation: str, path: str, pointer: PointerRow | None) -> None:
        self.send({"event": "change", "where": place.name, "operation": operation, "path": path, "pointer": pointer})

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Send the page the error of a task that was never awaited."""
        error = context.get("exception")
        if isinstance(error, STOPPED):
            return
        cell = cell_of(error) if error is not None else 0
        if cell == 0:
            LOG.error("in the background: %s", context.get("message"), exc_info=error)
        if error is not None:
            self.send({"event": "failure", "cell": cell, "failure": failure_of(error, traced=True)})


def _no_input(prompt: object = "") -> str:
    raise Invalid("a cell cannot ask for input", remedy="write the value into the cell")


async def _guarded(work: TabWork[T]) -> Callable[[], T]:
    """Run work and return a function that returns its result or raises its error.

    A KeyboardInterrupt that left a task would end the event loop.
    """
    try:
        result = await work
    except BaseException as error:
        return partial(_throw, error)
    return lambda: result


def _throw(error: BaseException) -> NoReturn:
    raise error


def _belongs(task: asyncio.Task[Any], running: asyncio.Task[Any]) -> bool:
    return bool(task.get_context().get(RUNNING) == running.get_context().get(RUNNING) != 0)  # type: ignore[attr-defined,unused-ignore]
