"""Locks by key go from one to the next in the order in which they were asked for, whoever gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.filesystem.keyed_lock import KeyedLock

STEPS = st.lists(st.tuples(st.sampled_from(["ask", "cancel", "turn", "free"]), st.integers(0, 7)), max_size=40)


@given(STEPS)
def test_one_has_it_at_a_time_and_the_others_follow_in_order(steps: Sequence[tuple[str, int]]) -> None:
    async def check() -> None:
        lock = KeyedLock[str]()
        got: list[int] = []
        inside: set[int] = set()
        gates: list[asyncio.Event] = []

        async def work(number: int) -> None:
            async with lock.hold("key"):
                assert not inside
                inside.add(number)
                got.append(number)
                try:
                    await gates[number].wait()
                finally:
                    inside.discard(number)

        tasks: list[asyncio.Task[None]] = []
        for step, number in steps:
            if step == "ask":
                gates.append(asyncio.Event())
                tasks.append(asyncio.create_task(work(len(tasks))))
            elif step == "turn":
                await asyncio.sleep(0)
            elif number < len(tasks):
                tasks[number].cancel() if step == "cancel" else gates[number].set()
        for gate in gates:
            gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert got == sorted(got)
        assert {number for number, task in enumerate(tasks) if not task.cancelled()} <= set(got)
        assert not lock

    asyncio.run(check())
