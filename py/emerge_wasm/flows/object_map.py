"""`fs.map` on an engine: the method of every object in a directory, run by workers in batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import cast
from uuid import uuid4

from ..clients.client import Client
from ..clients.engine import ComputeEngine, LostWorker, open_engine
from ..clients.progress import OnRunProgress
from ..codec import decode, encode, native
from ..context import Context
from ..errors import ExecutionFailed, Invalid, Unavailable
from ..filesystem.layout.access import mode_of, permits
from ..objects import Pointer
from ..operations import Wire
from .object_run import ObjectRun, Target, run_here

LARGEST_BATCH = 64
BATCHES = 4
"""Batches for each place of a worker, so that none waits long for the last one."""


async def map_objects(
    client: Client,
    path: str,
    method: str,
    arguments: tuple[tuple[object, ...], dict[str, object]],
    *,
    engine: str,
    id: str = "",
    progress: OnRunProgress | None = None,
) -> list[Wire]:
    """Run a method on all objects in a directory, on the workers of an engine.

    Raises:
        Unavailable: the engine or the filesystem was lost; the remedy has the id with which to go on.
    """
    name = id or uuid4().hex
    if client.reach is None or client.reach.address.startswith("http"):
        raise Invalid("workers cannot reach this filesystem", remedy="connect to a node, or to a relay by ws://")
    if client.context.get("transaction"):
        raise Invalid("workers take no part in a transaction", remedy="leave the engine out, or run it outside")
    run = ObjectRun(client.reach, client.context, method, encode([list(arguments[0]), arguments[1]]), name, not id)
    pointer = await client.get(path)
    opened = open_engine(engine)
    mapping = _Mapping(opened, run, progress)
    try:
        await mapping.run(await _runnable(client, pointer), await opened.width())
    except Unavailable as error:
        raise Unavailable(
            f"{method} is done for {len(mapping.rows)} objects of {path}: {error.message}",
            path=path,
            remedy=f"call map again with id={name!r}: what is done is not done again",
            **error.details,
        ) from None
    return sorted(mapping.rows, key=lambda row: str(row["path"]))


async def _runnable(client: Client, directory: Pointer) -> list[Target]:
    """The objects in a directory that the caller may run."""
    who = await client.whoami()
    context = Context(who["principal"], tuple(who["groups"]), who["superuser"])
    return [
        (each.full_path, each.version)
        async for each in client.dir(directory.full_path)
        if not each.is_directory and permits(context, each.owner, each.group, mode_of(each.perms), "x")
    ]


class _Mapping:
    """A map under way: its rows, as they come."""

    def __init__(self, engine: ComputeEngine, run: ObjectRun, progress: OnRunProgress | None) -> None:
        self._engine = engine
        self._run = run
        self._progress = progress
        self.rows: list[Wire] = []
        self._failed = 0

    async def run(self, targets: Sequence[Target], width: int) -> None:
        """Run all objects; those of a batch that loses its workers again alone, so that only the guilty one fails."""
        size = max(1, min(LARGEST_BATCH, len(targets) // (width * BATCHES)))
        batches = [list(targets[start : start + size]) for start in range(0, len(targets), size)]
        total = len(targets)
        self._tell(total)
        while batches:
            lost: list[Target] = []
            async with aclosing(self._engine.each(partial(run_here, self._run), batches)) as done:
                async for number, rows in done:
                    if isinstance(rows, LostWorker) and len(batches[number]) > 1:
                        lost += batches[number]
                        continue
                    self.rows += self._lost(batches[number], rows) if isinstance(rows, LostWorker) else _read(rows)
                    self._tell(total)
            batches = [[each] for each in lost]

    def _lost(self, targets: list[Target], lost: LostWorker) -> list[Wire]:
        error = ExecutionFailed(
            f"{self._run.method} ended each process that ran it: {lost.reason}", remedy="see the worker's log"
        )
        return [{"path": path, "error": error.to_wire()} for path, _ in targets]

    def _tell(self, total: int) -> None:
        if self._progress is not None:
            failed = sum("error" in row for row in self.rows)
            self._progress({"event": "progress", "done": len(self.rows), "failed": failed, "total": total})


def _read(rows: object) -> list[Wire]:
    return [cast(Wire, native(decode(row))) for row in cast("list[bytes]", rows)]
