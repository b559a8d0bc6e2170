"""The cells' kernel, as the page's kernel has it: answers the calls of cells, and runs the user's own code there.

The page's kernel itself runs nobody's code, so that it never waits for any.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import fields
from itertools import count

from ..errors import Invalid, Unavailable
from ..filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ..operations import ROWS, Answer, Transport, Values, Wire, find_operation
from ..wire.duplex import Duplex
from ..wire.event import LARGEST, packed
from ..wire.link import Link
from ..wire.server import ServerRequest
from .console.page_link import NESTED
from .console.prompt import AskInput
from .guests.consent import HERE, Consent
from .guests.link_host import OBJECT_PAGES
from .guests.object_rows import write_page
from .protocol.option import PlaceName

LOG = logging.getLogger("emerge.browser")

REQUESTS = 4096
"""Calls that cells may have under way at once."""
PATIENCE = 0.7
"""Seconds that a cancelled run has to end at an await before it is interrupted, and then after each interrupt: one that
comes while Python collects garbage or imports may be lost."""

OWN_PLACE: PlaceName = "local"
"""Where answers are this kernel's own: what another node says is plain may not be."""

FROM_CELL: ContextVar[bool] = ContextVar("from a cell", default=False)
"""Whether a cell's call is being answered."""


async def _packed(answer: Awaitable[object]) -> object:
    return packed(await answer)


class CellsKernel:
    """One cells' kernel. `post` sends one event to it; `interrupt` stops the run of a number, if that still runs."""

    def __init__(
        self,
        post: Callable[[bytes], None],
        places: Mapping[str, Transport],
        consent: Consent,
        interrupt: Callable[[int], object],
        ask: AskInput,
    ) -> None:
        self._ask_input = ask
        self.busy = False
        self._places = places
        self._consent = consent
        self._interrupt = interrupt
        self._link = Link(Duplex.of_host(requests=REQUESTS, limit=LARGEST), post, self._handle)
        self._hosts: dict[str, Host] = {}
        self._numbers = count(1)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> bool:
        """Whether it takes the user's own code now: it computes nothing, or waits for this kernel in a cell's call."""
        return FROM_CELL.get() or not self.busy

    def hear(self, payload: bytes) -> None:
        """Take one event."""
        try:
            self._link.receive(payload)
        except Invalid as error:
            LOG.error("from the cells' kernel: %s", error.message)

    def lose(self) -> None:
        """End all calls in both directions: the cells' kernel is gone."""
        for task in self._ending:
            task.cancel()
        self._link.lose(Unavailable("the cells' kernel ended", remedy="run it again"))

    # --- calls of cells
    def _handle(self, request: ServerRequest) -> Answer:
        match request.name, request.args:
            case "ask", [dict() as pointer, dict() as bundles, list() as unknown, ("local" | "cluster") as where]:
                return self._ask(pointer, bundles, unknown, where)
            case "input", [int() as cell, str() as prompt, bool() as secret]:
                return self._ask_input(cell, prompt, secret)
            case "know", [list() as hashes]:
                return self._know(hashes)
            case "busy", [bool() as busy]:
                return self._set_busy(busy)
        target, _, name = request.name.partition(".")
        filesystem = self._hosts.get(target) or self._places.get(target)
        if filesystem is None:
            raise Unavailable(f"{request.name}: the run that this filesystem was for is over")
        FROM_CELL.set(True)
        if name == OBJECT_PAGES:
            return self._following(filesystem, request.args, request.context, own=target == OWN_PLACE)
        if find_operation(name).streams:
            return filesystem.stream(name, request.args, request.context)
        answer = filesystem.call(name, request.args, request.context)
        return _packed(answer) if target == OWN_PLACE and name in ROWS else answer

    async def _following(
        self, filesystem: Transport | Host, args: Values, context: Wire | None, *, own: bool
    ) -> AsyncGenerator[object, None]:
        """Yield a page of objects and those that follow. Each is asked for before the one ahead of it is sent."""
        asked = find_operation("objects").bind(args)
        ahead = asyncio.ensure_future(filesystem.call("objects", list(asked), context))
        try:
            while True:
                page = await ahead
                if page["cursor"]:
                    asked = asked._replace(cursor=page["cursor"])
                    ahead = asyncio.ensure_future(filesystem.call("objects", list(asked), context))
                    await asyncio.sleep(0)  # it is begun: the store reads while this page is packed
                yield packed(write_page(page)) if own else page
                if not page["cursor"]:
                    return
        finally:
            if not ahead.cancel() and not ahead.cancelled():
                ahead.exception()  # whoever left did not ask for it

    async def _ask(
        self, pointer: dict[str, object], bundles: dict[str, bytes], unknown: Values, where: PlaceName
    ) -> bool:
        await self._consent.ask(pointer, bundles, HERE, where, unknown)
        return True

    async def _know(self, hashes: Values) -> None:
        self._consent.know(hashes)

    async def _set_busy(self, busy: bool) -> None:
        self.busy = busy

    # --- the user's own code
    async def run(self, call: RunCall, host: Host | None, where: PlaceName) -> RunOutcome:
        """Run a method there. Raises as `Runner.run` does."""
        number = next(self._numbers)
        if host is not None:
            self._hosts[str(number)] = host

        def hear(text: object) -> None:
            if host is not None:
                host.write(str(text))

        args = [where, number, *(getattr(call, field.name) for field in fields(call))]
        try:
            found = await self._link.call(self._named("run"), args, hear)
        except asyncio.CancelledError:
            self._end(number)
            raise
        finally:
            self._hosts.pop(str(number), None)
        return RunOutcome(*found)

    async def evaluate(self, call: EvaluateCall, where: PlaceName) -> EvaluateOutcome:
        rows = [[dict(pointer), state] for pointer, state in call.rows]
        clock = call.clock.wire() if call.clock is not None else None
        args = [where, call.expression, rows, call.bundles, call.timeout, call.principal, clock]
        values, errors = await self._link.call(self._named("evaluate"), args)
        return EvaluateOutcome(values, dict(errors))

    def _named(self, name: str) -> str:
        return f"{NESTED}{name}" if FROM_CELL.get() else name

    def _end(self, number: int) -> None:
        """Interrupt a run that was cancelled until it has ended."""

        async def end() -> None:
            ended = asyncio.ensure_future(self._link.call("ended", [number]))
            ended.add_done_callback(lambda done: done.cancelled() or done.exception())  # that kernel may be gone
            while not (await asyncio.wait([ended], timeout=PATIENCE))[0]:
                self._interrupt(number)

        task = asyncio.ensure_future(end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
