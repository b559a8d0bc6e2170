"""Who gets which worker, how long it is kept, and what code may do in it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from typing import Any

import pytest

from emerge_wasm.bundles import capture
from emerge_wasm.errors import ExecutionFailed, LimitExceeded, Unavailable
from emerge_wasm.filesystem.runner import EvaluateCall
from emerge_wasm.sandbox import Pool
from emerge_wasm.sandbox.worker_pool import AHEAD, WorkerLifetime
from tests.node.conftest import eventually

from .agent import Agent
from .conftest import call_of, is_gone
from .thing import Thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run(pool: Pool, method: str, *args: Any, **options: Any) -> Any:
    return (await pool.run(call_of(Agent(name="one"), method, *args, **options))).result


# --- who gets which
async def test_principals_and_code_never_share(pool: Pool) -> None:
    ann, bob, guest = [await run(pool, "pid", principal=name) for name in ("ann", "bob", "")]
    other = (await pool.run(call_of(Thing(name="one"), "pid", principal="ann"))).result
    assert len({ann, bob, guest, other}) == 4
    assert [await run(pool, "pid", principal=name) for name in ("ann", "bob", "")] == [ann, bob, guest]
    assert (await pool.run(call_of(Thing(name="one"), "pid", principal="ann"))).result == other


async def test_nor_when_they_come_at_once() -> None:
    async with Pool(4) as pool:
        names = ["ann", "bob", "cid"] * 20
        pids = await asyncio.gather(*(run(pool, "pid", principal=name) for name in names))
    by_name = {name: {pid for who, pid in zip(names, pids, strict=True) if who == name} for name in names}
    assert sum(len(each) for each in by_name.values()) == len(set(pids))


async def test_expressions_have_workers_of_their_own(pool: Pool) -> None:
    calls = [expression_call(text, who) for text in ("lambda o: o.count + 1", "lambda o: o.count") for who in "ab"]
    before = pool.workers.processes
    outcomes = [await pool.evaluate(call) for call in calls]
    assert [outcome.values for outcome in outcomes] == [[4], [4], [3], [3]]
    assert len(pool.workers.processes - before) == 4


def expression_call(text: str, principal: str, seconds: float = 5.0) -> EvaluateCall:
    call = call_of(Agent(name="one", count=3), "pid")
    expression = {"text": text, "values": b"\x80", "bundle": ""}
    return EvaluateCall(expression, [(call.pointer, call.state)], call.bundles, seconds, principal)


async def test_expression_that_fails_or_does_not_end(pool: Pool) -> None:
    outcome = await pool.evaluate(expression_call("lambda o: o.nothing", "ann"))
    assert outcome.values == [None] and "nothing" in outcome.errors[0]
    with pytest.raises(LimitExceeded) as caught:
        await pool.evaluate(expression_call("lambda o: all(True for _ in iter(int, 1))", "ann", 0.3))
    assert caught.value.details["limit"] == "wall time"


async def test_one_object_that_does_not_end_is_an_error_of_its_own(pool: Pool) -> None:
    call = expression_call("lambda o: o.count if o.count != 3 else all(True for _ in iter(int, 1))", "ann")
    other = call_of(Agent(name="two", count=4), "pid")
    outcome = await pool.evaluate(replace(call, rows=[*call.rows, (other.pointer, other.state)]))
    assert outcome.values == [None, 4] and "longer than 1 s" in outcome.errors[0]


# --- how long
async def test_worker_is_replaced_after_so_many_calls() -> None:
    async with Pool(1, lifetime=WorkerLifetime(calls=3)) as pool:
        pids = [await run(pool, "pid") for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


async def test_a_worker_has_a_successor_before_its_last_call() -> None:
    async with Pool(1, lifetime=WorkerLifetime(calls=AHEAD + 2)) as pool:
        first = await run(pool, "pid")
        assert await run(pool, "pid") == first  # it has AHEAD calls left

        def fresh() -> list[int]:
            return [each.pid for each in pool.workers.processes if not each.calls]

        await eventually(fresh, 30)
        expected = [first] * AHEAD + fresh()
        assert [await run(pool, "pid") for _ in range(AHEAD + 1)] == expected
    assert not pool.workers.processes


async def test_worker_that_has_grown_is_replaced() -> None:
    async with Pool(1, lifetime=WorkerLifetime(growth=32 << 20)) as pool:
        first = await run(pool, "pid")
        assert await run(pool, "grow", 1 << 20) == first
        assert await run(pool, "grow", 64 << 20) == first
        second = await run(pool, "grow", 64 << 20)
        assert second != first
        assert await run(pool, "pid") not in (first, second)  # also when the first call was the greedy one


@pytest.mark.parametrize("method", ["leave_thread", "leave_hidden_thread"])
async def test_worker_that_left_a_thread_is_replaced(pool: Pool, method: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only a worker with a user of its own may start threads")
    pid = await run(pool, method)
    await is_gone(pid)
    assert await run(pool, "pid") != pid


async def test_idle_ones_are_few_and_end() -> None:
    async with Pool(1, lifetime=WorkerLifetime(idle=2, seconds=0.1)) as pool:
        pids = [await run(pool, "pid", principal=str(number)) for number in range(4)]
        await is_gone(pids[0])
        await is_gone(pids[1])
        assert await run(pool, "pid", principal="3") == pids[3]
        for pid in pids:
            await is_gone(pid)
        assert await run(pool, "pid", principal="3") not in pids


async def test_another_zygote_when_it_dies() -> None:
    async with Pool(1) as pool:
        task = asyncio.ensure_future(run(pool, "work", timeout=30))
        await asyncio.sleep(0.1)
        first, pids = pool.forkserver.pid, [process.pid for process in pool.workers.processes]
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ExecutionFailed, match="its sandbox died"):
            await task
        for pid in pids:
            await is_gone(pid)
        assert await run(pool, "pid") not in pids
        assert pool.forkserver.pid != first


async def test_what_cannot_be_preloaded_is_named() -> None:
    with pytest.raises(Unavailable, match="No module named 'no_such_package'"):
        await Pool(1, preload=("no_such_package",)).start()


# --- what is there
async def test_module_that_is_not_there_is_named_with_the_remedy(pool: Pool) -> None:
    with pytest.raises(ExecutionFailed, match="pytest is not in this sandbox: emerge node start --preload pytest"):
        await run(pool, "need", "pytest")
    assert await run(pool, "have", "pytest") is False
    assert await run(pool, "need", "statistics") == "statistics"


async def test_preloaded_package_is_there_with_all_that_it_imports_only_when_it_is_used() -> None:
    async with Pool(1, preload=("pandas",)) as pool:
        assert await run(pool, "need", "pandas.core.reshape.reshape") == "pandas"


async def test_class_that_needs_a_package_is_refused_by_name(pool: Pool) -> None:
    from .needy import Needy

    call = call_of(Needy(name="one"), "area")
    assert capture(Needy)[-1].needs == ("shapely",)
    with pytest.raises(Unavailable, match="Needy needs shapely") as caught:
        await pool.run(call)
    assert "--preload shapely" in str(caught.value) and caught.value.details["packages"] == ["shapely"]
    async with Pool(1, preload=("shapely", "iniconfig", "emerge_wasm.paths")) as preloaded:
        assert (await preloaded.run(call)).result == 1.0
        assert await run(preloaded, "need", "iniconfig") == "iniconfig"


async def test_time_zones_and_loops_and_threads_work(pool: Pool) -> None:
    assert await run(pool, "zone") == "2026-07-01T00:00:00+02:00"
    assert await run(pool, "run_loop") == 6
    if os.geteuid() == 0:
        assert await run(pool, "in_thread") == "from a thread"


async def test_workers_do_not_throw_the_same_dice(pool: Pool) -> None:
    ann, bob = [await run(pool, "random", principal=name) for name in ("ann", "bob")]
    assert ann[0] != bob[0] and ann[1] != bob[1]


# --- limits
async def test_processor_time() -> None:
    async with Pool(1, processor=0.2) as pool:
        started = time.perf_counter()
        with pytest.raises(LimitExceeded, match=r"more than 0\.2 s of processor time") as caught:
            await run(pool, "work", timeout=30)
        assert time.perf_counter() - started < 2
        assert caught.value.details["limit"] == "processor time"
        with pytest.raises(LimitExceeded) as stubborn:
            await pool.run(call_of(Thing(name="one"), "stubborn_spin", timeout=30))
        assert stubborn.value.details["limit"] == "processor time"
        assert (await pool.run(call_of(Thing(name="one"), "sleep", 0.4))).result == "slept"


@pytest.mark.parametrize(("limit", "seconds", "processor"), [("wall time", 0.3, 60.0), ("processor time", 60.0, 0.3)])
async def test_a_call_without_end_is_ended_while_others_come_and_go(
    limit: str, seconds: float, processor: float
) -> None:
    """One clock looks at all calls: it forgets none for those that end, and ends none for another's time."""
    async with Pool(2, processor=processor) as pool:
        endless = asyncio.create_task(pool.run(call_of(Thing(name="one"), "stubborn_spin", timeout=seconds)))
        ended = 0
        while not endless.done():
            assert (await pool.run(call_of(Thing(name="one"), "double", timeout=60.0))).result == 4.0
            ended += 1
        with pytest.raises(LimitExceeded) as caught:
            await endless
        assert caught.value.details["limit"] == limit and ended
        assert (await pool.run(call_of(Thing(name="one"), "double", timeout=60.0))).result == 4.0


