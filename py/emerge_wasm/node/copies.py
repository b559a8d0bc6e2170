"""The copies of volumes that this node hosts: each a filesystem of its own, in this process, kept up to date.

Nothing of them is in the node's own filesystem. One that is promoted goes on as an ordinary owner, hosted here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import quote
from uuid import uuid4

from ..cluster.membership import Register
from ..cluster.roster import host_id
from ..cluster.volume import MountTable, Replica
from ..errors import EmergeError, Invalid, NotFound, Unavailable
from ..filesystem import Filesystem
from ..filesystem.core import Core
from ..filesystem.execution import EXECUTION
from ..filesystem.layout.ancestry import LEFT
from ..filesystem.layout.log import newest_position
from ..filesystem.layout.moment import utc_now
from ..operations import Context, Values, Wire
from ..replication.applied import Diverged
from ..replication.definitions import adjust_definitions, make_unique
from ..replication.digest import digest
from ..replication.follower import Follower
from ..replication.history import Known, are_known, newest_records
from ..replication.leader import read_page, read_parts
from ..stores import open_store
from .calls import CALLS
from .conflict import unknown_to
from .former import close_others
from .synchrony import Synchrony
from .volumes import Volumes, check_node

log = logging.getLogger("emerge.node")

WAIT_SECONDS = 2.0
"""How long the owner of a volume keeps the question what is new, when nothing is."""

RETRY_SECONDS = 0.5
LOOK_SECONDS = 1.0
"""Between looks whether the files of copies are still there."""

SUFFIX = ".copy.db"


@dataclass(slots=True)
class HostedCopy:
    """A filesystem that was made as a copy, and the task that keeps it up to date while it is one."""

    filesystem: Filesystem
    follower: Follower
    file: Path | None
    lock: asyncio.Lock
    inode: int = 0
    same: float = 0.0
    """When it was last the same as its owner, by this process's clock; 0: never since it was opened."""
    ended: bool = True
    """Whether taking an answer ended before its end: what is stored tells then where to go on."""
    task: asyncio.Task[None] | None = None

    def has_file(self) -> bool:
        """Tell whether its file is where it was made: a process may go on with one that was deleted."""
        try:
            return self.file is None or os.stat(self.file).st_ino == self.inode
        except OSError:  # the folder is gone, or the disk
            return False


