"""The kernel's half of guest workers against the guests' own, in one loop.

What the worker itself keeps in is tests/page/test_closed.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.guests.pool import FORBIDDEN, KEPT, MOST, REQUESTS, GuestPool
from emerge_wasm.browser.guests.worker import GuestSession
from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
from emerge_wasm.errors import EmergeError, ExecutionFailed, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.wire import event
from emerge_wasm.wire.event import Ids


@dataclass
class Item(EmergeFile):
    count: int = 1

    def add(self, many: int) -> int:
        print("adding")  # noqa: T201  # that it is heard is tested
        self.count += many
        return self.count

    async def names(self, afs: Any) -> list[str]:
        return [pointer.name for pointer in await afs.list("/")]

    async def follow(self, afs: Any) -> list[str]:
        return [pointer.name async for pointer in afs.dir("/")]

    async def wait(self) -> None:
        import asyncio

        await asyncio.Event().wait()

    def fail(self) -> None:
        raise ValueError("no")


POINTER: dict[str, Any] = {
    **dict.fromkeys(("uuid", "name", "type", "perms", "group", "revision", "date", "node"), "x"),
    **{"path": "/", "class_name": "Item", "owner": "mallory", "size": 1, "version": 1},
}


def call(method: str, *args: Any, owner: str = "mallory", timeout: float = 5.0, nested: bool = False) -> RunCall:
    bundles = capture(Item)
    pointer = {**POINTER, "bundle": bundles[-1].hash, "owner": owner}
    known = {bundle.hash: bundle.data for bundle in bundles}
    state = pack_state(Item(), lambda _: bundles[-1].hash)
    return RunCall("/x", pointer, state, known, method, list(args), {}, timeout, "", nested)


class Files:
    """The Host of a call: two entries, and what was printed."""

    def __init__(self) -> None:
        self.text = ""

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        if name != "list":
            raise PermissionDenied(f"no {name} here")
        return {"entries": [{**POINTER, "bundle": "", "name": name} for name in "ab"], "cursor": ""}

    async def stream(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        for name in "ab":
            yield {**POINTER, "bundle": "", "name": name}

    def write(self, text: str) -> None:
        self.text += text


class Yard:
    """Starts guests in this very loop; `keep` is given each."""

    def __init__(self, keep: Callable[[GuestSession], object] = lambda session: None) -> None:
        self.keep = keep
        self.opened = 0
        self.closed = 0

    async def open(self, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Any:
        self.opened += 1
        yard, guest = self, GuestSession(hear)
        self.keep(guest)

        class Channel:
            def send(self, data: bytes) -> None:
                guest.hear(data)

            def close(self) -> None:
                yard.closed += 1
                guest.link.lose(Unavailable("ended"))

        return Channel()


async def test_a_call_runs_and_its_output_comes() -> None:
    closed, host = GuestPool(Yard().open), Files()
    outcome = await closed.run(call("add", 2), host)
    assert outcome.result == 3
    assert outcome.state is not None
    assert host.text == outcome.output == "adding\n"
    assert not closed.busy


@pytest.mark.parametrize("method", ["names", "follow"])
async def test_it_asks_its_host_for_the_filesystem(method: str) -> None:
    assert (await GuestPool(Yard().open).run(call(method), Files())).result == ["a", "b"]


async def test_what_it_raises_comes_back() -> None:
    with pytest.raises(ExecutionFailed, match="ValueError: no"):
        await GuestPool(Yard().open).run(call("fail"), Files())


async def test_a_guest_is_of_one_author() -> None:
    yard = Yard()
    closed = GuestPool(yard.open)
    for owner in ("mallory", "mallory", "oscar", "mallory"):
        await closed.run(call("add", 1, owner=owner), Files())
    assert yard.opened == 2
    for number in range(KEPT + 1):
        await closed.run(call("add", 1, owner=f"other{number}"), Files())
    assert yard.opened - yard.closed == KEPT


async def test_one_that_is_late_or_cancelled_is_ended() -> None:
    yard = Yard()
    closed = GuestPool(yard.open)
    with pytest.raises(LimitExceeded) as caught:
        await closed.run(call("wait", timeout=0.05), Files())
    assert caught.value.details["limit"] == "wall time"
    waiting = asyncio.ensure_future(closed.run(call("wait"), Files()))
    await asyncio.sleep(0.05)
    assert closed.busy
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert yard.opened == yard.closed == 2
    assert (await closed.run(call("add", 1), Files())).result == 2


async def test_calls_that_others_wait_for_have_a_limit() -> None:
    closed = GuestPool(Yard().open)
    waiting = [asyncio.ensure_future(closed.run(call("wait", nested=True), Files())) for _ in range(MOST)]
    await asyncio.sleep(0.05)
    with pytest.raises(LimitExceeded, match="at work"):
        await closed.run(call("add", 1, nested=True), Files())
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


# --- what a guest must not send
class Liar:
    """A guest that answers what the kernel sends by events of its own making."""

    def __init__(self, answer: Callable[[Any], list[bytes]]) -> None:
        self.answer = answer
        self.closed = 0

    async def open(self, hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Any:
        liar = self

        class Channel:
            def send(self, data: bytes) -> None:
                asked = event.decode(data)
                if asked.name == "run":
                    for said in liar.answer(asked.header["message_id"]):
                        hear(said)

            def close(self) -> None:
                liar.closed += 1

        return Channel()


IDS = Ids()
GOOD: list[Any] = [1, None, "", 0.0, "digest"]


def ok(value: object) -> Callable[[bytes], list[bytes]]:
    return lambda channel: [event.encode_ok(IDS, channel, value)]


def error(said: object) -> Callable[[bytes], list[bytes]]:
    return lambda channel: [event.encode({"response_to": channel, "error": said}, "ERR", ["E", "m", None])]


@pytest.mark.parametrize(
    "answer",
    [
        lambda channel: [b""],
        lambda channel: [b"\xc1"],
        lambda channel: [event.encode_ok(IDS, b"other", GOOD)],
        lambda channel: [event.encode_on(IDS, channel, "nonsense", [1])],
        lambda channel: [event.encode_on(IDS, channel, "STREAM", 5)],
        lambda channel: [event.encode({"message_id": channel}, "list", ["/"])],
        lambda channel: [event.encode({"message_id": IDS()}, "list", ["/"])] * 2,
        lambda channel: [event.encode({"message_id": IDS()}, "list", ["/"]) for _ in range(REQUESTS + 1)],
        ok(None),
        ok([1]),
        ok([1, "state", "", 0.0, "digest"]),
        ok([1, None, b"", 0.0, "digest"]),
        ok([1, None, "", "0", "digest"]),
        ok([1, None, "", 0.0, None]),
        ok([*GOOD, 1]),
        ok({"result": 1}),
        error(None),
        error({"code": "Invalid", "message": "m", "path": None, "remedy": None, "details": {"path": 1}}),
    ],
)
async def test_what_is_no_answer_ends_it(answer: Callable[[Any], list[bytes]]) -> None:
    liar, host = Liar(answer), Files()
    with pytest.raises(EmergeError, match=FORBIDDEN):
        await GuestPool(liar.open).run(call("add", 1), host)
    assert liar.closed == 1


async def test_the_end_of_a_stream_is_no_result() -> None:
    liar = Liar(lambda channel: [event.encode_on(IDS, channel, "STREAM_DONE", None)])
    with pytest.raises(EmergeError, match="streams"):
        await GuestPool(liar.open).run(call("add", 1), Files())


async def test_output_without_end_ends_it() -> None:
    liar = Liar(lambda channel: [event.encode_on(IDS, channel, "STREAM", "x" * 1000)] * 2000)
    with pytest.raises(LimitExceeded) as caught:
        await GuestPool(liar.open).run(call("add", 1), Files())
    assert caught.value.details["limit"] == "output"
    assert liar.closed == 1


async def test_a_guest_that_is_idle_and_sends_something_is_not_used_again() -> None:
    hearers: list[Callable[[bytes], None]] = []
    yard = Yard()

    async def open(hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Any:
        hearers.append(hear)
        return await yard.open(hear, lost)

    pool = GuestPool(open)
    await pool.run(call("add", 1), Files())
    hearers[0](event.encode_ok(IDS, b"nobody", GOOD))
    await asyncio.sleep(0.01)
    await pool.run(call("add", 1), Files())
    assert (yard.opened, yard.closed) == (2, 1)


async def test_one_that_is_lost_is_told() -> None:
    async def open(hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Any:
        class Channel:
            def send(self, data: bytes) -> None:
                asyncio.get_running_loop().call_soon(lost, "it crashed")

            def close(self) -> None: ...

        return Channel()

    with pytest.raises(ExecutionFailed, match="it crashed"):
        await GuestPool(open).run(call("add", 1), Files())


async def test_outside_of_a_call_it_reaches_nothing() -> None:
    sessions: list[GuestSession] = []
    yard = Yard(keep=sessions.append)
    host = Files()
    await GuestPool(yard.open).run(call("add", 1), host)
    with pytest.raises(Unavailable):
        await sessions[0].link.call("list", ["/"])
