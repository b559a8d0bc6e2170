"""Nobody's runs keep another principal's from running, however many there are and whatever they wait for."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.context import Context, asker, queue_of
from emerge_wasm.filesystem.runs import capacity
from emerge_wasm.filesystem.runs.capacity import Capacity, Seat
from tests.scale import examples

PRINCIPALS = "abcd"


@dataclass(frozen=True)
class Plan:
    """A run: each step is the runs that it calls at once, and waits for; with none it waits for the store. It computes
    before, between and after them."""

    steps: tuple[tuple[Plan, ...], ...] = ()


PLANS = st.recursive(
    st.just(Plan()),
    lambda inner: st.lists(st.lists(inner, max_size=3).map(tuple), max_size=3).map(tuple).map(Plan),
    max_leaves=6,
)
ARRIVALS = st.lists(st.tuples(st.sampled_from(PRINCIPALS), PLANS), max_size=20)


class Watched(Capacity):
    """Counts, for each principal that waits, the seats handed to each other one since its last turn."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: dict[str, Counter[str]] = {}

    def _lines(self) -> dict[str, int]:
        lines = {who: sum(not each[-1].done() for each in queue) for who, queue in self._queues.items()}
        return {who: length for who, length in lines.items() if length}

    def _forget(self, principal: str, mine: capacity.Waiting) -> None:
        super()._forget(principal, mine)
        if principal not in self._lines():
            self.passed.pop(principal, None)

    def _hand_over(self) -> None:
        before = self._lines()
        super()._hand_over()
        after = self._lines()
        served = {who: length - after.get(who, 0) for who, length in before.items()}
        for who in before:
            line = self.passed.setdefault(who, Counter())
            if served[who] or who not in after:
                del self.passed[who]
            else:
                line.update({other: times for other, times in served.items() if times})
        for who in [who for who in self.passed if who not in after]:
            del self.passed[who]
        for who, line in self.passed.items():
            assert max(line.values(), default=0) <= 1, f"{who} waits, and others had several turns: {line}"


@dataclass
class World:
    """Runs without a clock: what computes or waits for the store goes on when `step` says so."""

    size: int
    seats: Watched = field(default_factory=Watched)
    computing: list[asyncio.Future[None]] = field(default_factory=list)
    stored: list[asyncio.Future[None]] = field(default_factory=list)

    async def _pause(self, where: list[asyncio.Future[None]]) -> None:
        wait = asyncio.get_running_loop().create_future()
        where.append(wait)
        try:
            await wait
        finally:
            where.remove(wait)

    async def run(self, who: str, plan: Plan, depth: int = 0) -> None:
        seat = Seat(self.seats, self.size, who, depth)

        async def call(inner: Plan | None) -> None:
            async with seat.lent():
                await (self._pause(self.stored) if inner is None else self.run(who, inner, depth + 1))

        async with seat:
            await self._pause(self.computing)
            for calls in plan.steps:
                await asyncio.gather(*map(call, calls or (None,)))
                await self._pause(self.computing)

    async def settle(self) -> None:
        """Let everything go on that can."""
        for _ in range(40):
            await asyncio.sleep(0)
        assert len(self.computing) <= self.size, "more compute than there are seats"

    async def step(self, choice: int) -> bool:
        """Let one of those go on that compute or wait for the store; False when nothing can."""
        await self.settle()
        ready = [*self.computing, *self.stored]
        if ready:
            ready[choice % len(ready)].set_result(None)
        return bool(ready)


@settings(max_examples=examples(100), deadline=None)
@given(ARRIVALS, st.integers(1, 3), st.sampled_from([0, 1, 2, 64]), st.data())
def test_principals_take_turns_and_all_runs_end(
    arrivals: list[tuple[str, Plan]], size: int, lent: int, data: st.DataObject
) -> None:
    async def play() -> None:
        world = World(size)
        tasks: list[asyncio.Task[None]] = []
        for who, plan in arrivals:
            tasks.append(asyncio.create_task(world.run(who, plan)))
            for _ in range(data.draw(st.integers(0, 2))):
                await world.step(data.draw(st.integers(0, 9)))
            if data.draw(st.integers(0, 4)) == 0:  # one of them is given up
                tasks[data.draw(st.integers(0, len(tasks) - 1))].cancel()
        choices = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=10))
        at = 0
        while await world.step(choices[at % len(choices)]):
            at += 1
        try:
            assert all(task.done() for task in tasks), "runs wait for each other"
            assert (world.seats.taken, world.seats.lent, world.seats.kept, world.seats.waiting) == (0, 0, 0, 0)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [each for each in ended if not isinstance(each, asyncio.CancelledError | None)]
        assert not failed, failed

    with patch.object(capacity, "LENT", lent):  # patched: 64, which no generated case would reach
        asyncio.run(play())


async def test_who_comes_last_and_has_had_nothing_is_next() -> None:
    """Ten runs of one principal are before it, one of them running."""
    places, order = Capacity(), []

    async def run(who: str) -> None:
        async with Seat(places, 1, who):
            order.append(who)
            await asyncio.sleep(0)

    await asyncio.gather(*map(run, ["guest"] * 10 + ["ann", "operator"]))
    assert order[:4] == ["guest", "ann", "operator", "guest"] and len(order) == 12


async def test_a_run_takes_its_seat_back_once() -> None:
    """Two calls of a run end one after the other, while it waits to take its seat back."""
    places = Capacity()
    seat, other = Seat(places, 1), Seat(places, 1)
    calls: list[asyncio.Task[None]] = []

    async def call() -> None:
        async with seat.lent():
            if not calls:
                await other.__aenter__()

    async with seat:
        for _ in range(2):
            one = asyncio.create_task(call())
            for _ in range(5):
                await asyncio.sleep(0)
            assert places.waiting == 1
            calls.append(one)
        await other.__aexit__()
        await asyncio.wait_for(asyncio.gather(*calls), 60)
        assert (places.taken, places.lent, places.waiting) == (1, 0, 0)
    assert places.taken == 0


def test_a_principal_has_one_queue_whatever_its_tokens_are() -> None:
    one, two = Context("ann", ("staff",)), Context("ann", ("staff", "ops"))
    assert asker(one) != asker(two) and queue_of(asker(one)) == queue_of(asker(two)) == "ann"
    nobody, operator = Context(), Context(superuser=True)
    assert len({queue_of(asker(each)) for each in (nobody, operator, Context("superuser"))}) == 3
