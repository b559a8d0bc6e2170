"""Build indexes over existing objects, and remove the rows of dropped ones, in the background, page by page.

Writers maintain an index from its definition on. So rows are committed on the condition that their objects are
unchanged, and the index is ready when the walk ends. A build resumes when the store is opened again. Of several
processes over one store one builds, under a lease that is a condition of each of its commits; when it dies, another
continues from its progress.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn
from uuid import uuid4

from ....errors import Conflict, EmergeError, Unavailable
from ....store import Batch, keys_of, prefix_end
from ...core import Core
from ...layout.ancestry import DirectoryGone
from ...layout.catalogue import CATALOGUE, DROPPED, Definition, dropped_key, parse, progress_key, ready_key
from ...layout.locality import PAGE_ROWS
from ...lease import Lease, is_fence
from ..definitions import add_definitions, read_catalogue
from ..index_row import prefixes_of
from ..maintain import SPARE
from ..progress import BuildProgress, read_progress
from .page import Clash, name_pair, still_clash
from .sorted_run import SortedRun
from .walk import Walk, count_objects

ERROR_LENGTH = 500
"""Characters of an error that are kept."""

AT_ONCE = 2048
"""Rows of a commit, which others wait for."""

RUN_PARTS = 16
"""Commits whose rows are sorted together: the more, the fewer pages of a store are written again and again."""

LEASE = "indexes"
LOOK_SECONDS = 0.25
"""Between looks at whether another process that builds has finished."""

TRANSIENT = (Unavailable, Conflict)
"""Errors of a store after which the work is tried again."""

_log = logging.getLogger("emerge.filesystem")


class BuildOvertaken(Exception):
    """Indexes came or went, or another process is building too: read again what there is to do."""


class Builder:
    """Builds and drops the indexes of one filesystem in a background task.

    If the store fails, it tries again after `pause` seconds, then after twice as many, up to `longest`. An index that
    cannot be built for any other reason is marked as failed, and the others continue.
    """

    def __init__(self, core: Core, pause: float = 0.1, longest: float = 30.0) -> None:
        self.pause = pause
        self.longest = longest
        self._core = core
        shared = core.store.capabilities.many_writers
        self.lease = Lease(core.store, LEASE, uuid4().hex) if shared else None
        self._skipped: set[int] = set()  # failed, but the store could not record it
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def wake(self) -> None:
        """Start the task, as there may be work."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self) -> None:
        """Wait until there is no more work."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        pause = self.pause
        while self._again:
            self._again = False
            try:
                await self._take_turn()
                pause = self.pause
            except BuildOvertaken:
                self._again = True
            except TRANSIENT as error:
                self._again = True
                _log.warning("the indexes of %s wait for its store, %.1f s: %s", self._core.node, pause, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self.longest)
            except Exception:
                _log.exception("the indexes of %s are built no further", self._core.node)

    async def _take_turn(self) -> None:
        """Work, unless another process does: then look again soon."""
        if self.lease is None:
            await self._work()
        elif not await has_work(self._core):
            return
        elif await self.lease.take():
            async with self.lease.kept():
                await self._work()
        else:
            self._again = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _work(self) -> None:
        """Build and drop all pending indexes, continuing after failures.

        Raises:
            BuildOvertaken: the pending work changed meanwhile.
            Unavailable, Conflict: some of it must be tried again.
        """
        core = self._core
        raw = await read_catalogue(core)
        late: EmergeError | None = None
        for definition in parse(raw).definitions:
            if definition.error or definition.id in self._skipped:
                continue
            try:
                if (await core.store.get([("meta", ready_key(definition.id))]))[0] is None:
                    await _Build(core, raw, definition, self.lease).run()
            except BuildOvertaken:
                raise
            except TRANSIENT as error:
                late = error
            except Exception as error:
                await self._fail(raw, definition, error)
        for key, _ in await core.store.scan("meta", DROPPED, prefix_end(DROPPED)):
            id = int.from_bytes(key[len(DROPPED) :], "big")
            try:
                await _sweep(core, id, self.lease)
            except BuildOvertaken:
                raise
            except TRANSIENT as error:
                late = error
            except Exception:
                _log.exception("the rows of the dropped index %d of %s stay", id, core.node)
        if late is not None:
            raise late

    async def _fail(self, raw: bytes, definition: Definition, error: Exception) -> None:
        """Mark an index as failed, with its error. Raises BuildOvertaken once that is committed."""
        what = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
        name = f"{definition.id} over {', '.join(definition.fields)} of {self._core.node}"
        _log.warning("the index %s failed", name, exc_info=error)
        try:
            await _commit_failure(self._core, self.lease, raw, definition, what)
        except (BuildOvertaken, *TRANSIENT):
            raise
        except Exception:
            _log.exception("that the index %s failed cannot be noted", name)
            self._skipped.add(definition.id)


async def has_work(core: Core) -> bool:
    """Whether an index is still to be built, or rows of a dropped one to be removed."""
    definitions = parse(await read_catalogue(core)).definitions
    ready = await core.store.get([("meta", ready_key(each.id)) for each in definitions]) if definitions else []
    unbuilt = any(raw is None and not each.error for each, raw in zip(definitions, ready, strict=True))
    return unbuilt or bool(await core.store.scan("meta", DROPPED, prefix_end(DROPPED), limit=1))


async def _commit(core: Core, lease: Lease | None, batch: Batch) -> None:
    """Commit, while this process is the one that builds.

    Raises:
        BuildOvertaken: another one is.
    """
    try:
        await core.store.commit(batch if lease is None else lease.fence(batch))
    except Conflict as error:
        if is_fence(error):
            raise BuildOvertaken from error
        raise


async def _commit_failure(
    core: Core,
    lease: Lease | None,
    raw: bytes,
    definition: Definition,
    error: str,
    expects: Sequence[tuple[str, bytes, bytes | None]] = (),
) -> NoReturn:
    """Mark an index as failed, on the condition that no index came or went. Always raises BuildOvertaken."""
    batch = Batch(expects=[(*CATALOGUE, raw), *expects])
    add_definitions(batch, parse(raw).give_up(definition.id, error), [definition.id])
    try:
        await _commit(core, lease, batch)
    except Conflict as conflict:
        raise BuildOvertaken from conflict
    await read_catalogue(core)
    raise BuildOvertaken


async def _sweep(core: Core, id: int, lease: Lease | None) -> None:
    """Remove the rows of a dropped index, page by page; no writer adds any since."""
    most = min(core.store.capabilities.largest_batch, PAGE_ROWS)
    for prefix in prefixes_of(id):
        while rows := await core.store.scan("indexes", prefix, prefix_end(prefix), limit=most):
            await _commit(core, lease, Batch(deletes=keys_of("indexes", (key for key, _ in rows))))
            await asyncio.sleep(0)
    await _commit(core, lease, Batch(deletes=[("meta", dropped_key(id))]))


class _Build:
    """Builds one index, from its stored progress to the end."""

    def __init__(self, core: Core, catalogue: bytes, definition: Definition, lease: Lease | None) -> None:
        self._core = core
        self._lease = lease
        self._catalogue = catalogue
        self._definition = definition
        self._key = progress_key(definition.id)
        self._held: bytes | None = None  # the stored row of the progress
        self._progress = BuildProgress()
        self._most = max(min(AT_ONCE, core.store.capabilities.largest_batch - SPARE), 1)

    async def run(self) -> None:
        await self._read()
        if not self._progress.counted:
            total = await count_objects(self._core.store, self._definition.directory)
            await self._commit(Batch(), self._progress._replace(total=total, counted=True))
        over = False
        while not over:
            walk = Walk(self._core.store, self._definition.directory, self._progress.cursor)
            run = await SortedRun.read(self._core, self._definition, walk, RUN_PARTS * self._most)
            over = walk.over
            done = min(self._progress.done + run.objects, max(self._progress.total, self._progress.done))
            await self._add(run, None if over else self._progress._replace(done=done, cursor=walk.cursor))

    async def _read(self) -> None:
        self._held = (await self._core.store.get([("meta", self._key)]))[0]
        self._progress = read_progress(self._held)

    async def _add(self, run: SortedRun, progress: BuildProgress | None) -> None:
        """Commit the rows of some objects in order, and with the last of them the progress; None: the index is ready.

        After a conflict those that have changed are left out; a part on which it is tried again relies on its own
        objects alone, and is half as large each time.
        """
        most, one_by_one = self._most, False
        while True:
            part = await run.part(most, one_by_one)
            if isinstance(part, Clash):
                await self._give_up(part)
            rows = len(part.puts)
            last = rows == len(run)
            if last and progress is None:
                part.put("meta", ready_key(self._definition.id), b"")
            try:
                await self._commit(part, progress if last else self._progress)
            except Conflict:
                await run.catch_up()
                most, one_by_one = max(rows // 2, 1) if one_by_one else most, True
            else:
                run.drop(rows)
                if last:
                    return
                most, one_by_one = min(most * 2, self._most), False
            await asyncio.sleep(0)

    async def _commit(self, batch: Batch, progress: BuildProgress | None) -> None:
        """Commit a batch with the build's progress.

        Raises:
            BuildOvertaken: an index came or went, or another process builds now.
            Conflict: an object changed.
        """
        batch.expects[:0] = [(*CATALOGUE, self._catalogue), ("meta", self._key, self._held)]
        held = None if progress is None else progress.pack()
        if held is not None:
            batch.put("meta", self._key, held)
        else:
            batch.delete("meta", self._key)
        try:
            await _commit(self._core, self._lease, batch)
        except Conflict as error:
            if error.details.get("space") == "meta":
                raise BuildOvertaken from error
            raise
        self._held = held
        self._progress = progress or BuildProgress()

    async def _give_up(self, clash: Clash) -> NoReturn:
        """Fail a unique index because two objects have the same values, if they still do. Always raises."""
        conditions = await still_clash(self._core, self._definition, clash)
        if not conditions:
            raise Conflict("an object changed while an index was built")
        try:
            said = await name_pair(self._core, self._definition, clash)
        except DirectoryGone:
            raise BuildOvertaken from None
        await _commit_failure(self._core, self._lease, self._catalogue, self._definition, said, conditions)
