"""What a promoted copy owes for its former owner: the moves to other filesystems that the copy had not got yet.

What the former owner gave is remembered by who took it until all copies of the giver's volume know. So a copy that is
about to own the volume asks everybody what was taken from it, and lets go of that; where a taker is away then, it does
so when it is back. What has become of it at the copy meanwhile is kept as conflicts. So nothing is at two places.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ..cluster.membership import Register
from ..cluster.volume import MountTable
from ..errors import Conflict, EmergeError, NotFound, Unavailable
from ..filesystem.core import Core
from ..filesystem.handover import arrival, departure, stage
from ..filesystem.handover.departure import Intent
from ..filesystem.layout.ancestry import GONE
from ..filesystem.layout.record import VersionRecord
from ..filesystem.tree.directory import walk_tree
from ..filesystem.tree.find import locate
from ..filesystem.tree.links import newest_record
from ..operations import Context, Values, Wire
from ..paths import child_path, join_path
from ..replication.history import Known, are_known, left_to
from ..results import PointerRow
from .calls import CALLS
from .conflict import Conflicts, conflict_path, unknown_to
from .handover import Handovers
from .volumes import INTERNAL, Volumes, check_node

log = logging.getLogger("emerge.node")

SWEEP_SECONDS = 1.0
ASK_SECONDS = 1.0
"""How long a taker is waited for before a promotion; it says later what it took."""

HOPS = 32

UUIDS = 10_000
"""So many are asked for at once."""


class Succession:
    """Finishes what former owners cannot."""

    def __init__(self, volumes: Volumes, handovers: Handovers, conflicts: Conflicts) -> None:
        self._volumes = volumes
        self._handovers = handovers
        self._conflicts = conflicts
        self._sweeping: asyncio.Task[None] | None = None
        volumes.steps.update(
            _handover_taken=self.taken,
            _handover_release=self.release,
            _handover_adopt=self.adopt,
            _handover_trail=self.trail,
            _handover_here=self.here,
            succeed=self.succeed,
        )

    def register(self, register: Register) -> None:
        """Let other nodes ask what was taken, and tell it."""
        for name in ("taken", "release", "adopt", "trail", "here"):
            register(f"_handover_{name}", self._on_call)

    def start(self) -> None:
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    async def _on_call(self, name: str, args: Values, context: Context) -> object:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._volumes.steps[name](*call)

    # --- the copy that is to own a volume
    async def succeed(self, filesystem: str, path: str, owner: str) -> None:
        """Let go, in a copy that is about to own a volume, of what others took from the owner of now."""
        table = self._volumes.current()
        others = dict.fromkeys([*(each.filesystem for each in table.members), *(v.filesystem for v in table.volumes)])
        asked = [each for each in others if each not in (owner, filesystem)]
        core = self._core(filesystem)
        found = await asyncio.gather(*(self._ask_taken(each, owner, path) for each in asked))
        promoted = [each for each in asked if table.replica(each) is not None]
        found += await asyncio.gather(*(self._ask_double(each, core, path) for each in promoted))
        for row in (row for rows in found for row in rows):
            try:
                await self._release(core, *row, strict=True)
            except (EmergeError, TimeoutError) as error:
                log.warning("what was moved from %s is settled later: %s", row[2], error)

    async def _ask_double(self, filesystem: str, core: Core, path: str) -> Values:
        """What is in a volume and at another promoted copy, too: who took it is as lost as who gave it."""
        found: list[object] = []
        try:
            paths = {e.uuid: child_path(directory, e.name) async for e, directory in walk_tree(core, INTERNAL, path)}
            all = list(paths)
            for first in range(0, len(all), UUIDS):
                async with asyncio.timeout(ASK_SECONDS):
                    sent: list[object] = [all[first : first + UUIDS], *self._handovers.apart(filesystem)]
                    here = await self._volumes.ask(filesystem, "_handover_here", sent)
                assert isinstance(here, list)
                found += [[b"", uuid, paths[uuid], filesystem, there] for uuid, there in here]
        except (EmergeError, TimeoutError) as error:
            log.info("what is in %s, and elsewhere too, is not known: %s", path, error)
        return sorted(found, key=lambda row: str(row[2]).count("/"))

    async def here(self, uuids: Values, filesystem: str = "") -> Values:
        """Those of these that are here, and where."""
        core, found = self._core(filesystem), []
        for uuid in uuids:
            with suppress(NotFound):
                found.append([uuid, join_path(*await locate(core, uuid))])
        return found

    async def _ask_taken(self, filesystem: str, owner: str, path: str) -> Values:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = await self._volumes.ask(filesystem, "_handover_taken", [owner, path])
        except (EmergeError, TimeoutError) as error:
            log.info("what was taken from %s is settled later: %s", path, error)
            return []
        assert isinstance(found, list)
        return found

    # --- who took something
    async def taken(self, giver: str, path: str) -> Values:
        """What the filesystems of this node took from below a path, and is not forgotten; the rest is given up."""
        inside = path.rstrip("/") + "/"
        found: list[object] = []
        for filesystem in (self._volumes.filesystem, *self._volumes.hosted.values()):
            core = filesystem.core
            for each in await arrival.arrivals(core):
                if each.filesystem == giver and each.source.startswith(inside) and not each.stays:
                    if await stage.give_up(core, each.id) is not None:
                        target = join_path(*each.names)
                        found.append([each.id, each.uuid, each.source, core.uuid, target])
        return found

    async def _sweep(self) -> None:
        """Settle what was taken from those who own it no more, again and again."""
        said = ""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            table = self._volumes.table
            if table is None or not table.former:
                continue
            for filesystem in (self._volumes.filesystem, *self._volumes.hosted.values()):
                try:
                    await self._settle(table, filesystem.core)
                except (EmergeError, TimeoutError) as error:
                    if said != str(error):
                        said = str(error)
                        log.info("what was taken from a former owner is not settled yet: %s", error)
                except Exception:
                    log.exception("what was taken from a former owner is not settled")

    async def _settle(self, table: MountTable, core: Core) -> None:
        for each in await arrival.arrivals(core):
            if each.stays or not table.replaced(each.filesystem, each.source):
                continue
            if await stage.give_up(core, each.id) is None:
                continue
            target, owner = join_path(*each.names), table.volume_of(each.source).filesystem
            id, taker = each.id, core.uuid
            if table.replaced(core.uuid, target):  # what was taken here is there for whoever took its place, or is not
                id, taker = b"", table.volume_of(target).filesystem
                found = await self._volumes.ask(taker, "_handover_trail", [each.uuid, *self._handovers.apart(taker)])
                if not isinstance(found, dict) or found["pointer"] is None:
                    await stage.end(core, each)
                    continue
            sent: list[object] = [id, each.uuid, each.source, taker, target]
            await self._volumes.ask(owner, "_handover_release", [*sent, *self._handovers.apart(owner)])
            if not id:
                await stage.end(core, each)

    async def adopt(
        self, id: bytes, new: bytes, filesystem: str, uuid: bytes, source: str, taker: str = ""
    ) -> PointerRow:
        """Know another filesystem as who gave something."""
        return await arrival.adopt(self._core(taker), id, new, filesystem, uuid, source)

    async def trail(self, uuid: bytes, filesystem: str = "") -> Wire:
        """What is here with a uuid, or where it went."""
        core = self._core(filesystem)
        record = await newest_record(core, uuid)
        if record is None or record.operation in GONE:
            return {"pointer": None, "left": await left_to(core, uuid)}
        return {"pointer": record.entry.wire(record.directory, core.node), "left": ""}

    # --- the owner
    async def release(self, id: bytes, uuid: bytes, source: str, filesystem: str, target: str, giver: str = "") -> None:
        """Let go of what another filesystem has."""
        await self._release(self._core(giver), id, uuid, source, filesystem, target)

    async def _release(
        self, core: Core, id: bytes, uuid: bytes, source: str, filesystem: str, target: str, *, strict: bool = False
    ) -> None:
        """Let go of it, unless it came back. `strict`: only of what is the other's in all its states."""
        apart = self._handovers.apart(filesystem)
        if await self._came_back(core, uuid, source, filesystem):
            await self._volumes.ask(filesystem, "_handover_forget", [id, *apart])
            return
        if newer := await self._newer(core, uuid, filesystem):
            sent: list[object] = [b"", uuid, target, core.uuid, newer]
            await self._volumes.ask(filesystem, "_handover_release", [*sent, *apart])
            await self._volumes.ask(filesystem, "_handover_forget", [id, *apart])
            return
        try:
            path = join_path(*await locate(core, uuid))
        except NotFound:  # it has gone from here; who copies this may not know
            if not id:
                return
            intent = await departure.note_given(core, uuid, source, filesystem, target)
            await self._adopt(core, intent, id, source)
            return

        async def prepare(intent: Intent) -> None:
            await self._keep(core, intent, strict=strict)

        async def decide(intent: Intent) -> PointerRow:
            return await self._adopt(core, intent, id, source)

        async with self._handovers.begun(core, INTERNAL, path, filesystem, target) as (intent, _):
            await self._handovers.drive(core, intent, prepare, decide)
        log.warning("%s is at %s: it was moved there before a copy of what it was in was promoted", path, target)

    async def _adopt(self, core: Core, intent: Intent, id: bytes, source: str) -> PointerRow:
        sent: list[object] = [id, intent.id, core.uuid, intent.uuid, source]
        apart = self._handovers.apart(intent.filesystem)
        pointer = await self._volumes.ask(intent.filesystem, "_handover_adopt", [*sent, *apart])
        return pointer  # type: ignore[return-value]  # the answer to what was asked

    async def _came_back(self, core: Core, uuid: bytes, source: str, filesystem: str) -> bool:
        """Tell whether what was taken went on, and came to the volume that it was taken from."""
        table, seen = self._volumes.current(), set[str]()
        volume = table.volume_of(source)
        while filesystem not in seen and len(seen) < HOPS:
            seen.add(filesystem)
            found = await self._volumes.ask(filesystem, "_handover_trail", [uuid, *self._handovers.apart(filesystem)])
            assert isinstance(found, dict)
            if not found["left"]:
                return False
            there = table.volume_of(found["left"])
            if there == volume:
                return True
            filesystem = there.filesystem
        return False

    async def _newer(self, core: Core, uuid: bytes, filesystem: str) -> str:
        """The path at which something is here, if that goes on from what another filesystem has; else ""."""
        found = await self._volumes.ask(filesystem, "_handover_trail", [uuid, *self._handovers.apart(filesystem)])
        record = await newest_record(core, uuid)
        assert isinstance(found, dict)
        there = found["pointer"]
        if there is None or record is None or record.operation in GONE or record.entry.revision == there["revision"]:
            return ""
        (known,) = await are_known(core, [Known(uuid, there["version"], there["revision"])])
        return child_path(record.directory, record.entry.name) if known else ""

    async def _keep(self, core: Core, intent: Intent, *, strict: bool) -> None:
        """Keep, as conflicts, the states that the other filesystem has not got."""
        found: list[VersionRecord] = []
        top = await newest_record(core, intent.uuid)
        assert top is not None
        path = join_path(*await locate(core, intent.uuid))
        entries = [entry async for entry, _ in walk_tree(core, INTERNAL, path)] if top.entry.is_directory else []
        for uuid in (intent.uuid, *(entry.uuid for entry in entries)):
            record = await newest_record(core, uuid)
            if record is not None and not record.entry.is_directory:
                found.append(record)
        alone = await unknown_to(self._volumes, intent.filesystem, core, found, states=True)
        if alone and strict:
            raise Conflict(f"{path} has more here than at {intent.target}")
        table = self._volumes.current()
        volume = table.volume_of(path)
        before = [each.filesystem for each in table.former if (each.path, each.epoch) == (volume.path, volume.epoch)]
        where = conflict_path(table, (before or [volume.filesystem])[0], volume.epoch)
        await self._conflicts.keep(core, where, volume.path, alone)

    def _core(self, filesystem: str) -> Core:
        local = self._volumes.local(filesystem)
        if local is None:
            raise Unavailable("another node serves this filesystem now", remedy="try again", mounted=True)
        return local.core
