"""Moves between filesystems: the node of the source drives them, and whoever starts its store again finishes them.

The target decides (see `filesystem.handover`). Until it is asked to, an error undoes the move; after that its answer
counts, and is asked for until it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from ..cluster.membership import Register
from ..cluster.roster import is_listed
from ..codec import trees_in
from ..errors import Conflict, EmergeError, NotFound, Unavailable
from ..filesystem.core import Core
from ..filesystem.files.carry import Carrier
from ..filesystem.files.fetch import fetch_block
from ..filesystem.handover import arrival, departure, stage
from ..filesystem.handover.departure import ASKED, CLEARED, COPYING, GIVEN, KEPT, Intent
from ..filesystem.handover.row import rows_of
from ..filesystem.layout.arrival import OPEN, TAKEN
from ..filesystem.layout.locality import fresh_uuid
from ..filesystem.layout.log import newest_position
from ..filesystem.layout.record import Entry
from ..filesystem.lease import Lease, drop_lease
from ..filesystem.tree import owner
from ..filesystem.tree.mount import is_closed
from ..operations import Context, Values, Wire
from ..paths import child_path, join_path
from ..results import PointerRow
from .calls import CALLS
from .forward import read_context, write_context
from .synchrony import Synchrony
from .volumes import INTERNAL, Volumes, check_node

log = logging.getLogger("emerge.node")

SWEEP_SECONDS = 2.0
"""Between looks at what a crash, or a node that is away, has left unfinished."""

BLOCKS_AT_ONCE = 4
"""Blocks of files that are sent in one call."""


class Handovers:
    """The moves that this node's filesystem gives or takes."""

    def __init__(self, volumes: Volumes, synchrony: Synchrony) -> None:
        self._volumes = volumes
        self._undecided = volumes.undecided
        self._synchrony = synchrony
        self._given_at: dict[bytes, int] = {}
        self._active: set[bytes] = set()
        self._leases: dict[bytes, Lease] = {}
        self._tasks: set[asyncio.Task[PointerRow]] = set()
        self._carriers: dict[bytes, Carrier] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self.patience = 3.0
        """Seconds that a caller waits for a decision that may have been made."""
        volumes.steps.update(
            _handover_open=self._open,
            _handover_rows=self._take,
            _handover_blocks=self._keep_blocks,
            _handover_decide=self._decide,
            _handover_end=self._end,
            _handover_forget=self._forget,
            _handover_known=self._known,
            _handover_give=self.give,
            _handover_room=self._room,
            _handover_done=self.sweep,
        )

    def register(self, register: Register) -> None:
        """Let other nodes move things from here, and to here."""
        register("_handover_move", self._on_move)
        for name in ("open", "rows", "blocks", "decide", "end", "forget", "known", "give", "room", "done"):
            register(f"_handover_{name}", self._on_step)

    def start(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_always())

    async def load(self) -> None:
        """Learn what was handed over before the mount table could say so."""
        for filesystem in (self._volumes.filesystem, *self._volumes.hosted.values()):
            for intent in await departure.intents(filesystem.core):
                if intent.mount and intent.state in (GIVEN, CLEARED):
                    self._volumes.given[intent.source] = intent.filesystem, intent.version
                if intent.state == ASKED:
                    self._undecided.note(filesystem.uuid, intent)
            for each in await arrival.arrivals(filesystem.core):
                path, to = join_path(*each.names), (filesystem.uuid, self._volumes.current().version + 1)
                if each.stays and each.state == TAKEN and not self._volumes.is_named(path, *to):
                    self._volumes.taken[path] = to

    async def stop(self) -> None:
        """Stop where it is; what is unfinished is taken up at the next start."""
        tasks = [*self._tasks, *([self._sweeping] if self._sweeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the source
    async def move(
        self, giver: str, source: str, target: str, filesystem: str, context: Context, version: int = 0
    ) -> PointerRow:
        """Move what a filesystem of this node has at a path to one of another filesystem; its pointer there.

        With the `version` of a mount table, by which its path stays and belongs to the other one.

        It goes on when the caller does not.

        Raises:
            Unavailable: the other node is away. With `details["unknown"]`, it went away as it was to decide.
        """
        core = self._core_of(giver)
        if self._volumes.local(filesystem) is None:
            self._volumes.serving(filesystem)
        task = asyncio.get_running_loop().create_task(self._move(core, source, target, filesystem, context, version))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _move(
        self, core: Core, source: str, target: str, filesystem: str, context: Context, version: int
    ) -> PointerRow:
        if not version:  # what was given away with a volume is not missed here, as that has it
            self._volumes.check_given([source])
        async with self.begun(core, context, source, filesystem, target, version) as (intent, top):

            async def prepare(intent: Intent) -> None:
                await self._send(core, intent, top, context)

            async def decide(intent: Intent) -> PointerRow:
                indexes = await departure.definitions_in(core, intent.uuid)
                sent = [[each.directory, list(each.fields), each.unique, each.text] for each in indexes]
                answer = await self._ask(intent, "_handover_decide", [intent.id, sent, write_context(context)])
                return cast(PointerRow, answer)

            return await self.drive(core, intent, prepare, decide)

    @asynccontextmanager
    async def begun(
        self, core: Core, context: Context, source: str, filesystem: str, target: str, version: int = 0
    ) -> AsyncIterator[tuple[Intent, Entry]]:
        """Begin a move, and be the one who drives it before anybody sees that it has begun."""
        id = fresh_uuid()
        self._active.add(id)
        try:
            lease = self._lease(core, id) if core.store.capabilities.many_writers else None
            try:
                begun = await departure.begin(core, context, source, filesystem, target, version, id, lease)
            except NotFound:
                if not version:
                    self._volumes.check_given([source])
                raise
            async with _kept(core, lease):
                yield begun
        finally:
            self._active.discard(id)

    async def drive(
        self,
        core: Core,
        intent: Intent,
        prepare: Callable[[Intent], Awaitable[None]],
        decide: Callable[[Intent], Awaitable[PointerRow]],
    ) -> PointerRow:
        """Carry out what is `begun`: `prepare` can be undone, `decide` asks the other filesystem; its pointer there."""
        try:
            await prepare(intent)
            self._undecided.note(core.uuid, intent)
            intent = await departure.ask(core, intent)
            pointer = await decide(intent)
        except Exception as error:
            pointer = await self._settle(core, intent, error)
        await self._finish_soon(core, intent, pointer)
        return pointer

    async def _send(self, core: Core, intent: Intent, top: Entry, context: Context) -> None:
        """Send all rows."""
        who = write_context(context)
        known = [intent.id, core.uuid, intent.uuid, intent.source, intent.target, bool(intent.mount), who]
        since = [await departure.since(core, intent)] if intent.mount else []
        taker = self.apart(intent.filesystem) or [""]
        await self._volumes.ask(intent.filesystem, "_handover_open", [*known, *taker, *since])
        above = await departure.directory_of(core, intent) if intent.mount else b""
        async for rows in rows_of(core, top, above, intent.source):
            states = [value for space, _, value in rows if space == "states"]
            await self._send_blocks(core, intent, set().union(*map(trees_in, states)))
            await self._ask(intent, "_handover_rows", [intent.id, rows])

    async def _send_blocks(self, core: Core, intent: Intent, roots: set[bytes]) -> None:
        """Send the blocks of the files with these roots that the other filesystem lacks."""
        blocks: list[tuple[bytes, bytes]] = []
        while roots:
            answer = await self._ask(intent, "_handover_blocks", [intent.id, sorted(roots), blocks])
            missing = cast(list[bytes], answer)
            if not missing:
                return
            blocks = [(name, await fetch_block(core, name)) for name in missing[:BLOCKS_AT_ONCE]]

    async def _settle(self, core: Core, intent: Intent, error: Exception) -> PointerRow:
        """Find out what became of a move that failed; undo it and raise the error, unless it was decided."""
        until = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                answer = await self._outcome(intent)
                break
            except EmergeError as late:
                if intent.state == COPYING:  # it cannot have been decided; the other side asks when it is back
                    answer = None
                    break
                if asyncio.get_running_loop().time() > until:
                    raise Unavailable(
                        f"whether {intent.source} was moved is known when the other node says so: {late.message}",
                        path=intent.source,
                        remedy="look where it is when that node is back",
                        unknown=True,
                    ) from error
                await asyncio.sleep(0.1)
        if answer is None:
            if await departure.thaw(core, intent):
                self._undecided.end(core.uuid, intent.id)
                await departure.forget(core, intent)
            elif await departure.current(core, intent) is not None:
                raise Unavailable(
                    f"the move of {intent.source} has gone on meanwhile",
                    path=intent.source,
                    remedy="look where it is",
                    unknown=True,
                ) from error
            raise error
        return cast(PointerRow, answer)

    async def _outcome(self, intent: Intent) -> object:
        """The pointer of what was decided, None for what never will be. A copy in place of the taker has it, or not."""
        table = self._volumes.current()
        if not table.replaced(intent.filesystem, intent.target):
            return await self._ask(intent, "_handover_end", [intent.id])
        owner = table.volume_of(intent.target).filesystem
        found = await self._volumes.ask(owner, "_handover_trail", [intent.uuid, *self.apart(owner)])
        assert isinstance(found, dict)
        return found["pointer"]

    async def _finish_soon(self, core: Core, intent: Intent, pointer: PointerRow) -> None:
        """Finish a move that was decided, whatever the store here refuses meanwhile; else the sweep does it later."""
        until = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                return await self._finish(core, intent, pointer)
            except EmergeError as error:
                if intent.mount:
                    raise
                if asyncio.get_running_loop().time() > until:
                    log.warning("%s was moved; what is left to do here is done later: %s", intent.source, error.message)
                    return
            await asyncio.sleep(0.1)

    async def _finish(self, core: Core, intent: Intent, pointer: PointerRow | None) -> None:
        if intent.mount:
            self._volumes.given[intent.source] = intent.filesystem, intent.version
        if intent.state == ASKED and pointer is not None:
            path = child_path(pointer["path"], pointer["name"])
            with self._volumes.moves.noted(core.uuid, intent.source, path, intent.id):
                intent = await departure.give(core, intent, path, pointer["date"])
            self._undecided.end(core.uuid, intent.id)
        if intent.state == GIVEN:
            await departure.clear(core, intent)
            if not await departure.thaw(core, intent):  # another one has, and goes on
                return
            intent = intent._replace(state=CLEARED)
        if intent.state == CLEARED and await self._waits(core, intent):
            return
        if await self._lags(core, intent):
            if intent.state != KEPT:
                await departure.keep(core, intent)
            return
        try:
            if not self._volumes.current().replaced(intent.filesystem, intent.target):
                await self._ask(intent, "_handover_forget", [intent.id])
        except EmergeError as error:  # it is moved; that the other side forgets it can wait
            log.info("the move of %s is over, and is remembered: %s", intent.source, error.message)
            return
        self._volumes.given.pop(intent.source, None)
        self._given_at.pop(intent.id, None)
        await departure.forget(core, intent)

    async def _lags(self, core: Core, intent: Intent) -> bool:
        """Tell whether a copy may not know that something was moved away, and who promotes it would have to ask."""
        table = self._volumes.current()
        volume = table.volume_of(intent.source)
        if intent.mount:
            return False
        if any(each.filesystem == core.uuid for each in table.copies(volume.path)):
            return True
        if volume.filesystem != core.uuid:
            return False
        at = self._given_at.setdefault(intent.id, await newest_position(core.store))
        return self._synchrony.reached(volume.path) < at

    async def _waits(self, core: Core, intent: Intent) -> bool:
        """Tell whether what was given is still to be named as the other's in the mount table."""
        named = self._volumes.is_named(intent.source, intent.filesystem, intent.version)
        return not named and await departure.is_mounted(core, intent)

    async def _ask(self, intent: Intent, name: str, args: list[object]) -> object:
        """Ask the filesystem that takes it."""
        return await self._volumes.ask(intent.filesystem, name, [*args, *self.apart(intent.filesystem)])

    def apart(self, filesystem: str) -> list[str]:
        """The argument that names a filesystem which is not the own one of the node that serves it."""
        return [filesystem] if filesystem in self._volumes.hosted else self._volumes.apart(filesystem)

    def _core_of(self, filesystem: str) -> Core:
        local = self._volumes.local(filesystem)
        if local is None:
            raise Unavailable("another node serves this filesystem now", remedy="try again", mounted=True)
        return local.core

    def _lease(self, core: Core, id: bytes) -> Lease:
        return Lease(core.store, f"handover/{id.hex()}", self._volumes.cluster.identity.uuid)

    @asynccontextmanager
    async def _driven(self, core: Core, intent: Intent) -> AsyncIterator[None]:
        """Go on with a move that nobody drives: the only process of those over this store.

        Raises:
            Conflict: another one does.
        """
        self._active.add(intent.id)
        try:
            lease = None
            if core.store.capabilities.many_writers:
                lease = self._leases.get(intent.id)  # that counts for how long its holder has been silent
                lease = lease or self._leases.setdefault(intent.id, self._lease(core, intent.id))
                if not await lease.take() and not await self._take_over(core, lease):
                    raise Conflict(f"another node moves {intent.source}")
                self._leases.pop(intent.id, None)
            async with _kept(core, lease):
                yield
        finally:
            self._active.discard(intent.id)

    async def _take_over(self, core: Core, lease: Lease) -> bool:
        """Take a lease at once from a node of this store that is dead."""
        if core is not self._volumes.filesystem.core:
            return False
        held = await lease.read()
        return not await is_listed(core.store, held.holder) and await lease.take(held)

    async def give(self, path: str, filesystem: str, version: int, giver: str = "") -> bool:
        """Hand a volume, or what is to be one, over to another filesystem, unless that was done before.

        Return False where nothing can be there: an earlier attempt has closed the directory; with version 0, where it
        was not done before.
        """
        core = self._core_of(giver)
        handed = [each for each in await departure.intents(core) if each.source == path and each.state != KEPT]
        for intent in handed:
            if intent.filesystem == filesystem and await departure.is_mounted(core, intent):
                return True
        if not version or (not handed and await is_closed(core, path)):
            return False
        await self.move(giver, path, path, filesystem, INTERNAL, version)
        return True

    async def given(self) -> set[str]:
        """The paths that this node's filesystem has given to others, and still has to finish."""
        core = self._core_of("")
        return {each.source for each in await departure.intents(core) if await departure.is_mounted(core, each)}

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
        given, found = dict(self._volumes.given), list[Intent]()
        for filesystem in (self._volumes.filesystem, *self._volumes.hosted.values()):
            found += await self._sweep(filesystem.core)
        known = {intent.id for intent in found}
        self._leases = {id: lease for id, lease in self._leases.items() if id in known}
        over = given.items() - {(each.source, (each.filesystem, each.version)) for each in found}
        for path, _ in over & self._volumes.given.items():  # another process of the store has finished it
            del self._volumes.given[path]

    async def _sweep(self, core: Core) -> list[Intent]:
        """Finish what a filesystem gives or takes; return what it gave when this began."""
        await self._undecided.review(core, self._active)
        await self._volumes.moves.review(core)
        found = await departure.intents(core)
        for intent in found:
            if intent.id in self._active or (intent.state == KEPT and await self._lags(core, intent)):
                continue
            try:
                async with self._driven(core, intent):
                    if (now := await departure.current(core, intent)) is not None:  # others go on with it, too
                        await self._resume(core, now)
            except EmergeError as error:
                log.info("the move of %s waits: %s", intent.source, error.message)
        for each in await arrival.arrivals(core):
            if not each.stays and self._volumes.current().replaced(each.filesystem, each.source):  # see `succession`
                continue
            try:
                asked: list[object] = [[each.id], *self.apart(each.filesystem)]
                known = await self._volumes.ask(each.filesystem, "_handover_known", asked)
            except EmergeError:
                continue
            if not known:
                if await stage.give_up(core, each.id):
                    await stage.end(core, each)
                await self._review_taken()
        return found

    async def _resume(self, core: Core, intent: Intent) -> None:
        pointer = None
        if intent.state == KEPT:
            await self._finish(core, intent, None)
            return
        if intent.state in (COPYING, ASKED):
            try:
                pointer = await self._settle(core, intent, Conflict("it was not decided"))
            except Conflict:
                return
        if await self._waits(core, intent):
            await self._volumes.change("_cluster_mount", intent.source, intent.filesystem, True)
        await self._finish(core, intent, pointer)

    # --- the steps, for other nodes and this one
    async def _on_move(self, name: str, args: Values, context: Context) -> PointerRow:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self.move(call.giver, call.source, call.target, call.filesystem, read_context(call.who))

    async def _on_step(self, name: str, args: Values, context: Context) -> object:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._volumes.steps[name](*call)

    async def _open(
        self,
        id: bytes,
        filesystem: str,
        uuid: bytes,
        source: str,
        target: str,
        stays: bool,
        who: Wire,
        taker: str = "",
        since: str = "",
    ) -> str:
        core, context = self._core_of(taker), read_context(who)
        if not stays:
            self._volumes.check_given([target])
        await self._end_leftovers(core, filesystem)
        return await arrival.open_arrival(core, context, id, filesystem, uuid, source, target, stays=stays, since=since)

    async def _keep_blocks(self, id: bytes, roots: Values, blocks: Values, taker: str = "") -> list[bytes]:
        core = self._core_of(taker)
        await arrival.find_arrival(core, id)
        carrier = self._carriers.setdefault(id, Carrier(core, f"handover {id.hex()}", spreads=True))
        await carrier.keep(dict(blocks))
        return await carrier.missing(roots)

    async def _take(self, id: bytes, rows: Values, taker: str = "") -> None:
        await stage.take(self._core_of(taker), id, rows)

    async def _decide(self, id: bytes, indexes: Values, who: Wire, taker: str = "") -> PointerRow:
        core = self._core_of(taker)
        definitions = [(directory, tuple(fields), *kinds) for directory, fields, *kinds in indexes]
        await arrival.define(core, id, definitions)
        taken = await arrival.find_arrival(core, id)
        if taken.stays and taken.state == OPEN:
            self._volumes.taken[join_path(*taken.names)] = core.uuid, self._volumes.current().version + 1
        with self._volumes.moves.noted(core.uuid, taken.source, join_path(*taken.names), id):
            pointer = await arrival.attach(core, read_context(who), id)
        if taken.stays:
            self._volumes.take_back(join_path(*taken.names))
        for depth in range(len(taken.names) if taken.stays else 0):  # the owners of what is above check who may pass
            await owner.chmod(core, INTERNAL, join_path(*taken.names[:depth]), "a+rx", False)
        return pointer

    async def _end(self, id: bytes, taker: str = "") -> PointerRow | None:
        pointer = await stage.give_up(self._core_of(taker), id)
        await self._end_carrier(id)
        if pointer is None:
            await self._review_taken()
        return pointer

    async def _end_leftovers(self, core: Core, giver: str) -> None:
        """Take away what has arrived of moves that a filesystem does not know any more: the same may come again."""
        for each in await arrival.arrivals(core):
            if each.filesystem != giver or each.state == TAKEN:
                continue
            asked: list[object] = [[each.id], *self.apart(giver)]
            if not await self._volumes.ask(giver, "_handover_known", asked):
                await stage.give_up(core, each.id)

    async def _review_taken(self) -> None:
        """Forget what was to be taken and was given up."""
        taken: set[str] = set()
        for filesystem in (self._volumes.filesystem, *self._volumes.hosted.values()):
            taken |= {join_path(*each.names) for each in await arrival.arrivals(filesystem.core) if each.stays}
        self._volumes.taken = {path: to for path, to in self._volumes.taken.items() if path in taken}

    async def _end_carrier(self, id: bytes) -> None:
        carrier = self._carriers.pop(id, None)
        if carrier is not None:
            await carrier.end()

    async def _forget(self, id: bytes, taker: str = "") -> None:
        core = self._core_of(taker)
        await self._end_carrier(id)
        for each in await arrival.arrivals(core):
            if each.id == id:
                await stage.end(core, each)

    async def _room(self, path: str, taker: str = "") -> bool:
        return await arrival.has_room(self._core_of(taker), path)

    async def _known(self, ids: Values, giver: str = "") -> Values:
        return [each.id for each in await departure.intents(self._core_of(giver)) if each.id in ids]


@asynccontextmanager
async def _kept(core: Core, lease: Lease | None) -> AsyncIterator[None]:
    """Keep the lease of a move that is driven, where the store has more than one process, and remove it at the end."""
    if lease is None:
        yield
        return
    try:
        async with lease.kept():
            yield
    finally:
        with suppress(EmergeError):
            left = await lease.read()
            if not left.holder:  # else somebody goes on with it
                await drop_lease(core.store, left)
