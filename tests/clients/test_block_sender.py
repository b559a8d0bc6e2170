"""Blocks on their way to their holders: who does not answer is waited for once, however many calls it has."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest

from emerge_wasm.clients.block_sender import LEAST_LATE, BlockSender


@pytest.mark.parametrize("seed", range(3))
async def test_one_that_stands_still_holds_up_no_window_for_longer_than_the_first(seed: int) -> None:
    dice = Random(seed)
    holders = ["still", "one", "other", "third"]

    async def send(holder: str, _: dict[str, bytes]) -> bool:
        await asyncio.sleep(3600 if holder == "still" else dice.uniform(0.001, 0.02))
        return True

    sender = BlockSender(send)

    async def window(begin: float) -> set[str]:
        await asyncio.sleep(begin)
        calls = [(holder, {str(number): b""}) for holder in holders for number in range(dice.randint(1, 3))]
        return await sender.send(dice.sample(calls, len(calls)), patient="one")

    began = time.monotonic()
    moments = [0.0, *(dice.uniform(0, LEAST_LATE) for _ in range(3))]
    assert await asyncio.gather(*map(window, moments)) == [{"still"}] * 4
    assert time.monotonic() - began < 4 * LEAST_LATE  # one after the other found it after 1, 2, 4 and 8 times that
