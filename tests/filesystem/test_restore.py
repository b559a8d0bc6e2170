"""A tree that is brought back is what was removed last: no more, no less, and nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.objects import EmergeFile
from tests.filesystem.removals import PATHS, STEP, take, tree, world
from tests.scale import examples


@settings(max_examples=examples(40), deadline=None)
@example(
    steps=[("rm", "anna", "/all/d"), ("restore", "anna", "/all/d/a"), ("store", "anna", "/all/d/b", 1)],
    top="/all/d",
    largest=40,
)
@example(steps=[("rm", "anna", "/all/d"), ("restore", "anna", "/all/d/a")], top="/all/d", largest=10_000)
@given(
    steps=st.lists(STEP, max_size=30),
    top=st.sampled_from(["/all", "/all/d", "/all/d/e", *PATHS]),
    largest=st.sampled_from([24, 40, 10_000]),
)
def test_what_is_brought_back_is_what_was_removed(steps: list[tuple[Any, ...]], top: str, largest: int) -> None:
    async def main() -> None:
        filesystem, clients = await world(largest)
        root = clients["root"]
        full = [("store", owner, path, 90) for owner, path in zip(["anna", "bert", "anna"] * 2, PATHS, strict=True)]
        for step in (*full, *steps):
            await take(clients, step)
            assert (await audit(filesystem.core.store)).faults == []
        before = {(path, uuid) for path, uuid, _ in await tree(root)}
        if any(path == top for path, _ in before):
            await root.rm(top, True)
            await root.restore(top)
        assert {(path, uuid) for path, uuid, _ in await tree(root)} == before
        assert (await audit(filesystem.core.store)).faults == []
        await filesystem.close()

    asyncio.run(main())


@pytest.mark.asyncio
async def test_what_stayed_removed_stays_so_and_can_still_be_brought_back() -> None:
    filesystem, clients = await world()
    anna = clients["anna"]
    for name in "ab":
        await anna.store(EmergeFile(name=name, path="/all/d", data=name))
    await anna.rm("/all/d", True)
    await anna.restore("/all/d/a")
    await anna.rm("/all/d", True)
    await anna.restore("/all/d")
    assert [each.name for each in await anna.list("/all/d")] == ["a"]
    await anna.restore("/all/d/b")
    assert await anna.cat("/all/d/b.data") == "b"
    assert [each.name for each in await anna.list("/all/d")] == ["a", "b"]
    await filesystem.close()
