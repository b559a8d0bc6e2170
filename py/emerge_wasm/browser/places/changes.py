"""Changes on their way to the page: gathered for a moment, so that ten thousand stores are a few events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...clients.client import Client
from ...errors import EmergeError
from ...paths import join_path, split_path

Emit = Callable[[str, str, dict[str, Any] | None], None]
"""emit(operation, path, pointer)"""

GATHER = 0.1  # seconds
MANY = 50
"""More changes than this in one go are told as one, at the directory they have in common."""


async def watch_changes(client: Client, emit: Emit) -> None:
    """Tell every change of a filesystem; returns when the watch ends (the connection is gone)."""
    changes: list[dict[str, Any]] = []
    arrived = asyncio.Event()
    gathering = asyncio.create_task(_gather(changes, arrived, emit))
    try:
        async for change in client.watch("/"):
            changes.append({**change})
            arrived.set()
    except (EmergeError, OSError):
        return
    finally:
        gathering.cancel()


async def _gather(changes: list[dict[str, Any]], arrived: asyncio.Event, emit: Emit) -> None:
    while True:
        await arrived.wait()
        await asyncio.sleep(GATHER)
        arrived.clear()
        batch = changes.copy()
        changes.clear()
        for event in summarize(batch):
            emit(*event)


def summarize(changes: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any] | None]]:
    """The events of a batch: the newest change of each path, where something was moved from, or one for all."""
    newest: dict[str, tuple[str, str, dict[str, Any] | None]] = {}
    for change in changes:
        if change.get("from"):
            newest[change["from"]] = (change["operation"], change["from"], None)
        newest[change["path"]] = (change["operation"], change["path"], change["pointer"])
    if len(newest) <= MANY:
        return list(newest.values())
    return [("many", common_directory(list(newest)), None)]


def common_directory(paths: list[str]) -> str:
    """The deepest directory that holds all these paths."""
    first, last = split_path(min(paths)), split_path(max(paths))  # all others begin with what these two share
    depth = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first) - 1)
    return join_path(*first[: max(0, min(depth, len(first) - 1, len(last) - 1))])
