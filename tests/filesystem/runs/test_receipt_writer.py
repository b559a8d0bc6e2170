"""Receipts written behind their runs: each is there in the end, or the log says that it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import EmergeError, LimitExceeded, Unavailable
from emerge_wasm.filesystem.runs.receipt import Receipt, ReceiptWriter
from emerge_wasm.results import RunReceipt
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore

PAUSE = 0.002
STEPS = st.one_of(
    st.just("run"), st.just("read"), st.just("refuse"), st.floats(0, 3 * PAUSE).map(lambda seconds: round(seconds, 4))
)


class Refusing(MemoryStore):
    """A store that takes its time, and refuses as many commits as it is told to."""

    refusals: int = 0
    error: EmergeError = Unavailable("the store is away")

    async def commit(self, batch: Batch) -> list[int]:
        await asyncio.sleep(PAUSE / 2)
        if self.refusals:
            self.refusals -= 1
            raise self.error
        return await super().commit(batch)


def receipt(number: int) -> Callable[[], Receipt]:
    return lambda: Receipt(b"", number.to_bytes(4, "big"), cast("RunReceipt", {}))


async def written(store: MemoryStore) -> list[int]:
    return [int.from_bytes(key, "big") for key, _ in await store.scan("receipts")]


async def until_written(store: MemoryStore, count: int) -> None:
    for _ in range(2000):
        if len(await written(store)) >= count:
            return
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"{await written(store)} are written, of {count}")


async def play(steps: Sequence[str | float]) -> None:
    store, writer = Refusing(), ReceiptWriter(PAUSE, longest=2 * PAUSE)
    runs = 0
    for step in steps:
        if step == "run":
            writer.add(store, receipt(runs))
            runs += 1
        elif step == "read":
            if await writer.flush(store):
                assert len(await written(store)) == runs, "what is read is all that there was"
        elif step == "refuse":
            store.refusals += 1
        else:
            await asyncio.sleep(float(step))
    await until_written(store, runs)
    assert await written(store) == list(range(runs))
    await writer.close(store)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_every_receipt_is_written_in_the_end(steps: list[str | float]) -> None:
    asyncio.run(play(steps))


async def test_more_runs_after_somebody_has_looked() -> None:
    store, writer = MemoryStore(), ReceiptWriter(PAUSE)
    writer.add(store, receipt(0))
    await writer.flush(store)
    for number in range(1, 6):
        writer.add(store, receipt(number))
    await until_written(store, 6)


async def test_a_refusal_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store, writer = Refusing(), ReceiptWriter(PAUSE)
    store.refusals, store.error = 2, LimitExceeded("the disk is full", limit="disk")
    writer.add(store, receipt(0))
    with caplog.at_level(logging.WARNING, "emerge.filesystem"):
        await until_written(store, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "1 receipts" in caplog.text and "the disk is full" in caplog.text
    await writer.close(store)


async def test_what_is_lost_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    store, writer = Refusing(), ReceiptWriter(PAUSE)
    store.refusals = 1000
    writer.add(store, receipt(0))
    with caplog.at_level(logging.WARNING, "emerge.filesystem"):
        await writer.close(store)
    assert "1 receipts are lost" in caplog.text
    store.refusals = 0
    await asyncio.sleep(4 * PAUSE)
    assert await written(store) == [], "nothing is written after the end"


async def test_so_many_wait_at_most(caplog: pytest.LogCaptureFixture) -> None:
    store, writer = Refusing(), ReceiptWriter(PAUSE, most=10)
    store.refusals = 1
    with caplog.at_level(logging.WARNING, "emerge.filesystem"):
        for number in range(15):
            writer.add(store, receipt(number))
        await until_written(store, 10)
    assert await written(store) == list(range(5, 15)), "the oldest go first"
    assert "5 receipts are lost" in caplog.text
    await writer.close(store)
