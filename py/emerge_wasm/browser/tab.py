"""What a tab holds together: its two filesystems, its console, and the requests under way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import Invalid
from ..objects import EmergeFile, EmergeObject
from .console.cell import RUNNING, Console, cell_of
from .console.output import Output, capture_streams
from .failure import STOPPED, failure_of
from .guests.channel import open_guest
from .guests.consent import Consent
from .guests.pool import Closed
from .guests.runner import TabRunner
from .places.changes import watch_changes
from .places.cluster import Connection
from .places.local import open_local
from .places.place import FollowingAsync, Place, Switch
from .requests import objects

Message = dict[str, Any]


class Tab:
    """One page's Python. `send` takes replies and events, maps that JSON can hold."""

    def __init__(self, send: Callable[[Message], object], options: dict[str, Any]) -> None:
        self.send = send
        self.options = options
        self.consent = Consent(self.event, options.get("allowed", ()))
        self.local = Place("local", "use `cluster`, or set the console's switch to the cluster", self.consent)
        self.cluster = Place("cluster", "use `local`, or set the console's switch to this browser", self.consent)
        self.closed = Closed(open_guest)
        self.runners = {
            place.name: TabRunner(place.name, self.consent, self.closed, place.is_mine)
            for place in (self.local, self.cluster)
        }
        self.switch = Switch(self.local, self.cluster)
        self.output = Output(self._print)
        self.console = Console(sys.modules["__main__"].__dict__)
        self.alone = asyncio.Lock()  # one cell at a time
        self._running: asyncio.Task[Any] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.works: dict[int, asyncio.Future[Any]] = {}  # runs under way, by the page's number
        self._flushing = False

    # --- beginning
    def begin(self) -> None:
        """Say that Python is there, then open the filesystems behind it."""
        self.output.soon = self._flush_soon
        capture_streams(self.output)
        self._prepare()
        asyncio.get_event_loop().set_exception_handler(self._report)
        self.state("ready")
        self.spawn(self._open_local())
        self.spawn(self._keep_cluster())

    def _prepare(self) -> None:
        """The names that a cell finds. `from emerge_wasm import fs` gives the same object."""
        import builtins

        import emerge_wasm

        builtins.input = _no_input
        emerge_wasm.__dict__["fs"] = self.switch.sync
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
        self.local.opened.set()
        self.event(
            "features",
            sync=self.options["sync"],
            interrupt=self.options["interrupt"],
            storage=engine,
            persisted=await _persisted(),
        )
        await watch_changes(self.local.client, lambda *change: self._changed("local", *change))

    async def _keep_cluster(self) -> None:
        if not self.options["relay"]:
            self.cluster.opened.set()
            return
        connection = Connection(
            self.cluster, self.options["relay"], lambda told: self.event("connection", connection=told)
        )
        await connection.open()
        while True:
            await connection.online.wait()
            await watch_changes(self.cluster.client, lambda *change: self._changed("cluster", *change))
            await asyncio.sleep(0.5)  # the watch may end before the loss is known

    # --- requests
    def submit(self, id: int, kind: str, args: dict[str, Any]) -> None:
        self.spawn(self._answer(id, kind, args))

    async def _answer(self, id: int, kind: str, args: dict[str, Any]) -> None:
        try:
            handler = objects.HANDLERS.get(kind)
            if handler is None:
                raise Invalid(f"the page asked for {kind!r}, which this kernel does not know", remedy="reload the page")
            reply = {"id": id, "result": await handler(self, args)}
        except BaseException as error:  # SystemExit and Stop too: the page must get an answer
            reply = {"id": id, "failure": failure_of(error, traced=kind == "cell")}
        self.output.flush()
        self.send(reply)

    async def run_alone(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something of the user's, one at a time; Stop reaches it."""
        async with self.alone:
            self.state("busy")
            self._running = asyncio.create_task(_guarded(work))
            try:
                result, error = await self._running
            finally:
                self._running = None
                self.state("idle")
        if error is not None:
            raise error
        return result

    async def under_way(self, number: int, work: Coroutine[Any, Any, Any]) -> Any:
        """Do what the page calls by this number, so that it can end it."""
        task = self.works[number] = asyncio.ensure_future(_guarded(work))
        try:
            result, error = await task
        finally:
            del self.works[number]
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """Cancel what runs, where it waits: at an `await`, or inside a call that waits for its result."""
        running = self._running
        if running is None or running.done():
            return
        inner = [task for task in asyncio.all_tasks() if task is not running and _belongs(task, running)]
        if getattr(running, "_fut_waiter", None) is not None or not inner:
            running.cancel()
        else:
            for task in inner:
                task.cancel()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- events
    def event(self, name: str, **fields: Any) -> None:
        self.send({"event": name, **fields})

    def state(self, state: str, detail: str = "") -> None:
        self.event("kernel", state=state, detail=detail)

    def _print(self, cell: int, stream: str, text: str) -> None:
        self.event("output", cell=cell, stream=stream, text=text)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_event_loop().call_later(0.05, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.output.flush()

    def _changed(self, where: str, operation: str, path: str, pointer: Message | None) -> None:
        self.event("change", where=where, operation=operation, path=path, pointer=pointer)

    def _report(self, loop: Any, context: Message) -> None:
        """What a cell's task raised when nobody awaited it."""
        error = context.get("exception")
        if error is not None and not isinstance(error, STOPPED):
            self.event("failure", cell=cell_of(error), failure=failure_of(error, traced=True))


def _no_input(prompt: object = "") -> str:
    raise Invalid("a cell cannot ask for input", remedy="write the value into the cell")


async def _guarded(work: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """Its result or its error: a KeyboardInterrupt that leaves a task would end the event loop."""
    try:
        return await work, None
    except BaseException as error:
        return None, error


def _belongs(task: asyncio.Task[Any], running: asyncio.Task[Any]) -> bool:
    return bool(task.get_context().get(RUNNING) == running.get_context().get(RUNNING) != 0)  # type: ignore[attr-defined,unused-ignore]


async def _persisted() -> bool:
    try:
        from js import navigator  # type: ignore[import-not-found,unused-ignore]

        return bool(await navigator.storage.persisted())
    except Exception:  # a browser without it, or one that refuses
        return False
