"""Durable flows: each step is done once and remembered, whoever dies, waits or interferes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeFile, ExecutionFailed, Invalid, NotFound, Unavailable
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.flows import Flow, StepFailed, cancel, flow_status, list_flows, resume, run_flow, start, step, work
from emerge_wasm.flows.replay import replay
from emerge_wasm.operations import Values, Wire
from emerge_wasm.stores import open_store


@dataclass
class Till(EmergeFile):
    total: int = 0

    def put(self, amount: int) -> int:
        self.total += amount
        return self.total


@dataclass
class Shopping(Flow):
    """Pays into tills, one step each, and remembers here what it paid."""

    amounts: list[int] = field(default_factory=list)
    paid: list[int] = field(default_factory=list)
    pause: float = 0.0
    apart: bool = False

    @step(backoff=0.0, retries=100)
    def pay(self, fs, amount: int) -> int:
        till = fs.getobject("/till")
        till.total += amount
        fs.store(till)
        self.paid.append(amount)
        return till.total

    @step(transaction=False, backoff=0.0, retries=100)
    def pay_apart(self, fs, amount: int) -> int:
        fs.run("/till", "put", 0)
        self.paid.append(amount)
        return fs.run("/till", "put", amount)

    def run(self) -> list[int]:
        totals = []
        for amount in self.amounts:
            totals.append((self.pay_apart if self.apart else self.pay)(amount))
            if self.pause:
                self.sleep(self.pause)
        return totals


@dataclass
class Fragile(Flow):
    """Fails as often as it is told, and no more."""

    fails: int = 0
    caught: str = ""

    @step(retries=2, backoff=60)
    def try_it(self, fs) -> str:
        fs.update("/till", total=99)
        self.caught = "no"
        tries = fs.getobject("/tries")
        if tries.data <= self.fails:
            raise ValueError(f"not yet, at {tries.data}")
        return "done"

    @step
    def note(self, text: str) -> None:
        self.caught = text

    def run(self) -> str:
        try:
            return self.try_it()
        except StepFailed as error:
            self.note(error.message)
            raise


class Now:
    """A clock that a test can put on."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 30, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


class Dying(LocalTransport):
    """Lets a call through that can be told never to be answered: before it is done, or after."""

    fates: list[str]

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        fate = self.fates.pop() if getattr(self, "fates", None) else "lives"
        if fate == "before":
            raise Unavailable("the node is gone")
        answer = await super().call(name, args, context)
        if fate == "after":
            raise Unavailable("the node is gone", unknown=True)
        return answer


@pytest.fixture
def transport() -> list[Dying]:
    return []


@pytest.fixture
def fs(transport: list[Dying]) -> Iterator[SyncClient]:
    async def opened() -> Client:
        filesystem = await Filesystem.open(await open_store("memory:"), runner=Here(given=give_filesystem))
        transport.append(Dying(filesystem))
        return Client(transport[0])

    with SyncClient(opened) as fs:
        fs.storeall([Till(name="till"), EmergeFile(name="tries", data=1)])
        yield fs


def total(fs: SyncClient) -> int:
    return int(fs.cat("/till.total"))


# --- once
@pytest.mark.parametrize("apart", [False, True])
def test_each_step_is_done_once_and_its_record_is_an_object(fs: SyncClient, apart: bool) -> None:
    start(fs, Shopping(amounts=[1, 2, 3], apart=apart), "/flows/x")
    assert flow_status(fs, "/flows/x")["status"] == "ready"
    assert [run_flow(fs, "/flows/x") for _ in range(2)] == [[1, 3, 6]] * 2
    name = "pay_apart" if apart else "pay"
    assert [each.name for each in fs.list("/flows/x")] == [*(f"{n:04} {name}" for n in (1, 2, 3)), "flow"]
    assert (total(fs), fs.cat("/flows/x/flow.paid")) == (6, [1, 2, 3])
    told = flow_status(fs, "/flows/x")
    assert told["status"] == "done" and [each["result"] for each in told["steps"]] == [1, 3, 6]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deaths=st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["before", "after"])), max_size=6),
    amounts=st.lists(st.integers(1, 9), max_size=4),
    apart=st.booleans(),
)
def test_a_flow_whose_runner_dies_at_any_call_does_each_step_once(
    fs: SyncClient, transport: list[Dying], deaths: list[tuple[int, str]], amounts: list[int], apart: bool
) -> None:
    fs.update("/till", total=0)
    with suppress(NotFound):
        fs.rm("/flows/x", recursive=True)
    start(fs, Shopping(amounts=amounts, apart=apart), "/flows/x")
    while True:
        lives, fate = deaths.pop() if deaths else (0, "lives")
        transport[0].fates = [fate, *["lives"] * lives]
        try:
            result = run_flow(fs, "/flows/x")
            break
        except Unavailable:
            continue
        finally:
            transport[0].fates = []
    assert result == [sum(amounts[: n + 1]) for n in range(len(amounts))]
    assert (total(fs), fs.cat("/flows/x/flow.paid")) == (sum(amounts), amounts)


def test_several_may_run_one_flow(fs: SyncClient) -> None:
    amounts = list(range(1, 9))
    start(fs, Shopping(amounts=amounts), "/flows/x")
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: run_flow(fs, "/flows/x"), range(4)))
    assert results == [[sum(amounts[: n + 1]) for n in range(8)]] * 4
    assert (total(fs), fs.cat("/flows/x/flow.paid")) == (36, amounts)


