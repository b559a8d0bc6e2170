"""A predicate that computes without end gives its place back long before a run would have to."""

from __future__ import annotations

import asyncio

import pytest

from emerge_wasm.errors import LimitExceeded
from emerge_wasm.filesystem.execution import CodeExecution
from emerge_wasm.sandbox import pool as pools
from emerge_wasm.sandbox.pool import Pool
from tests.sandbox.test_sandbox_worker import expression_call

LONG = 1000.0
"""Seconds that the call itself would allow."""


async def test_others_search_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only place of a pool goes on to the next principal, though C code looks at no signal."""
    assert max(pools.PREDICATE_WALL, pools.PREDICATE_PROCESSOR) <= CodeExecution().timeout / 3
    monkeypatch.setattr(pools, "PREDICATE_PROCESSOR", 0.5)  # patched: 5 s
    monkeypatch.setattr(pools, "PREDICATE_WALL", LONG)  # patched: 10 s, which a busy machine could reach first
    async with Pool(1) as pool:
        endless = expression_call("lambda o: sum(range(10**12))", "mallory", LONG)
        hostile = [asyncio.ensure_future(pool.evaluate(endless)) for _ in range(2)]
        await asyncio.sleep(0)
        found = await pool.evaluate(expression_call("lambda o: 7", "ann", LONG))
        assert found.values == [7]
        assert not hostile[1].done(), "ann waited for more than one of mallory's"
        for each in await asyncio.gather(*hostile, return_exceptions=True):
            assert isinstance(each, LimitExceeded) and each.details["limit"] == "processor time", each
            assert "0.5 s" in each.message and "method" in each.remedy
