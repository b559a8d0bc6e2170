"""Sends changes to the page in batches, and loses none between a listing and the watch.

Each filesystem numbers its own log. A watch from a log position has only that log; a watch of all nodes begins at an
unknown moment after the request. So both are read until they overlap. Imports no js.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from ...errors import EmergeError
from ...paths import join_path, split_path
from ...results import ChangeRow, PointerRow

LOG = logging.getLogger("emerge.browser")

GATHER = 0.1  # seconds
MANY = 50
"""More changes than this in one batch are sent as one, for their common directory."""

ChangeEntry = tuple[str, str, PointerRow | None, str]
"""(operation, path, pointer, author)"""
EmitChange = Callable[[str, str, PointerRow | None, str], None]


class Watcher(Protocol):
    """The part of a Client that `watch_changes` needs."""

    def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[ChangeRow]: ...


async def watch_changes(client: Watcher, emit: EmitChange, since: int, node: str = "", gather: float = GATHER) -> None:
    """Emit every change that a filesystem logs after position `since`; return when the watch ends.

    With the name of a `node`, `since` is a position of its log. The changes of all other nodes are emitted too, from
    the moment when the watch of all nodes begins there, since their positions are not known. A listing made after
    `since`, together with these changes, is complete.
    """
    batch = ChangeBatch(emit, gather)
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(batch.send())
            if node:
                await _watch_all(client, Overlap(batch.add, since, node), since, tasks)
            else:
                await _watch_one(client, batch.add, since)
            sending.cancel()
    except* (EmergeError, OSError) as group:
        LOG.warning("the watch of changes ended: %s", "; ".join(map(str, group.exceptions)))
    batch.flush()


async def _watch_one(client: Watcher, hear: Callable[[ChangeRow], None], since: int) -> None:
    async for change in client.watch("/", since):
        hear(change)


async def _watch_all(client: Watcher, overlap: Overlap, since: int, tasks: asyncio.TaskGroup) -> None:
    one = tasks.create_task(_watch_one(client, overlap.hear_one, since))
    try:
        async for change in client.watch("/"):  # requested first: the other task starts when this one waits
            overlap.hear_all(change)
            if overlap.found:
                one.cancel()
    finally:
        one.cancel()


class Overlap:
    """Merges two sequences of changes: a node's log from a known position, and all logs from an unknown moment.

    Once both have had the same change of that node, only the second is used. A change may be emitted twice, and then
    all later ones are too.
    """

    def __init__(self, hear: Callable[[ChangeRow], None], since: int, node: str) -> None:
        self.found = False
        self._hear = hear
        self._node = node
        self._reached = since
        self._held: list[ChangeRow] = []  # changes of the node that its log may still bring

    def hear_one(self, change: ChangeRow) -> None:
        """Take a change from the node's log."""
        if not self.found:
            self._hear(change)
            self._reached = change["position"]
            self._join()

    def hear_all(self, change: ChangeRow) -> None:
        """Take a change from the watch of all nodes."""
        if self.found or change["pointer"]["node"] != self._node:
            self._hear(change)
        else:
            self._held.append(change)
            self._join()

    def _join(self) -> None:
        if not self._held or self._reached < self._held[0]["position"]:
            return
        self.found = True
        for change in self._held:
            if change["position"] >= self._reached:  # the log may have brought only a part of that position
                self._hear(change)
        self._held.clear()


class ChangeBatch:
    """Collects changes for a short time and emits them as a summary."""

    def __init__(self, emit: EmitChange, gather: float) -> None:
        self._emit = emit
        self._gather = gather
        self._changes: list[ChangeRow] = []
        self._arrived = asyncio.Event()

    def add(self, change: ChangeRow) -> None:
        self._changes.append(change)
        self._arrived.set()

    async def send(self) -> None:
        """Emit changes in batches, until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(self._gather)
            self.flush()

    def flush(self) -> None:
        """Emit the collected changes now."""
        self._arrived.clear()
        batch, self._changes = self._changes, []
        for event in summarize(batch):
            self._emit(*event)


def summarize(changes: list[ChangeRow]) -> list[ChangeEntry]:
    """Reduce a batch to events: the newest change of each path (and of a move's source), or one event for all."""
    newest: dict[str, ChangeEntry] = {}
    for change in changes:
        pointer = change["pointer"]
        author = pointer.get("author", "")
        if change.get("from"):
            newest[change["from"]] = (change["operation"], change["from"], None, author)
        newest[change["path"]] = (change["operation"], change["path"], pointer, author)
    if len(newest) <= MANY:
        return list(newest.values())
    authors = {author for *_, author in newest.values()}
    return [("many", common_directory(list(newest)), None, authors.pop() if len(authors) == 1 else "")]


def common_directory(paths: list[str]) -> str:
    """Return the deepest directory that contains all these paths."""
    first, last = split_path(min(paths)), split_path(max(paths))  # all others share the prefix of these two
    depth = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first) - 1)
    return join_path(*first[: max(0, min(depth, len(first) - 1, len(last) - 1))])
