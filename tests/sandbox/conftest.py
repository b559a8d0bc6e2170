"""Calls on objects of classes that are captured from this very file's neighbours, as a node hands them to a pool."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.filesystem.execute import Limits
from emerge_wasm.filesystem.run import RunCall
from emerge_wasm.objects import METADATA, EmergeFile
from emerge_wasm.sandbox import Pool

SMALL = Limits(output=10_000, result=100_000, items=1000)


def call_of(obj: EmergeFile, method: str, *args: Any, timeout: float = 5.0, **kwargs: Any) -> RunCall:
    """The call that a filesystem would make for an object at /things/one."""
    captured = capture(type(obj))
    bundles = {bundle.hash: bundle.data for bundle in captured}
    pointer = {name: getattr(obj, name) for name in METADATA}
    pointer |= {"path": "/things", "name": "one", "class_name": type(obj).__name__, "bundle": captured[-1].hash}
    state = pack_state(obj, lambda cls: capture(cls)[-1].hash)
    return RunCall("/things/one", pointer, state, bundles, method, list(args), kwargs, timeout)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(1, limits=SMALL) as made:
        yield made


@pytest.fixture
async def pair() -> AsyncIterator[Pool]:
    """Two calls at once."""
    async with Pool(2, limits=SMALL) as made:
        yield made


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
