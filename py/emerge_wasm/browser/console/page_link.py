"""The link of the cells' kernel to the page's: cells' calls to both filesystems go out, and the user's own code, which
the page's kernel does not run, comes in to be run here.

Runs on CPython too, where it is tested. Imports no js.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, TypeVar

from ...bundles.resolution import own_hashes
from ...clients.client import Client
from ...clients.sync import SyncClient
from ...clients.trust import CONFINED
from ...context import Clock
from ...errors import EmergeError, ExecutionFailed, Invalid, PermissionDenied
from ...filesystem.runner import EvaluateCall, RunCall
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import execute
from ...filesystem.runs.inside.failure import describe
from ...operations import Answer, Transport, Values
from ...wire.duplex import Duplex
from ...wire.event import LARGEST, channel_id, peek
from ...wire.frame import FrameReader
from ...wire.link import Link
from ...wire.server import ServerRequest
from ..guests.consent import HERE, CodePlace, Told
from ..guests.link_host import LinkHost
from ..protocol.option import PlaceName
from .nested_loop import NestedLoops, Wait

if TYPE_CHECKING:
    from .shell import Shell

T = TypeVar("T")

NESTED = "nested."
"""Before the name of what comes in for a cell's call: the cell waits for it, so it cannot wait for the cell."""

PLACES: tuple[PlaceName, ...] = ("local", "cluster")