class Copies:
    """Hosts copies in files of a folder; without one, in memory. `host` names the machine, in place of itself."""

    def __init__(self, volumes: Volumes, folder: Path | None = None, host: str = "") -> None:
        self._volumes = volumes
        self._folder = None if folder is None else folder / volumes.own  # nodes may have a folder in common
        self._host = host or host_id()
        self._copies: dict[str, HostedCopy] = {}
        self._opened = False
        self.synchrony = Synchrony(volumes)
        self._replacing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        volumes.on_table.append(self._review)
        volumes.steps.update(
            _cluster_about=self.about,
            _cluster_host=self.host,
            _cluster_unhost=self.unhost,
            _cluster_state=self.state,
            _cluster_reach=self.reach,
            _cluster_lead=self.lead,
            _cluster_log=self.answer,
            _cluster_known=self.known,
        )

    def register(self, register: Register) -> None:
        """Let other nodes have copies hosted here, and follow what this one owns."""
        for name in ("about", "host", "unhost", "state", "reach", "lead", "log", "known"):
            register(f"_cluster_{name}", self._on_call)

    async def start(self) -> None:
        """Open the copies that are here from before."""
        for file in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder is not None else ():
            try:
                await self._open(file, "")
            except (EmergeError, OSError) as error:
                log.error("%s is no copy that can be read; it is left as it is: %s", file, error)
        self._opened = True
        if self._volumes.table is not None:
            self._review(self._volumes.table)
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """Close them."""
        for task in (self._replacing, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for uuid in list(self._copies):
            await self._close(uuid)

    def follower(self, filesystem: str) -> Follower | None:
        """The follower of a copy, while it is one."""
        copy, table = self._copies.get(filesystem), self._volumes.table
        owns = copy is not None and table is not None and self._owner(table, copy) == filesystem
        return None if copy is None or owns else copy.follower

    def as_of(self, filesystem: str) -> str | None:
        """A moment at which a copy was what its owner had, None for what is no copy (any more)."""
        follower = self.follower(filesystem)
        return None if follower is None else follower.as_of

    async def fresh(self, filesystem: str, since: float) -> bool:
        """Tell whether a copy was the same as its owner at a later moment than this; if not, let it ask once."""
        copy = self._copies.get(filesystem)
        if copy is None or self.follower(filesystem) is None:
            return False
        if copy.same <= since:
            with suppress(EmergeError, TimeoutError):
                await self._pull(copy, 0.0)
        return copy.same > since

    # --- what nodes ask
    async def _on_call(self, name: str, args: Values, context: Context) -> object:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self._volumes.steps[name](*call)

    async def about(self) -> Wire:
        """The machine, and whether copies may be here: of several nodes on one store, nobody could tell where."""
        exclusive = not self._volumes.filesystem.core.store.capabilities.many_writers
        return {"host": self._host, "copies": exclusive, "blocks": self._volumes.takes_blocks()}

    async def host(self, path: str) -> str:
        """Make an empty filesystem for a copy of a volume.

        Raises:
            Unavailable: there is no room for it.
        """
        file = None if self._folder is None else self._folder / f"{uuid4().hex}{SUFFIX}"
        try:
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"node {self._volumes.filesystem.node} has no room for a copy: {error}") from error
        return (await self._open(file, path)).filesystem.uuid

    async def unhost(self, filesystem: str) -> None:
        """Remove a copy, unless it owns its volume."""
        copy, table = self._copies.get(filesystem), self._volumes.table
        if copy is None:
            return
        if table is not None and self._owner(table, copy) == filesystem:
            raise Invalid(f"{copy.follower.progress.path} is owned by {filesystem[:8]}", remedy="promote another first")
        await self._close(filesystem)
        if copy.file is not None:
            for file in copy.file.parent.glob(copy.file.name + "*"):
                if file.is_dir():  # the blocks of its files
                    await asyncio.to_thread(shutil.rmtree, file, ignore_errors=True)
                else:
                    file.unlink(missing_ok=True)

    async def state(self, filesystem: str, path: str) -> Wire:
        """How far a filesystem is, and what it has of a volume."""
        core = self._core(filesystem)
        count, found = await digest(core, path)
        follower = self.follower(filesystem)
        newest = await newest_position(core.store)
        if follower is None:
            lost = filesystem in self._volumes.lost
            own: Wire = {"position": newest, "newest": newest, "as_of": utc_now(), "count": count, "digest": found}
            return {**own, "lost": lost, "followers": self.synchrony.followers()}
        now = follower.progress
        return {
            "position": now.position,
            "newest": now.newest,
            "as_of": follower.as_of,
            "count": count,
            "digest": found,
        }

    async def reach(self, filesystem: str, pull: bool = True) -> Wire:
        """Let a copy reach what its owner has now, as far as the owner is here; without `pull`, say how far it is.

        `all`: it has all that the owner had.
        """
        copy = self._find(filesystem)
        all = False
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while pull and await self._pull(copy, 0.0):
                    pass
            all = pull
        except (EmergeError, TimeoutError) as error:
            log.info("a copy of %s does not reach its owner: %s", copy.follower.progress.path, error)
        return {"position": copy.follower.progress.position, "leader": copy.follower.progress.leader, "all": all}

    async def lead(self, filesystem: str) -> Wire:
        """Make an owner of a copy: it follows no more, closes what others own in it, and its unique indexes are so."""
        copy = self._find(filesystem)
        if copy.task is not None:
            copy.task.cancel()
            copy.task = None
        async with copy.lock:  # a page that is being applied is finished first
            await copy.follower.renew()
            now = copy.follower.progress
            if not now.leader:
                raise Unavailable(f"the copy of {now.path} on {self._volumes.filesystem.node} has nothing yet")
            if now.position == now.newest:  # it may have ended before it did this
                await adjust_definitions(copy.filesystem.core, now.indexes)
            await make_unique(copy.filesystem.core, now.indexes)
            table = self._volumes.current()
            await close_others(copy.filesystem, table, now.path)
            if (owner := self._owner(table, copy)) != filesystem:
                await self._volumes.steps["succeed"](filesystem, now.path, owner)
            return {"position": now.position, "leader": now.leader}

    async def answer(self, filesystem: str, request: Wire, wait: float = 0.0, follower: str = "") -> Wire:
        """Answer a follower."""
        core = self._core(filesystem)
        if "path" in request:
            self.synchrony.note(follower, request["position"] if request.get("leader") == filesystem else 0)
        else:
            return dict(await read_parts(core, request))  # type: ignore[arg-type]  # both are read as they come
        changed = core.changed
        undecided = self._volumes.undecided.has(filesystem or self._volumes.own)
        page = await read_page(core, request)  # type: ignore[arg-type]
        if wait and page["position"] == request["position"] == page["newest"]:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait, core.poll or wait)):
                    await changed.wait()
            undecided = self._volumes.undecided.has(filesystem or self._volumes.own)
            page = await read_page(core, request)  # type: ignore[arg-type]
        return {**page, "undecided": True} if undecided else dict(page)

    async def known(self, filesystem: str, versions: Values) -> list[bool | str]:
        """Tell which versions a filesystem has, or had."""
        return await are_known(self._core(filesystem), [Known(*each) for each in versions])

    # --- keeping up
    def _review(self, table: MountTable) -> None:
        """Follow what is to be followed by a new table, and nothing else."""
        for uuid, copy in self._copies.items():
            follows = any(each.filesystem == uuid for each in table.copies(copy.follower.progress.path))
            if follows and (copy.task is None or copy.task.done()):
                copy.task = asyncio.get_running_loop().create_task(self._keep(copy))
            elif not follows and copy.task is not None:
                copy.task.cancel()
                copy.task = None

        if self._lost() and (self._replacing is None or self._replacing.done()):
            self._replacing = asyncio.get_running_loop().create_task(self._replace())

    async def _look(self) -> None:
        """Notice that the file of a copy is gone: another one is made. One that is an owner changes nothing more."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for uuid, copy in list(self._copies.items()):
                if copy.has_file() or self._copies.get(uuid) is not copy or uuid in self._volumes.lost:
                    continue
                log.error("%s, a copy of %s, is gone", copy.file, copy.follower.progress.path)
                if self.follower(uuid) is None:
                    self._volumes.lost.add(uuid)
                else:
                    await self._close(uuid)
            if self._volumes.table is not None:
                self._review(self._volumes.table)

    def _lost(self) -> list[Replica]:
        """The copies that this node is to have and has not: their files are gone, or were in its memory."""
        table = self._volumes.table
        if table is None or not self._opened:
            return []
        mine = [each for each in table.replicas if each.host == self._volumes.own]
        return [each for each in mine if each.filesystem not in self._copies and each in table.copies(each.path)]

    async def _replace(self) -> None:
        """Have others made in place of copies that are lost."""
        while lost := self._lost():
            await asyncio.sleep(RETRY_SECONDS)
            path, table = lost[0].path, self._volumes.current()
            try:
                await self._volumes.change("_cluster_replicate", path, table.wants(path))
            except (EmergeError, TimeoutError) as error:
                log.info("the copy of %s that this node has lost is not replaced yet: %s", path, error)

    async def _keep(self, copy: HostedCopy) -> None:
        said = ""
        while True:
            try:
                await self._pull(copy, WAIT_SECONDS)
                said = ""
            except Diverged as error:
                await self._retire(copy, str(error))
            except (EmergeError, TimeoutError) as error:
                if said != str(error):  # once, not at every attempt
                    said = str(error)
                    log.warning("a copy of %s is not kept up to date now: %s", copy.follower.progress.path, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _retire(self, copy: HostedCopy, why: str) -> None:
        """Have a copy that has more than its owner taken out of the copies: it is a former one then, see `former`."""
        path = copy.follower.progress.path
        log.error("a copy of %s has more than its owner, and is made anew: %s", path, why)
        try:
            await self._volumes.change("_cluster_retire", path, copy.filesystem.uuid)
        except (EmergeError, TimeoutError) as error:
            log.info("a copy of %s is not made anew yet: %s", path, error)
        await asyncio.sleep(RETRY_SECONDS)

    async def _check_ahead(self, copy: HostedCopy, owner: str) -> None:
        """Check that a copy that followed another owner has nothing that the present one has not.

        Raises:
            Diverged: it has.
        """
        now, table = copy.follower.progress, self._volumes.current()
        last = next((each for each in reversed(table.former) if each.path == now.path and each.position), None)
        if last is not None and (last.filesystem, last.epoch) == (now.leader, table.volume_of(now.path).epoch):
            if (now.position, bool(now.after)) <= (last.position, False):
                return
        core = copy.filesystem.core
        async for records in newest_records(core):
            found = [each for each in records if each.operation != LEFT]
            for record in await unknown_to(self._volumes, owner, core, found):
                raise Diverged(f"{record.entry.name} is at version {record.entry.version}")

    async def _pull(self, copy: HostedCopy, wait: float) -> bool:
        """Ask the owner once; tell whether there is more to ask for."""
        table = self._volumes.current()
        owner = self._owner(table, copy)
        async with copy.lock:
            if copy.ended:
                await copy.follower.renew()
                copy.ended = False
            asked, since = utc_now(), monotonic()
            request = copy.follower.request()
        if owner == copy.filesystem.uuid:
            return False
        async with asyncio.timeout(30.0):
            answer = await self._volumes.ask(owner, "_cluster_log", [owner, request, wait, copy.filesystem.uuid])
        async with copy.lock:
            if request != copy.follower.request():  # another one asked meanwhile
                return True
            if self._owner(self._volumes.current(), copy) != owner:
                copy.follower.forget()
                return True
            copy.ended = True  # unless it comes to its end, in whichever task
            if copy.follower.changes_leader(owner):
                await self._check_ahead(copy, owner)
            more = await copy.follower.take(answer, asked)  # type: ignore[arg-type]
            copy.ended = False
            if copy.follower.as_of == asked:
                copy.same = since
            return more

    def _owner(self, table: MountTable, copy: HostedCopy) -> str:
        return table.volume_of(copy.follower.progress.path).filesystem

    # --- opening
    async def _open(self, file: Path | None, path: str) -> HostedCopy:
        own = self._volumes.filesystem
        store = await open_store("memory:" if file is None else f"sqlite:///{quote(str(file))}")
        if (
            cipher := own.core.blocks.cipher
        ) is not None:  # what is encrypted by its owner is here, too, as far as it can be
            store.block_cipher = cipher  # type: ignore[attr-defined]
        url = "memory:" if file is None else f"sqlite:///{file.name}"
        try:
            filesystem = await Filesystem.open(store, node=own.node, url=url, scrub=own.scrubber.schedule)
        except BaseException:
            await store.close()
            raise
        filesystem.core.dispatch = own.core.dispatch  # so running methods see the whole cluster
        filesystem.core.is_superuser_elsewhere = own.core.is_superuser
        EXECUTION.set(filesystem.core, EXECUTION.of(own.core))
        try:
            follower = await Follower.open(filesystem.core, path)
        except EmergeError:
            await filesystem.close()
            raise
        copy = HostedCopy(filesystem, follower, file, asyncio.Lock(), 0 if file is None else os.stat(file).st_ino)
        self._copies[filesystem.uuid] = copy
        self._volumes.hosted[filesystem.uuid] = filesystem
        self._volumes.on_host(filesystem)
        if self._volumes.table is not None:
            self._review(self._volumes.table)
        return copy

    async def _close(self, filesystem: str) -> None:
        copy = self._copies.pop(filesystem)
        self._volumes.hosted.pop(filesystem, None)
        if copy.task is not None:
            copy.task.cancel()
            await asyncio.wait([copy.task])
        await copy.filesystem.close()

    def _find(self, filesystem: str) -> HostedCopy:
        copy = self._copies.get(filesystem)
        if copy is None:
            raise NotFound(f"node {self._volumes.filesystem.node} hosts no copy {filesystem[:8]}")
        return copy

    def _core(self, filesystem: str) -> Core:
        local = self._volumes.local(filesystem)
        if local is None:
            raise NotFound(f"node {self._volumes.filesystem.node} does not serve the filesystem {filesystem[:8]}")
        return local.core
