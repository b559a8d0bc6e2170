"""Two sides that call each other over one connection, and what a side that is not trusted gets away with: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import DEPTH_LIMIT
from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.operations import Answer
from emerge_wasm.wire import event
from emerge_wasm.wire.client import Reply, ReplyKind
from emerge_wasm.wire.duplex import LATE, Duplex
from emerge_wasm.wire.event import REQUEST_COST, Ids
from emerge_wasm.wire.link import Link
from emerge_wasm.wire.server import ChannelEnded, ServerChannel, ServerRequest
from tests.scale import examples

IDS = Ids()
ERROR: dict[str, Any] = {"code": "Invalid", "message": "x", "path": None, "remedy": None, "details": {}}


def working() -> tuple[Duplex, Duplex, bytes, ServerRequest]:
    """A host and a worker that is at a call."""
    host, worker = Duplex.of_host(requests=3), Duplex.of_worker()
    channel, payload = host.client.request("run", [1], 0)
    request = worker.receive(payload)
    assert isinstance(request, ServerRequest) and (request.name, request.args) == ("run", [1])
    return host, worker, channel, request


def test_items_and_then_a_result() -> None:
    host, worker, channel, request = working()
    for number in range(200):  # more than a stream is granted at once
        item = worker.server.item(request.channel, str(number))
        assert host.receive(item) == Reply(channel, ReplyKind.ITEM, str(number))
    assert host.receive(worker.server.ok(request.channel, 7)) == Reply(channel, ReplyKind.RESULT, 7)


def test_a_worker_believes_its_host_and_a_host_nobody() -> None:
    """Whatever a host can encode, a worker takes; what a worker sends is looked at."""
    host, worker, _, _ = working()
    dear: object = [[] for _ in range(REQUEST_COST // 5)]
    _, asked = worker.client.request("cat", ["/a"], 0)
    request = host.receive(asked)
    assert isinstance(request, ServerRequest)
    reply = worker.receive(host.server.ok(request.channel, dear))
    assert isinstance(reply, Reply) and reply.value == dear
    for args, why in (
        ([dear], "more than 1000000 values"),
        (event.Unopened(b"\x91" * DEPTH_LIMIT + b"\x90"), "deeper than"),
    ):
        with pytest.raises(Invalid, match=why):
            host.receive(worker.client.request("cat", args, 0)[1])


def test_errors_cross_whole() -> None:
    host, worker, _, request = working()
    error = LimitExceeded("too much", path="/a", remedy="less", limit="output", output="x")
    reply = host.receive(worker.server.error(request.channel, error))
    assert isinstance(reply, Reply) and reply.kind is ReplyKind.ERROR
    assert type(reply.value) is LimitExceeded and reply.value.to_wire() == error.to_wire()


def test_a_worker_calls_back_on_channels_of_its_own() -> None:
    host, worker, _, _ = working()
    channel, payload = worker.client.request("get", ["/a"], 0, {"umask": 7})
    asked = host.receive(payload)
    assert isinstance(asked, ServerRequest) and (asked.name, asked.args, asked.context) == ("get", ["/a"], {"umask": 7})
    assert worker.receive(host.server.ok(asked.channel, "b")) == Reply(channel, ReplyKind.RESULT, "b")


def test_an_end_may_come_late_a_few_times() -> None:
    host, worker, _, _ = working()
    channel, payload = worker.client.request("get", ["/a"], 0)
    asked = host.receive(payload)
    assert isinstance(asked, ServerRequest)
    end = worker.client.end(channel) or b""
    assert isinstance(host.receive(end), ChannelEnded)
    for _ in range(LATE):
        assert host.receive(end) is None
    with pytest.raises(Invalid, match="no request of its own"):
        host.receive(end)


class Talk:
    """A host and a worker that keep to the protocol, what each has sent and the other has not yet received, and the
    calls and requests of each."""

    def __init__(self) -> None:
        self.ends = (Duplex.of_host(requests=1000), Duplex.of_worker())
        self.sent: tuple[list[bytes], list[bytes]] = ([], [])
        self.calls: tuple[list[bytes], list[bytes]] = ([], [])
        self.asked: tuple[list[ServerChannel], list[ServerChannel]] = ([], [])
        self.heard = 0

    def step(self, deed: str, side: int, which: int) -> None:
        """Do this on a side; nothing where there is nothing to do it with."""
        me, sent, calls, asked = self.ends[side], self.sent[side], self.calls[side], self.asked[side]
        if deed == "call":
            channel, payload = me.client.request("get", [], 0)
            calls.append(channel)
            sent.append(payload)
        elif deed == "leave" and calls:
            sent.append(me.client.end(calls.pop(which % len(calls))) or b"")
        elif deed == "item" and asked and (channel_ := asked[which % len(asked)]).credit > 0:
            sent.append(me.server.item(channel_, 1))
        elif deed in ("ok", "done", "error") and asked:
            channel_ = asked.pop(which % len(asked))
            ending = {"ok": lambda: me.server.ok(channel_, 1), "done": lambda: me.server.done(channel_)}
            answer = ending.get(deed, lambda: me.server.error(channel_, NotFound("nothing there")))()
            assert isinstance(answer, bytes)
            sent.append(answer)
        elif deed == "hear" and self.sent[1 - side]:
            self.hear(side, self.sent[1 - side].pop(0))

    def hear(self, side: int, payload: bytes) -> None:
        action = self.ends[side].receive(payload)
        self.heard += 1
        if isinstance(action, ServerRequest):
            self.asked[side].append(action.channel)
        elif isinstance(action, ChannelEnded):
            self.asked[side].remove(action.channel)
        elif isinstance(action, Reply) and action.kind is not ReplyKind.ITEM:
            self.calls[side].remove(action.channel)


DEEDS = st.sampled_from(["call", "leave", "item", "ok", "done", "error", "hear", "hear", "hear"])


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(DEEDS, st.integers(0, 1), st.integers(0, 5)), min_size=40, max_size=80))
def test_who_keeps_to_the_protocol_is_never_refused(deeds: list[tuple[str, int, int]]) -> None:
    """A call that was given up may have been answered meanwhile, whatever crossed on the way."""
    talk = Talk()
    for deed in deeds:
        talk.step(*deed)
    while any(talk.sent):
        talk.step("hear", 0, 0)
        talk.step("hear", 1, 0)
    assert all(len(talk.ends[side].client) == len(talk.calls[side]) for side in (0, 1))


def test_a_call_that_was_given_up_is_answered_once() -> None:
    host, worker, channel, _ = working()
    answer = event.encode_on(IDS, channel, "OK", [7])
    host.client.end(channel)
    assert host.receive(answer) is None
    with pytest.raises(Invalid, match="what it was not asked"):
        host.receive(answer)
    host.client.credit = 2
    channel, payload = host.client.request("run", [], 0)
    again = worker.receive(payload)
    assert isinstance(again, ServerRequest)
    items = [worker.server.item(again.channel, "x") for _ in range(3)]
    host.client.end(channel)
    assert [host.receive(item) for item in items[:2]] == [None, None]
    with pytest.raises(Invalid, match="what it was not asked"):
        host.receive(items[2])  # more than were granted


def test_more_requests_than_there_may_be() -> None:
    host, worker, _, _ = working()
    payloads = [worker.client.request("get", [], 0)[1] for _ in range(4)]
    for payload in payloads[:3]:
        host.receive(payload)
    with pytest.raises(Invalid, match="3 requests of yours are under way"):
        host.receive(payloads[3])


def test_more_items_than_were_granted() -> None:
    host, worker, channel, _ = working()
    host.client.credit = 2
    channel, payload = host.client.request("run", [], 0)
    request = worker.receive(payload)
    assert isinstance(request, ServerRequest)
    for _ in range(2):
        host.receive(worker.server.item(request.channel, "x"))
    with pytest.raises(Invalid, match="more than it was granted"):
        host.receive(worker.server.item(request.channel, "x"))
    assert channel not in host.client


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x91" * 5000, b"\x93\x80\xa2OK", event.encode({}, "OK", [1])])
def test_what_is_no_event(payload: bytes) -> None:
    host, _, _, _ = working()
    with pytest.raises(Invalid):
        host.receive(payload)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("OK", []),
        ("OK", [1, 2]),
        ("OK", None),
        ("_zpc_hb", [0]),
        ("_zpc_more", [5]),
        ("_emerge_end", []),
        ("run", [1]),
        ("ERR", ["E", "m", None]),
    ],
)
def test_what_is_no_answer(name: str, args: Any) -> None:
    host, _, channel, _ = working()
    with pytest.raises(Invalid):
        host.receive(event.encode_on(IDS, channel, name, args))


@pytest.mark.parametrize(
    "error",
    [
        None,
        [],
        {},
        {**ERROR, "code": 1},
        {**ERROR, "path": 1},
        {**ERROR, "details": []},
        {**ERROR, "details": {"message": "y"}},
        {**ERROR, "details": {1: "y"}},
    ],
)
def test_what_is_no_error(error: object) -> None:
    host, _, channel, _ = working()
    with pytest.raises(Invalid, match="impossible error"):
        host.receive(event.encode({"response_to": channel, "error": error}, "ERR", ["E", "m", None]))


@pytest.mark.parametrize("name", ["OK", "ERR", "STREAM", "STREAM_DONE", "_zpc_hb", "other"])
@pytest.mark.parametrize("channel", [b"nobody", "text", 5, [1], {}])
def test_what_belongs_to_no_channel(name: str, channel: object) -> None:
    host, _, _, _ = working()
    with pytest.raises(Invalid):
        host.receive(event.encode({"message_id": IDS(), "response_to": channel}, name, [1]))


@pytest.mark.parametrize(
    ("header", "args"),
    [
        ({}, []),
        ({"message_id": 5}, []),
        ({"message_id": b"m"}, {"a": 1}),
        ({"message_id": b"m", "context": [1]}, []),
        ({"message_id": b"taken"}, []),
    ],
)
def test_what_is_no_request(header: dict[str, Any], args: Any) -> None:
    host, _, _, _ = working()
    host.receive(event.encode({"message_id": b"taken"}, "get", []))
    with pytest.raises(Invalid):
        host.receive(event.encode(header, "get", args))


def test_a_againon_a_channel_of_the_host() -> None:
    host, _, channel, _ = working()
    with pytest.raises(Invalid, match="not its own"):
        host.receive(event.encode({"message_id": channel}, "get", []))


# --- in asyncio
class Pair:
    """A host and a worker whose events reach each other in the next turn of the loop."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.cancelled = 0
        self.host = self.make(Duplex.of_host(requests=10), self.serve, lambda: self.worker)
        self.worker = self.make(Duplex.of_worker(), self.work, lambda: self.host)

    def make(self, duplex: Duplex, handle: Any, other: Any) -> Link:
        loop = asyncio.get_running_loop()
        return Link(duplex, lambda payload: loop.call_soon(lambda: other().receive(payload)) and None, handle)

    def serve(self, request: ServerRequest) -> Answer:
        return self.count(*request.args) if request.name == "count" else self.double(*request.args)

    async def double(self, number: int) -> int:
        if number < 0:
            raise NotFound("nothing there")
        return 2 * number

    async def count(self, most: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(most):
                yield number
        except GeneratorExit:
            self.cancelled += 1
            raise

    async def work(self, request: ServerRequest) -> Any:
        self.worker.item(request.channel, "begun")
        return await getattr(self, request.name)(*request.args)

    async def ask(self, number: int) -> Any:
        return await self.worker.call("double", [number])

    async def add(self, most: int) -> int:
        return sum([number async for number in self.worker.stream("count", [most])])

    async def leave(self) -> None:
        items = self.worker.stream("count", [10_000])
        async for _ in items:
            break
        await items.aclose()
        await asyncio.sleep(0.01)

    async def hang(self) -> None:
        await asyncio.sleep(60)


async def test_calls_within_a_call() -> None:
    pair = Pair()
    assert await pair.host.call("ask", [3], hear=pair.heard.append) == 6
    assert await pair.host.call("add", [1000], hear=pair.heard.append) == 499_500
    with pytest.raises(NotFound):
        await pair.host.call("ask", [-1], hear=pair.heard.append)
    assert pair.heard == ["begun"] * 3 and not pair.host.busy and not pair.worker.busy


async def test_a_stream_that_is_left_ends() -> None:
    pair = Pair()
    await pair.host.call("leave", [], hear=pair.heard.append)
    assert pair.cancelled == 1 and not pair.host.busy


async def test_what_hears_the_items_may_end_the_call() -> None:
    def refuse(item: object) -> None:
        raise LimitExceeded("too much")

    pair = Pair()
    with pytest.raises(LimitExceeded):
        await pair.host.call("hang", [], hear=refuse)
    await asyncio.sleep(0.01)
    assert not pair.host.busy and not pair.worker.busy


async def test_losing_the_connection_ends_both_directions() -> None:
    pair = Pair()
    call = asyncio.ensure_future(pair.host.call("hang", [], hear=pair.heard.append))
    await asyncio.sleep(0.01)
    pair.host.lose(Unavailable("gone"))
    pair.worker.lose(Unavailable("gone"))
    with pytest.raises(EmergeError, match="gone"):
        await call
    await pair.worker.cancel()
    assert not pair.host.busy and not pair.worker.busy
