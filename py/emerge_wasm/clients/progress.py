"""Run a method of every object in a directory where they live, and tell how far that is."""

from __future__ import annotations

from collections.abc import Callable

from ..operations import Wire
from ..results import RunEvent
from .operations import ClientOperations
from .remote import ending

OnRunProgress = Callable[[RunEvent], None]
"""Called with each "progress" event of a directory's run."""


async def run_with_progress(
    client: ClientOperations,
    path: str,
    method: str,
    args: list[object],
    kwargs: Wire,
    progress: OnRunProgress | None,
) -> list[Wire]:
    """Run as `run` does on a directory."""
    rows: list[Wire] = []
    async with ending(client.remote.runstream(path, method, args, kwargs)) as events:
        async for event in events:
            if event["event"] == "progress":
                if progress is not None:
                    progress(event)
            elif event["event"] == "result":
                rows.append({"path": event["path"], "result": event["result"]})
            elif event["event"] == "error":
                rows.append({"path": event["path"], "error": event["error"]})
    return sorted(rows, key=lambda row: str(row["path"]))
