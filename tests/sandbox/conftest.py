"""Calls on objects of classes that are captured from this very file's neighbours, as a node hands them to a pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.filesystem.runs.inside.execute import RunLimits
from emerge_wasm.objects import METADATA, EmergeFile
from emerge_wasm.sandbox import Pool

SMALL = RunLimits(output=10_000, result=100_000, items=1000)


def call_of(
    obj: EmergeFile, method: str, *args: Any, timeout: float = 5.0, principal: str = "ann", **kwargs: Any
) -> RunCall:
    """The call that a filesystem would make for an object at /things/one."""
    captured = capture(type(obj))
    bundles = {bundle.hash: bundle.data for bundle in captured}
    pointer = {name: getattr(obj, name) for name in METADATA}
    pointer |= {"path": "/things", "name": "one", "class_name": type(obj).__name__, "bundle": captured[-1].hash}
    state = pack_state(obj, lambda cls: capture(cls)[-1].hash)
    return RunCall("/things/one", pointer, state, bundles, method, list(args), kwargs, timeout, principal)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Pool]:
    """One for all tests of a file, whatever they do to it."""
    async with Pool(1, limits=SMALL) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def pair() -> AsyncIterator[Pool]:
    """Two calls at once."""
    async with Pool(2, limits=SMALL) as made:
        yield made


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be cleared away does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def is_gone(pid: int) -> None:
    """Wait until a process is gone, for a second at most."""
    for _ in range(100):
        if not is_alive(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} lives on")