async def test_memory_in_pieces() -> None:
    async with Pool(1, memory=64 << 20) as pool:
        with pytest.raises(LimitExceeded) as caught:
            await run(pool, "eat")
        assert caught.value.details["limit"] == "memory"
        assert await run(pool, "run_loop") == 6


async def test_recursion_that_breaks_the_process(pool: Pool) -> None:
    with pytest.raises(ExecutionFailed, match=r"RecursionError|signal 11"):
        await run(pool, "deep", timeout=60.0)
    assert await run(pool, "run_loop") == 6


async def test_state_that_cannot_be_sent_leaves_the_worker_alone(pool: Pool) -> None:
    pid = await run(pool, "pid")
    call = replace(call_of(Agent(name="one"), "need"), args=[object()])
    with pytest.raises(Exception, match="object"):
        await pool.run(call)
    assert await run(pool, "pid") == pid


async def test_processes_end_with_their_node() -> None:
    """A node that is killed closes nothing in an orderly way."""
    code = (
        "import asyncio, sys\n"
        "from emerge_wasm.sandbox import Pool\n"
        "async def main():\n"
        "    pool = await Pool(1).start()\n"
        "    print(pool.forkserver.pid, *(process.pid for process in pool.workers.processes), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    import sys

    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    pids = [int(text) for text in (await child.stdout.readline()).split()]
    assert len(pids) == 2
    child.kill()
    await child.wait()
    for pid in pids:
        await is_gone(pid)