class PageLink:
    """The cells' end of the link. `post` sends one event; `mark` notes the number of the page's run that is running (0:
    none), which Stop may interrupt."""

    def __init__(self, post: Callable[[bytes], object], mark: Callable[[int], object] = lambda number: None) -> None:
        self.shell: Shell | None = None
        self._mark = mark
        self._loop = asyncio.get_running_loop()
        self._link = Link(Duplex.of_worker(limit=LARGEST), lambda data: _no_result(post(data)), self._handle)
        self._frames = FrameReader(LARGEST)
        self._later: set[object] = set()  # channels whose request waits until no cell blocks
        self._stopped = False
        self._told: set[asyncio.Future[object]] = set()
        self._runs: dict[object, asyncio.Event] = {}  # by the page's numbers; set once they have ended
        self.consent = LinkedConsent(self)

    @property
    def filesystems(self) -> dict[PlaceName, Transport]:
        return {name: LinkHost(self._link, lambda text: None, f"{name}.", reads_ahead=True) for name in PLACES}

    async def call(self, name: str, args: Values) -> object:
        return await self._link.call(name, args)

    def tell(self, name: str, args: Values) -> None:
        """Call the page's kernel, and do not wait for its answer."""
        told = asyncio.ensure_future(self.call(name, args))
        self._told.add(told)
        told.add_done_callback(self._told.discard)

    async def ask_input(self, cell: int, prompt: str, secret: bool) -> str | None:
        """Ask the user for a text."""
        text = await self.call("input", [cell, prompt, secret])
        return None if text is None else str(text)

    # --- what comes in
    def hear(self, payload: bytes) -> None:
        """Take one event in the worker's own loop."""
        self._loop.call_soon(self._receive, payload)  # only in a callback of the loop may Python block (JSPI)

    def hear_frames(self, data: bytes) -> None:
        """Take bytes of the shared memory's stream in the worker's own loop."""
        for frame in self._frames.feed(data):
            self.hear(frame.payload)

    def nested_loops(self, wait: Callable[[float | None], bytes], idle: Callable[[], object]) -> NestedLoops:
        """Return the loops in which a cell can block for the link.

        `wait` gives bytes of the shared memory's stream, and none after a while, when `idle` is called; it raises
        KeyboardInterrupt.
        """

        def taken(seconds: float | None) -> list[bytes]:
            if self._stopped:
                self._stopped = False
                raise KeyboardInterrupt
            data = wait(seconds)
            if not data:
                idle()
            return [frame.payload for frame in self._frames.feed(data)]

        waiting: Wait = taken
        self._loops = NestedLoops(waiting, self._hear_blocked)
        return self._loops

    def _hear_blocked(self, payload: bytes) -> None:
        """Take one event while a cell blocks: what is not for the cell's sake waits until it does not."""
        header, name = peek(payload)
        channel = channel_id(header)
        if channel in self._later or ("response_to" not in header and not name.startswith(NESTED)):
            self._later.add(channel)
            self._loop.call_soon(self._receive_late, payload, channel)
        else:
            self._receive(payload)

    def _receive_late(self, payload: bytes, channel: object) -> None:
        self._later.discard(channel)
        self._receive(payload)

    def _receive(self, payload: bytes) -> None:
        self._link.receive(payload)

    # --- the user's own code
    def _handle(self, request: ServerRequest) -> Answer:
        nested = request.name.startswith(NESTED)
        match request.name.removeprefix(NESTED):
            case "run":
                return self._answered(self._run(request, nested), nested)
            case "evaluate":
                return self._answered(self._evaluate(request), nested)
            case "ended":
                return self._ended(*request.args)
        raise Invalid(f"the cells' kernel cannot {request.name}")

    async def _answered(self, work: Coroutine[object, None, Values], nested: bool) -> Values:
        """Await a call and raise only errors that can be sent. What stops a call of a cell's stops the cell too."""
        try:
            return await work
        except EmergeError:
            raise
        except BaseException as error:  # SystemExit and a cancellation too
            if nested and isinstance(error, KeyboardInterrupt):
                self._stop_cell()
            raise ExecutionFailed(describe(error)) from None

    def _stop_cell(self) -> None:
        if self._loops is not None and self._loops.blocked:
            self._stopped = True
        elif self.shell is not None:
            self.shell.stop()

    _loops: NestedLoops | None = None

    async def _run(self, request: ServerRequest, nested: bool) -> Values:
        where, number, *rest = request.args
        call = RunCall(*rest)

        def write(text: str) -> None:
            self._link.item(request.channel, text)

        host = LinkHost(self._link, write, f"{number}.")

        def client() -> Client:
            made = Client(host)
            made.trusted = CONFINED
            return made

        async def open_client() -> Client:
            return client()

        given = {"fs": lambda: SyncClient(open_client, "fs of a run"), "afs": client}
        ended = self._runs[number] = asyncio.Event()
        try:
            await self.consent.ask(call.pointer, call.bundles, HERE, where)
            work = execute(call, None, given, write)
            done = await (work if nested or self.shell is None else self.shell.run_alone(self._marked(work, number)))
        finally:
            del self._runs[number]
            ended.set()
        return [done.result, done.state, done.output, done.milliseconds, done.digest]

    async def _ended(self, number: object) -> None:
        """Return once the page's run of this number does not run, and will not."""
        if (run := self._runs.get(number)) is not None:
            await run.wait()

    async def _marked(self, work: Coroutine[object, None, T], number: int) -> T:
        self._mark(number)
        try:
            return await work
        finally:
            self._mark(0)

    async def _evaluate(self, request: ServerRequest) -> Values:
        where, expression, rows, bundles, seconds, principal, clock = request.args
        pairs = [(pointer, state) for pointer, state in rows]
        about: Told = next((pointer for pointer, _ in pairs if pointer.get("bundle")), {})
        await self.consent.ask(about, bundles, HERE, where)
        taken = Clock(*clock) if clock is not None else None
        found = evaluate_rows(EvaluateCall(expression, pairs, bundles, seconds, principal, taken))
        return [found.values, [[number, text] for number, text in found.errors.items()]]


class LinkedConsent:
    """The consent to run code in the cells' kernel: own code needs none, and the page's kernel asks about the rest."""

    def __init__(self, link: PageLink) -> None:
        self._link = link
        self._known: set[str] = set()

    def know(self, hashes: Iterable[str]) -> None:
        """Allow code that was written or loaded here, and tell the page's kernel of it."""
        fresh = set(hashes) - self._known
        if fresh:
            self._known |= fresh
            self._link.tell("know", [sorted(fresh)])

    async def ask(self, pointer: Told, bundles: dict[str, bytes], place: CodePlace, where: PlaceName) -> None:
        """Return when all these bundles may run. Raises PermissionDenied."""
        unknown = bundles.keys() - self._known
        if not unknown:
            return
        self.know(own_hashes(unknown, bundles.get))
        if unknown - self._known:
            asked = {hash: bundles[hash] for hash in bundles}
            if await self._link.call("ask", [{**pointer}, asked, sorted(unknown - self._known), where]) is not True:
                raise PermissionDenied("you did not let it run here")
            self._known |= unknown


def _no_result(_: object) -> None:
    """Turn what a callback returned into nothing."""
