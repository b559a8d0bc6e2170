"""Sends blocks of an upload to the nodes that are to hold them, several at once.

A holder that does not answer in the time that answers take is not waited for: it counts as one that did not take its
blocks, of whatever calls are under way to it then, and others are to have them. What it did take after all is given up
later, where that is more than is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from ..blocks.holder_record import SMOOTHING

AT_ONCE, ALL_AT_ONCE = 2, 16
"""Calls of one upload that are under way: to one node, and in all."""

LEAST_LATE, MOST_LATE = 1.0, 30.0
"""Seconds after which a call is late: at least, and at most. Each time that one is, the next may take twice as long,
since it may be that all are slow."""

Send = Callable[[str, dict[str, bytes]], Awaitable[bool]]
"""Sends blocks to a holder; whether it took them."""

HolderCall = tuple[str, dict[str, bytes]]


@dataclass(eq=False)
class _Round:
    """Calls that are made together."""

    failed: set[str] = field(default_factory=set)
    began: dict[asyncio.Task[None], float] = field(default_factory=dict)  # those under way
    answered: float = 0.0  # when the last answer came


class BlockSender:
    """Sends the blocks of one upload."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._usual = self._deviation = 0.0  # seconds that an answer takes
        self._least = LEAST_LATE
        self._late: dict[str, float] = {}  # when it was last found of a holder

    async def send(self, calls: Sequence[HolderCall], patient: str = "") -> set[str]:
        """Send blocks to holders; return the holders that did not take theirs in time. `patient`: one that is waited
        for as long as it takes, since nobody can take its place."""
        this = _Round()
        turns = {holder: asyncio.Semaphore(AT_ONCE) for holder, _ in calls}
        all_turns = asyncio.Semaphore(ALL_AT_ONCE)

        async def send(holder: str, call: dict[str, bytes]) -> None:
            async with turns[holder], all_turns:
                if holder not in this.failed:
                    await self._send_one(this, holder, call)

        tasks = {asyncio.ensure_future(send(*each)): each[0] for each in calls}
        try:
            await self._wait(this, dict(tasks), patient)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, Exception):
                    await task
        return this.failed

    async def _send_one(self, this: _Round, holder: str, call: dict[str, bytes]) -> None:
        task = asyncio.current_task()
        assert task is not None
        began = this.began[task] = monotonic()
        try:
            took = await self._send(holder, call)
        finally:
            del this.began[task]
        if took:
            this.answered = monotonic()
            self._measure(this.answered - began)
        else:
            this.failed.add(holder)

    async def _wait(self, this: _Round, tasks: dict[asyncio.Task[None], str], patient: str) -> None:
        """Wait until each call has ended or is late."""
        while tasks:
            done, _ = await asyncio.wait(tasks, timeout=LEAST_LATE / 4, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del tasks[task]
                task.result()
            found = {tasks[task] for task in tasks if self._is_late(this, task)} - {patient}
            late = found | {holder for task, holder in tasks.items() if self._was_late(this, task, holder)} - {patient}
            this.failed |= late
            for task in [task for task, holder in tasks.items() if holder in late]:
                del tasks[task]
                task.cancel()
            if found:
                self._late |= dict.fromkeys(found, monotonic())
                self._least = min(2 * self._least, MOST_LATE)

    def _was_late(self, this: _Round, task: asyncio.Task[None], holder: str) -> bool:
        """Whether another call to the holder was found to be late, since this one is under way."""
        return task in this.began and self._late.get(holder, 0.0) > this.began[task]

    def _is_late(self, this: _Round, task: asyncio.Task[None]) -> bool:
        """Whether a call takes longer than others do; where no other was answered meanwhile, much longer."""
        if task not in this.began:
            return False
        began = this.began[task]
        after = max(self._usual + 4 * self._deviation, self._least)
        return monotonic() - began > min(after if this.answered > began else 2 * after, MOST_LATE)

    def _measure(self, seconds: float) -> None:
        if not self._usual:
            self._usual, self._deviation = seconds, seconds / 2
            return
        self._deviation += SMOOTHING * (abs(seconds - self._usual) - self._deviation)
        self._usual += SMOOTHING * (seconds - self._usual)
