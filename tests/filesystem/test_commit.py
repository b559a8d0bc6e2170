"""Changes that are made again because other commits came between."""

from __future__ import annotations

import asyncio

import pytest

from emerge_wasm.errors import Conflict
from emerge_wasm.filesystem.commit import Stale, retry


@pytest.mark.parametrize(("changes", "late"), [(60, 0.003), (25, 0.008), (1000, 0.003)])
async def test_a_slower_writer_outlasts_many_changes_of_another_and_gives_up_in_the_end(
    changes: int, late: float
) -> None:
    """Each of its attempts takes longer than the other's change, so it is late as long as the other goes on."""
    version = 0

    async def change() -> None:
        nonlocal version
        for _ in range(changes):
            version += 1
            await asyncio.sleep(0.002)

    async def attempt() -> int:
        seen = version
        await asyncio.sleep(late)
        if version != seen:
            raise Stale
        return seen

    changing = asyncio.create_task(change())
    try:
        if changes < 1000:
            assert await retry("/x", attempt) == changes
        else:
            with pytest.raises(Conflict, match="/x is being changed by too many at once"):
                await retry("/x", attempt)
    finally:
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
