"""Long work on many objects shares the event loop: no step of it takes a large part of the whole."""

from __future__ import annotations

import asyncio
import gc
from asyncio import Handle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import thread_time

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores.memory import MemoryStore

MANY = 4_000
PART = 0.3
"""Of the processor time of an operation, what one step may take. Before, it was all of it."""

ROOT = Context("root", superuser=True)


@dataclass
class Pebble(EmergeFile):
    weight: int = 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The processor seconds of each step of the loop."""
    found: list[float] = []
    run: Callable[[Handle], None] = Handle._run  # type: ignore[attr-defined]  # what the loop calls for each step

    def timed(handle: Handle) -> None:
        begun = thread_time()
        run(handle)
        found.append(thread_time() - begun)

    monkeypatch.setattr(Handle, "_run", timed)
    gc.disable()  # its pauses are not of the operation
    yield found
    gc.enable()


async def test_no_step_of_an_operation_on_many_objects_takes_a_large_part_of_it(steps: list[float]) -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="n")
    async with Client(LocalTransport(filesystem, ROOT)) as client:
        await client.storeall([Pebble(name=f"p{number}", path="/beach", weight=number) for number in range(MANY)])
        for name, arguments in (
            ("aggregate", ["/beach", {"n": ["count"]}, ["weight"]]),
            ("chmod", ["/beach", "rwxr-x---", True]),
            ("rm", ["/beach", True]),
            ("restore", ["/beach"]),
        ):
            steps.clear()
            await asyncio.create_task(_answer(filesystem, name, arguments))
            assert max(steps) < PART * sum(steps), f"{name}: one step took {max(steps):.3f} of {sum(steps):.3f} s"


async def _answer(filesystem: Filesystem, name: str, arguments: list[object]) -> None:
    await filesystem.dispatch(name, arguments, ROOT)  # type: ignore[misc]  # none of these is a stream


async def test_rights_of_many_are_changed_in_few_commits() -> None:
    store = MemoryStore()
    filesystem = await Filesystem.open(store, node="n")
    async with Client(LocalTransport(filesystem, ROOT)) as client:
        await client.storeall([Pebble(name=f"p{number}", path="/beach/deep") for number in range(2_500)])
        commits = 0
        commit = store.commit

        async def counted(batch: object) -> list[int]:
            nonlocal commits
            commits += 1
            return await commit(batch)  # type: ignore[arg-type]

        store.commit = counted  # type: ignore[method-assign, assignment]  # counts, and commits
        await client.chmod("/beach", "rwx------", recursive=True)
        assert commits == 4  # a thousand at a time, and the top
        assert {each.perms async for each in client.dir("/beach/deep")} == {"rwx------"}