def test_flows_that_change_the_same_object_all_count(fs: SyncClient) -> None:
    for number in range(6):
        start(fs, Shopping(amounts=[1, 1]), f"/flows/{number}")
    work(fs, until_idle=True)
    assert total(fs) == 12 and {each["status"] for each in list_flows(fs)} == {"done"}


# --- failures, and time
def test_a_step_that_fails_changes_nothing_and_is_tried_again_later_and_later(fs: SyncClient) -> None:
    now = Now()
    start(fs, Fragile(fails=2), "/flows/x")
    for attempt, pause in ((1, 60), (2, 120)):
        fs.update("/tries", data=attempt)
        assert replay(fs, "/flows/x", now).status == "waiting"
        now.moment += timedelta(seconds=pause - 1)
        assert replay(fs, "/flows/x", now).status == "waiting", "not before its time"
        (tried,) = flow_status(fs, "/flows/x")["steps"]
        assert (tried["attempts"], tried["error"]) == (attempt, f"ValueError: not yet, at {attempt}")
        assert (total(fs), fs.cat("/flows/x/flow.caught")) == (0, "")
        now.moment += timedelta(seconds=1)
    fs.update("/tries", data=3)
    assert (flow := replay(fs, "/flows/x", now)).status == "done" and flow.result == "done" and total(fs) == 99


def test_a_step_that_fails_for_good_is_raised_each_time_and_can_be_resumed(fs: SyncClient) -> None:
    now = Now()
    start(fs, Fragile(fails=1), "/flows/x")
    for _ in range(5):
        flow = replay(fs, "/flows/x", now)
        now.moment += timedelta(hours=1)
    assert flow.status == "failed" and "not yet, at 1" in flow.error and "not yet" in flow.caught
    with pytest.raises(ExecutionFailed, match=r"failed.*not yet, at 1.*resume"):
        run_flow(fs, "/flows/x")
    assert [each["status"] for each in flow_status(fs, "/flows/x")["steps"]] == ["failed", "done"]
    fs.update("/tries", data=2)
    assert resume(fs, "/flows/x") and not resume(fs, "/flows/x")
    assert replay(fs, "/flows/x", now).status == "done" and total(fs) == 99


def test_sleep_is_counted_from_when_it_began_whoever_goes_on(fs: SyncClient) -> None:
    now = Now()
    start(fs, Shopping(amounts=[1, 2], pause=3600), "/flows/x")
    for expected in (1, 3):
        assert replay(fs, "/flows/x", now).status == "waiting" and total(fs) == expected
        now.moment += timedelta(minutes=59)
        assert replay(fs, "/flows/x", now).status == "waiting" and total(fs) == expected
        now.moment += timedelta(minutes=1)
    assert replay(fs, "/flows/x", now).result == [1, 3]


# --- others interfere
def test_a_cancelled_flow_goes_no_further(fs: SyncClient) -> None:
    start(fs, Shopping(amounts=[1]), "/flows/x")
    assert cancel(fs, "/flows/x") and not cancel(fs, "/flows/x")
    with pytest.raises(ExecutionFailed, match="cancelled"):
        run_flow(fs, "/flows/x")
    assert total(fs) == 0
    assert resume(fs, "/flows/x") and run_flow(fs, "/flows/x") == [1]
    assert not cancel(fs, "/flows/x")


def test_a_flow_that_takes_another_way_is_told(fs: SyncClient) -> None:
    start(fs, Shopping(amounts=[1], pause=3600), "/flows/x")
    now = Now()
    replay(fs, "/flows/x", now)
    fs.update("/flows/x/flow", apart=True)
    now.moment += timedelta(hours=2)
    with pytest.raises(Invalid, match=r"step 1 was pay and is pay_apart now.*depend on what its steps return"):
        replay(fs, "/flows/x", now)
    fs.update("/flows/x/flow", apart=False)
    assert replay(fs, "/flows/x", now).result == [1] and total(fs) == 1


def test_what_is_no_flow_is_told(fs: SyncClient) -> None:
    with pytest.raises(Invalid, match="Till is no flow"):
        start(fs, Till(), "/flows/x")  # type: ignore[arg-type]
    fs.mkdir("/empty")
    for path in ("/flows/x", "/flows", "/empty", "/", "/till", "/till/x"):
        for ask in (flow_status, cancel, resume, run_flow):
            with pytest.raises((NotFound, Invalid), match=f"there is no flow at {path} ") as caught:
                ask(fs, path)
            assert caught.value.path == path and "emerge flow list" in str(caught.value.remedy)
    start(fs, Shopping(), "/flows/x")
    with pytest.raises(Conflict, match="/flows/x"):
        start(fs, Shopping(), "/flows/x")
    with pytest.raises(NotImplementedError):
        Flow().run()
    with pytest.raises(Invalid, match="only while it is run"):
        Shopping().sleep(1)
    assert Fragile().note("a method as any") is None


def test_a_step_cannot_return_what_cannot_be_written(fs: SyncClient) -> None:
    start(fs, Unwritable(), "/flows/x")
    with pytest.raises(ExecutionFailed, match=r"failed.*cannot"):
        run_flow(fs, "/flows/x")


@dataclass
class Unwritable(Flow):
    @step(retries=0)
    def bad(self) -> Any:
        return (each for each in "abc")

    def run(self) -> Any:
        return self.bad()
