"""Runs in real worker processes: what comes back, what is refused, and that the pool outlives everything."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm.codec import Record, decode
from emerge_wasm.errors import (
    CannotShip,
    EmergeError,
    ExecutionFailed,
    Invalid,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from emerge_wasm.filesystem.runner import RunOutcome
from emerge_wasm.sandbox import Pool

from .conftest import call_of, is_alive, is_gone
from .thing import Line, Thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run(pool: Pool, method: str, *args: Any, thing: Thing | None = None, **options: Any) -> RunOutcome:
    return await pool.run(call_of(thing or Thing(name="one"), method, *args, **options))


async def works(pool: Pool) -> None:
    async with asyncio.timeout(5):
        assert (await run(pool, "total", 2)).result == 6.0


@pytest.mark.parametrize(
    ("method", "args", "result"),
    [
        ("total", [10], 30.0),
        ("double", [], 4.0),
        ("kept", [], 6.0),
        ("kind", [], "Thing"),
        ("KIND", [], "thing"),
        ("add", [1, 2], 3),
        ("later", [1], 2),
        ("numbers", [5], [0, 1, 2, 3, 4]),
        ("later_numbers", [3], [0, 1, 2]),
        ("where", [], ["/things", "one", "", 0]),
    ],
)
async def test_result(pool: Pool, method: str, args: list[Any], result: Any) -> None:
    outcome = await run(pool, method, *args)
    assert (outcome.result, outcome.state, outcome.output) == (result, None, "")
    assert 0 < outcome.milliseconds < 5000


async def test_keywords(pool: Pool) -> None:
    assert (await run(pool, "total", count=1, off=0.5)).result == 2.5


async def test_output(pool: Pool) -> None:
    outcome = await run(pool, "say", "héllo")
    assert (outcome.result, outcome.output) == ("said", "héllo\naside\n")


async def test_changed_state(pool: Pool) -> None:
    outcome = await run(pool, "raise_price")
    assert outcome.result == 3.0 and outcome.state is not None
    assert decode(outcome.state)["price"] == 3.0
    assert "version" not in decode(outcome.state)


async def test_nested_dataclass(pool: Pool) -> None:
    outcome = await run(pool, "first_line", thing=Thing(name="one", lines=[Line("old", 5.0)]))
    assert isinstance(outcome.result, Record) and outcome.result.fields == {"what": "old", "price": 5.0}
    changed = await run(pool, "replace_line")
    assert changed.state is not None and decode(changed.state)["lines"][0].class_name == "Line"


@pytest.mark.parametrize("method", ["touch_nothing", "total"])
async def test_unchanged_state_is_none_also_when_old_state_lacks_a_field(pool: Pool, method: str) -> None:
    call = call_of(Thing(name="one"), method, *([1] if method == "total" else []))
    from dataclasses import replace

    from emerge_wasm.codec import encode

    state = decode(call.state)
    del state["tags"]
    assert (await pool.run(replace(call, state=encode(state)))).state is None


@pytest.mark.parametrize(
    ("method", "args", "kind", "text"),
    [
        ("nothing", [], NotFound, r"no method 'nothing'.*total"),
        ("price", [], NotFound, r"field of Thing"),
        ("_secret", [], PermissionDenied, r"_secret is private"),
        ("__class__", [], PermissionDenied, r"private"),
        ("total", [], Invalid, r"missing 1 required.*it is total\(count: int"),
        ("total", [1, 2, 3], Invalid, r"it is total\("),
        ("double", [1], Invalid, r"property"),
        ("stream", [], CannotShip, r"result of Thing.stream cannot be written"),
        ("spoil", [], CannotShip, r"tags"),
    ],
)
async def test_refusals(pool: Pool, method: str, args: list[Any], kind: type[EmergeError], text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        await run(pool, method, *args)
    assert caught.value.path == "/things/one"
    await works(pool)


async def test_traceback_shows_shipped_lines_only(pool: Pool) -> None:
    with pytest.raises(ExecutionFailed, match="divide raised ZeroDivisionError") as caught:
        await run(pool, "divide", 0)
    details = caught.value.details
    assert "return self.price / by" in details["traceback"]
    assert "emerge_wasm/" not in details["traceback"]
    assert len(re.findall(r"^  File ", details["traceback"], re.M)) == 1
    assert details["output"] == "before it fails\n"


async def test_cause_is_shown(pool: Pool) -> None:
    with pytest.raises(ExecutionFailed, match="blame raised ValueError: it was the other one") as caught:
        await run(pool, "blame")
    assert "ZeroDivisionError" in caught.value.details["traceback"]
    assert "emerge_wasm/" not in caught.value.details["traceback"]


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("mistyped", "TypeError: object of type 'int' has no len"),
        ("leave", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("foul", "Foul"),
        ("recurse", "RecursionError"),
    ],
)
async def test_whatever_is_raised(pool: Pool, method: str, text: str) -> None:
    with pytest.raises(ExecutionFailed, match=text):
        await run(pool, method)
    await works(pool)


@pytest.mark.parametrize("method", ["spin", "stubborn_spin", "sleep_long"])
async def test_never_returns(pool: Pool, method: str) -> None:
    started = time.perf_counter()
    with pytest.raises(LimitExceeded, match=r"longer than 0\.3 s") as caught:
        await run(pool, method, timeout=0.3)
    assert time.perf_counter() - started < 1.5
    assert caught.value.details["limit"] == "wall time"
    if method == "spin":
        assert caught.value.details["output"] == "spinning\n"
        assert "while True:" in caught.value.details["traceback"]
    await works(pool)


@pytest.mark.parametrize(("method", "args"), [("chatter", [200_000]), ("stubborn_chatter", [])])
async def test_prints_too_much(pool: Pool, method: str, args: list[Any]) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await run(pool, method, *args)
    assert caught.value.details["limit"] == "output"
    assert 9_000 < len(caught.value.details["output"]) <= 10_000
    await works(pool)


@pytest.mark.parametrize(("method", "args"), [("big", [200_000]), ("endless", []), ("numbers", [2000])])
async def test_result_too_large(pool: Pool, method: str, args: list[Any]) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await run(pool, method, *args)
    assert caught.value.details["limit"] == "result"
    await works(pool)


@pytest.mark.parametrize(("method", "limit"), [("grow", "size"), ("give", "result")])
@pytest.mark.parametrize("size", [(64 << 20) + 1, 100_000_000])
async def test_what_is_far_too_large_meets_its_limit_by_name(pool: Pool, method: str, limit: str, size: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await run(pool, method, size, timeout=60)
    assert caught.value.details["limit"] == limit
    await works(pool)


async def test_who_dies_at_the_end_of_its_time_met_that_limit(pool: Pool) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await run(pool, "die_late", timeout=0.3)
    assert caught.value.details["limit"] == "wall time"
    await works(pool)


async def test_needs_too_much_memory(pool: Pool) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await run(pool, "hog")
    assert caught.value.details["limit"] == "memory"
    await works(pool)


@pytest.mark.parametrize(("method", "text"), [("die", "exited with status 7"), ("crash", "signal 11")])
async def test_worker_dies(pool: Pool, method: str, text: str) -> None:
    with pytest.raises(ExecutionFailed, match=f"its process died: .*{text}"):
        await run(pool, method)
    await works(pool)


@pytest.mark.parametrize("method", ["corrupt", "forge"])
async def test_worker_that_writes_into_its_channel(pool: Pool, method: str) -> None:
    with pytest.raises(ExecutionFailed, match="its process died: it sent"):
        await run(pool, method)
    await works(pool)


async def test_no_file_can_be_written(pool: Pool, tmp_path: Path) -> None:
    assert (await run(pool, "write_file", str(tmp_path / "x"))).result == "PermissionError"
    assert os.listdir(tmp_path) == []


async def test_fs_fails_clearly_where_there_is_none(pool: Pool) -> None:
    with pytest.raises(ExecutionFailed, match=r"there is no filesystem in this call"):
        await run(pool, "ask_fs")


async def test_environment_is_bare(pool: Pool) -> None:
    variables, folder, isolated, heavy = (await run(pool, "environment")).result
    assert (variables, folder, isolated, heavy) == ([], "/", 1, [])


async def test_cancelling_ends_the_call(pool: Pool) -> None:
    pid = (await run(pool, "pid")).result
    task = asyncio.ensure_future(run(pool, "spin", timeout=60))  # in the same worker
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await is_gone(pid)
    await works(pool)


async def test_two_at_once_and_the_others_wait(pair: Pool) -> None:
    started = time.perf_counter()
    outcomes = await asyncio.gather(*(run(pair, "sleep", 0.1) for _ in range(4)))
    assert [outcome.result for outcome in outcomes] == ["slept"] * 4
    assert time.perf_counter() - started >= 0.2


async def test_too_many_wait() -> None:
    async with Pool(1, waiting=1) as pool:
        calls = [asyncio.ensure_future(run(pool, "sleep", 0.1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(LimitExceeded, match="waiting"):
            await run(pool, "total", 1)
        await asyncio.gather(*calls)


async def test_bundles_are_sent_once(pool: Pool) -> None:
    call = call_of(Thing(name="one"), "pid")
    first = (await pool.run(call)).result
    assert (await pool.run(call)).result == first  # the worker that has the class
    known = [process.known for process in pool.workers.processes if process.pid == first]
    assert known == [set(call.bundles)]


async def test_class_that_cannot_be_loaded(pool: Pool) -> None:
    from dataclasses import replace

    call = call_of(Thing(name="one"), "total", 1, principal="bob")
    with pytest.raises(EmergeError):
        await pool.run(replace(call, bundles={}))
    with pytest.raises(EmergeError):
        await pool.run(replace(call, state=b"\xc1"))
    await works(pool)


async def test_plain_object_has_no_methods(pool: Pool) -> None:
    from dataclasses import replace

    call = call_of(Thing(name="one"), "total", 1)
    plain = replace(call, pointer=call.pointer | {"bundle": "", "class_name": ""}, bundles={})
    with pytest.raises(NotFound, match="EmergeFile has no method 'total'"):
        await pool.run(plain)


async def test_close_ends_every_process() -> None:
    pool = await Pool(2).start()
    call = asyncio.ensure_future(run(pool, "spin", timeout=60))
    await run(pool, "total", 1)
    for _ in range(6000):
        if len(pool.workers.processes) == 2:
            break
        await asyncio.sleep(0.01)  # the spinning one is being forked
    pids = [process.pid for process in pool.workers.processes]
    await pool.close()
    with pytest.raises((Unavailable, ExecutionFailed)):
        await call
    assert len(pids) == 2 and not any(is_alive(pid) for pid in pids)
    with pytest.raises(Unavailable, match="closed"):
        await run(pool, "total", 1)
