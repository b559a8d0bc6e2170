"""Moves between filesystems: the node of the source drives them, and whoever starts its store again finishes them.

The target decides (see `filesystem.handover`). Until it is asked to, an error undoes the move; after that its answer
counts, and is asked for until it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from ..cluster.membership import Register
from ..errors import Conflict, EmergeError, Invalid, Unavailable
from ..filesystem.handover import arrival, departure, stage
from ..filesystem.handover.departure import ASKED, COPYING, GIVEN, Intent
from ..filesystem.handover.row import rows_of
from ..filesystem.layout.record import Entry
from ..filesystem.lease import Lease
from ..operations import Context, Values, Wire
from ..paths import child_path
from ..results import PointerRow
from .calls import CALLS
from .forward import read_context, write_context
from .volumes import Volumes, check_node

log = logging.getLogger("emerge.node")

SWEEP_SECONDS = 2.0
"""Between looks at what a crash, or a node that is away, has left unfinished."""


class Handovers:
    """The moves that this node's filesystem gives or takes."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._core = volumes.filesystem.core
        self._active: set[bytes] = set()
        self._tasks: set[asyncio.Task[PointerRow]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self.patience = 3.0
        """Seconds that a caller waits for a decision that may have been made."""
        volumes.steps.update(
            _handover_open=self._open,
            _handover_rows=self._take,
            _handover_decide=self._decide,
            _handover_end=self._end,
            _handover_forget=self._forget,
            _handover_known=self._known,
        )

    def register(self, register: Register) -> None:
        """Let other nodes move things from here, and to here."""
        register("_handover_move", self._on_move)
        for name in ("open", "rows", "decide", "end", "forget", "known"):
            register(f"_handover_{name}", self._on_step)

    def start(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_always())

    async def stop(self) -> None:
        """Stop where it is; what is unfinished is taken up at the next start."""
        tasks = [*self._tasks, *([self._sweeping] if self._sweeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the source
    async def move(
        self, source: str, target: str, filesystem: str, context: Context, *, stays: bool = False
    ) -> PointerRow:
        """Move what is at a path to one of another filesystem; its pointer there. It goes on when the caller does not.

        Raises:
            Unavailable: the other node is away. With `details["unknown"]`, it went away as it was to decide.
        """
        self._check_own(source, filesystem)
        self._volumes.serving(filesystem)
        task = asyncio.get_running_loop().create_task(self._move(source, target, filesystem, context, stays))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _check_own(self, source: str, filesystem: str) -> None:
        table = self._volumes.table
        if table is None:
            return
        for each in (table.volume_of(source).filesystem, filesystem):
            if table.replica(each) is not None:
                raise Invalid(
                    f"{source} cannot be moved: one of both volumes is a copy that was promoted, on {table.name(each)}",
                    path=source,
                    remedy="copy it (cp -r), and remove it where it is",
                )

    async def _move(self, source: str, target: str, filesystem: str, context: Context, stays: bool) -> PointerRow:
        intent, top = await departure.begin(self._core, context, source, filesystem, target, stays=stays)
        async with self._driven(intent):
            try:
                intent = await self._send(intent, top, context)
                indexes = await departure.definitions_in(self._core, intent.uuid)
                sent = [[each.directory, list(each.fields), each.unique, each.text] for each in indexes]
                answer = await self._ask(intent, "_handover_decide", [intent.id, sent, write_context(context)])
                pointer = cast(PointerRow, answer)
            except Exception as error:
                pointer = await self._settle(intent, error)
            await self._finish(intent, pointer)
        return pointer

    async def _send(self, intent: Intent, top: Entry, context: Context) -> Intent:
        """Send all rows; return the intent with which the other filesystem is asked."""
        who = write_context(context)
        known = [intent.id, self._volumes.own, intent.uuid, intent.source, intent.target, bool(intent.mount), who]
        await self._ask(intent, "_handover_open", known)
        above = await departure.directory_of(self._core, intent) if intent.mount else b""
        async for rows in rows_of(self._core, top, above):
            await self._ask(intent, "_handover_rows", [intent.id, rows])
        return await departure.ask(self._core, intent)

    async def _settle(self, intent: Intent, error: Exception) -> PointerRow:
        """Find out what became of a move that failed; undo it and raise the error, unless it was decided."""
        until = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                answer = await self._ask(intent, "_handover_end", [intent.id])
                break
            except EmergeError as late:
                if intent.state == COPYING:  # it cannot have been decided; the other side asks when it is back
                    answer = None
                    break
                if asyncio.get_running_loop().time() > until:
                    raise Unavailable(
                        f"whether {intent.source} was moved is known when {late.message}",
                        path=intent.source,
                        remedy="look where it is when that node is back",
                        unknown=True,
                    ) from error
                await asyncio.sleep(0.1)
        if answer is None:
            await departure.thaw(self._core, intent)
            await departure.forget(self._core, intent)
            raise error
        return cast(PointerRow, answer)

    async def _finish(self, intent: Intent, pointer: PointerRow) -> None:
        if intent.state == ASKED:
            path = child_path(pointer["path"], pointer["name"])
            intent = await departure.give(self._core, intent, path, pointer["date"])
        await departure.clear(self._core, intent)
        await departure.thaw(self._core, intent)
        await self._ask(intent, "_handover_forget", [intent.id])
        await departure.forget(self._core, intent)

    async def _ask(self, intent: Intent, name: str, args: list[object]) -> object:
        return await self._volumes.ask(intent.filesystem, name, args)

    @asynccontextmanager
    async def _driven(self, intent: Intent) -> AsyncIterator[None]:
        """Be the one who drives a move: the only process of those over this store.

        Raises:
            Conflict: another one is.
        """
        self._active.add(intent.id)
        try:
            if not self._core.store.capabilities.many_writers:
                yield
                return
            lease = Lease(self._core.store, f"handover/{intent.id.hex()}", self._volumes.cluster.identity.uuid)
            if not await lease.take():
                raise Conflict(f"another node moves {intent.source}")
            async with lease.kept():
                yield
        finally:
            self._active.discard(intent.id)

    # --- what was left unfinished
    async def _sweep_always(self) -> None:
        while True:
            try:
                await self.sweep()
            except EmergeError as error:
                log.warning("unfinished moves wait: %s", error.message)
            except Exception:
                log.exception("unfinished moves wait")
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Finish or undo what nobody drives any more."""
        for intent in await departure.intents(self._core):
            if intent.id in self._active:
                continue
            try:
                async with self._driven(intent):
                    await self._resume(intent)
            except EmergeError as error:
                log.info("the move of %s waits: %s", intent.source, error.message)
        for each in await arrival.arrivals(self._core):
            try:
                known = await self._volumes.ask(each.filesystem, "_handover_known", [[each.id]])
            except EmergeError:
                continue
            if not known and await stage.give_up(self._core, each.id):
                await stage.end(self._core, each)

    async def _resume(self, intent: Intent) -> None:
        pointer = None
        if intent.state != GIVEN:
            try:
                pointer = await self._settle(intent, Conflict("it was not decided"))
            except Conflict:
                return
        if intent.state == GIVEN or pointer is not None:
            await self._finish(intent, cast(PointerRow, pointer))

    # --- the steps, for other nodes and this one
    async def _on_move(self, name: str, args: Values, context: Context) -> PointerRow:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self.move(call.source, call.target, call.filesystem, read_context(call.who))

    async def _on_step(self, name: str, args: Values, context: Context) -> object:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._volumes.steps[name](*call)

    async def _open(
        self, id: bytes, filesystem: str, uuid: bytes, source: str, target: str, stays: bool, who: Wire
    ) -> str:
        context = read_context(who)
        return await arrival.open_arrival(self._core, context, id, filesystem, uuid, source, target, stays=stays)

    async def _take(self, id: bytes, rows: Values) -> None:
        await stage.take(self._core, id, rows)

    async def _decide(self, id: bytes, indexes: Values, who: Wire) -> PointerRow:
        await arrival.define(
            self._core, id, [(at, tuple(fields), unique, text) for at, fields, unique, text in indexes]
        )
        return await arrival.attach(self._core, read_context(who), id)

    async def _end(self, id: bytes) -> PointerRow | None:
        return await stage.give_up(self._core, id)

    async def _forget(self, id: bytes) -> None:
        for each in await arrival.arrivals(self._core):
            if each.id == id:
                await stage.end(self._core, each)

    async def _known(self, ids: Values) -> Values:
        return [each.id for each in await departure.intents(self._core) if each.id in ids]
