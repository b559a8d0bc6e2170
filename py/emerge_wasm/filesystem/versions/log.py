"""The change log: read changes since a position, and watch new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from ...operations import Context
from ...paths import child_path, join_path, split_path
from ...results import ChangePage, ChangeRow
from ..core import Core
from ..layout.ancestry import LEFT
from ..layout.locality import PAGE_ROWS, get_versions
from ..layout.log import newest_position
from ..layout.record import VERSION_KEY_SIZE, VersionRecord, log_key
from ..tree.find import may_see
from ..tree.load import check_limit, shown_operation, wire_version


async def changes(core: Core, context: Context, since: int, limit: int) -> ChangePage:
    if since < 0:
        return {"changes": [], "position": await newest_position(core.store)}
    rows = await core.store.scan("log", log_key(since + 1), limit=check_limit(limit))
    keys: list[bytes] = []
    positions: list[int] = []
    position = since
    for row, logged in rows:
        if len(keys) >= limit:
            break
        position = int.from_bytes(row, "big")
        if len(logged) % VERSION_KEY_SIZE:  # versions that another filesystem made
            continue
        cuts = range(0, len(logged), VERSION_KEY_SIZE)
        keys += [logged[cut : cut + VERSION_KEY_SIZE] for cut in cuts]
        positions += [position] * len(cuts)
    raws = await get_versions(core.store, keys)
    found = [
        _wire_change(core, logged_at, record)
        for logged_at, raw in zip(positions, raws, strict=True)
        if raw is not None and await may_see(core, context, record := VersionRecord.unpack(raw))
    ]
    return {"changes": found, "position": position}


def _wire_change(core: Core, position: int, record: VersionRecord) -> ChangeRow:
    pointer = wire_version(core, record)
    if record.operation == LEFT:  # the other filesystem tells of it too, where it is now
        return {
            "position": position,
            "operation": "mv",
            "path": record.origin,
            "from": child_path(record.directory, pointer["name"]),
            "pointer": {**pointer, "path": join_path(*split_path(record.origin)[:-1])},
        }
    return {
        "position": position,
        "operation": shown_operation(record),
        "path": child_path(record.directory, pointer["name"]),
        "from": record.origin if record.operation in ("cp", "mv") else "",
        "pointer": pointer,
    }


async def watch(core: Core, context: Context, path: str, since: int) -> AsyncIterator[ChangeRow]:
    top = join_path(*split_path(path))
    position = await newest_position(core.store) if since < 0 else since
    while True:
        changed, before = core.changed, position
        page = await changes(core, context, position, PAGE_ROWS)
        position = page["position"]
        for change in page["changes"]:
            if _is_below(change["path"], top) or _is_below(change["from"], top):
                yield change
        if position == before:
            await _next(core, changed)


async def _next(core: Core, changed: asyncio.Event) -> None:
    """Wait for a change, but no longer than `core.poll`, as other processes may write to the store."""
    with suppress(TimeoutError):
        async with asyncio.timeout(core.poll):
            await changed.wait()


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")
