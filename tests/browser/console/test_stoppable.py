"""Work that is stopped between its steps: else it does what it does when it is awaited."""

from __future__ import annotations

import asyncio
import random

from emerge_wasm.browser.console.stoppable import stoppable
from tests.scale import sample


async def work(dice: random.Random, log: list[str], depth: int = 0) -> int:
    """Wait in several ways, raise, or catch what is raised, by the dice."""
    total = 0
    for _ in range(dice.randrange(1, 5)):
        try:
            match dice.randrange(5):
                case 0:
                    await asyncio.sleep(0)
                case 1:
                    total += await asyncio.wait_for(asyncio.sleep(0, 3), 5)
                case 2 if depth < 3:
                    total += await work(dice, log, depth + 1)
                case 3:
                    total += sum(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))
                case 4 if dice.random() < 0.3:
                    raise ValueError(total)
        except ValueError as error:
            log.append(f"caught {error}")
            if dice.random() < 0.3:
                raise
        except BaseException as error:
            log.append(type(error).__name__)
            raise
        log.append(f"{depth}: {total}")
    return total


async def outcome(seed: int, wrapped: bool, cancelled_after: int, stopped_after: int) -> tuple[str, list[str]]:
    log: list[str] = []
    looks = 0

    def stopped() -> bool:
        nonlocal looks
        looks += 1
        return looks == stopped_after

    async def guarded() -> str:
        try:
            made = work(random.Random(seed), log)
            return str(await (stoppable(made, stopped) if wrapped else made))
        except BaseException as error:  # KeyboardInterrupt would end the loop
            return repr(error)

    task = asyncio.create_task(guarded())
    for _ in range(cancelled_after):
        await asyncio.sleep(0)
    if cancelled_after:
        task.cancel()
    return await task, log


async def test_it_does_what_it_does_unstopped() -> None:
    """Also when it is cancelled anywhere."""
    for seed in sample(range(200), 60):
        for cancelled in (0, 1, 2, 3, 5):
            assert await outcome(seed, True, cancelled, 0) == await outcome(seed, False, cancelled, 0)


async def test_it_is_stopped_at_any_step() -> None:
    for seed in sample(range(200), 60):
        for step in range(1, 6):
            found, log = await outcome(seed, True, 0, step)
            whole, whole_log = await outcome(seed, False, 0, 0)
            if found != whole:
                assert found == "KeyboardInterrupt()"
                before = len(log) - log.count("KeyboardInterrupt")
                assert log[:before] == whole_log[:before]
            else:  # it had fewer steps
                assert log == whole_log
        assert (await outcome(seed, True, 0, 1))[0] == "KeyboardInterrupt()"
