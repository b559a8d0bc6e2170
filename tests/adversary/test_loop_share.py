"""Long work on many objects shares the event loop: no step of it takes a large part of the whole."""

from __future__ import annotations

import asyncio
import sys
from asyncio import Handle
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores.memory import MemoryStore

MANY = 2_500
PART = 0.3
"""Of the calls of functions that an operation makes, what one step may make. Before, it was all of them."""

ROOT = Context("root", superuser=True)


@dataclass
class Pebble(EmergeFile):
    weight: int = 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many functions each step of the loop calls: what it takes, whatever else the machine does."""
    found: list[int] = []
    run: Callable[[Handle], None] = Handle._run  # type: ignore[attr-defined]  # what the loop calls for each step
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def counted(handle: Handle) -> None:
        nonlocal calls
        calls = 0
        sys.setprofile(count)
        run(handle)
        sys.setprofile(None)
        found.append(calls)

    monkeypatch.setattr(Handle, "_run", counted)
    yield found


async def test_no_step_of_an_operation_on_many_objects_takes_a_large_part_of_it(steps: list[int]) -> None:
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
            assert max(steps) < PART * sum(steps), f"{name}: one step made {max(steps)} of {sum(steps)} calls"


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
