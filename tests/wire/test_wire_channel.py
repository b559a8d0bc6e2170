"""Both ends of the channels, fed to one another with a clock of the test's own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import ExecutionFailed, LimitExceeded, NotFound, Unavailable
from emerge_wasm.wire import event
from emerge_wasm.wire.client import ClientProtocol, ReplyKind
from emerge_wasm.wire.event import Ids
from emerge_wasm.wire.server import FEW, ChannelEnded, CreditGranted, RequestRefused, ServerChannels, ServerRequest
from tests.scale import examples

IDS = Ids()


def opened(client: ClientProtocol, server: ServerChannels, name: str = "get", now: float = 0.0) -> tuple[bytes, Any]:
    channel, payload = client.request(name, ["/a"], now)
    request = server.receive("peer", payload, now)
    assert isinstance(request, ServerRequest) and (request.name, request.args) == (name, ["/a"])
    return channel, request.channel


def test_request_and_reply() -> None:
    client, server = ClientProtocol(), ServerChannels()
    channel, answering = opened(client, server)
    assert client.receive(server.ok(answering, {"n": 1}), 0.1) == [(channel, ReplyKind.RESULT, {"n": 1})]
    assert len(client) == len(server) == 0


def test_error() -> None:
    client, server = ClientProtocol(), ServerChannels()
    _, answering = opened(client, server)
    (reply,) = client.receive(server.error(answering, NotFound("no", path="/a")), 0.1)
    assert reply.kind is ReplyKind.ERROR and type(reply.value) is NotFound and reply.value.path == "/a"


def test_a_result_that_cannot_be_packed_or_is_too_long_is_an_error() -> None:
    for value, limit in ((object(), 10_000), (b"x" * 20_000, 10_000)):
        client, server = ClientProtocol(), ServerChannels(limit=limit)
        _, answering = opened(client, server)
        (reply,) = client.receive(server.ok(answering, value), 0.1)
        assert reply.kind is ReplyKind.ERROR and len(server) == 0


def test_a_stream_waits_for_credit_and_grants_come_in_time() -> None:
    client, server = ClientProtocol(slots=10), ServerChannels()
    channel, answering = opened(client, server, "dir")
    taken = 0
    for number in range(100):
        assert answering.credit > 0, f"no credit for item {number}"
        assert client.receive(server.item(answering, number), 0.0) == [(channel, ReplyKind.ITEM, number)]
        taken += 1
        grant = client.took(channel)
        if grant is not None:
            assert isinstance(server.receive("peer", grant, 0.0), CreditGranted)
        assert answering.credit <= 10
    assert client.receive(server.done(answering), 0.0) == [(channel, ReplyKind.DONE, None)]
    assert taken == 100 and len(client) == len(server) == 0


@pytest.mark.parametrize("slots", [0, 1, 3, 20])
def test_an_unread_stream_gets_no_more_than_its_slots(slots: int) -> None:
    """Its own, or those of all streams."""
    client, server = ClientProtocol(slots=10), ServerChannels()
    channel, payload = client.request("dir", [], 0.0, slots=slots)
    request = server.receive("peer", payload, 0.0)
    assert isinstance(request, ServerRequest)
    answering = request.channel
    client.receive(server.item(answering, 0), 0.0)
    assert answering.credit == 0
    server.receive("peer", client.took(channel) or b"", 0.0)
    sent = 0
    while answering.credit:
        client.receive(server.item(answering, sent), 0.0)
        sent += 1
    assert sent == (slots or 10)


def test_a_server_that_ignores_credit_is_cut_off() -> None:
    client, server = ClientProtocol(), ServerChannels()
    _, answering = opened(client, server, "dir")
    client.receive(server.item(answering, 0), 0.0)
    (reply,) = client.receive(server.item(answering, 1), 0.0)
    assert isinstance(reply.value, LimitExceeded) and len(client) == 0


@pytest.mark.parametrize("args", [[3], [0], [-1], ["x"], [], None, [True], [10**9], [2.5]])
def test_grants_add_and_bad_ones_do_nothing(args: Any) -> None:
    client, server = ClientProtocol(), ServerChannels()
    channel, answering = opened(client, server)
    action = server.receive("peer", event.encode_on(IDS, channel, "_zpc_more", args), 0.0)
    assert (isinstance(action, CreditGranted), answering.credit) == ((True, 4) if args == [3] else (False, 1))


def test_both_sides_beat_and_stay() -> None:
    client, server = ClientProtocol(heartbeat=5), ServerChannels(heartbeat=5)
    opened(client, server)
    for tick in range(1, 40):
        now = tick * 2.5
        sent, lost = client.tick(now)
        assert len(sent) == 1 and not lost
        assert server.receive("peer", sent[0], now) is None
        beats, gone = server.tick(now)
        assert len(beats) == 1 and not gone
        assert client.receive(beats[0][1], now) == []


def test_the_first_beat_comes_before_one_interval_and_not_at_once() -> None:
    client, server = ClientProtocol(heartbeat=5), ServerChannels(heartbeat=5)
    opened(client, server)
    assert client.tick(2.4) == ([], []) and server.tick(2.4) == ([], [])
    assert len(client.tick(2.5).send) == len(server.tick(2.5).send) == 1


def test_silence_is_a_loss_after_three_intervals() -> None:
    client, server = ClientProtocol(heartbeat=5), ServerChannels(heartbeat=5)
    channel, answering = opened(client, server)
    assert not client.tick(15.0).replies and not server.tick(15.0).lost
    ((lost, kind, error),) = client.tick(15.1).replies
    assert (lost, kind) == (channel, ReplyKind.ERROR) and type(error) is Unavailable and "unknown" in str(error)
    assert server.tick(15.1).lost == [answering] and not answering.open
    assert len(client) == len(server) == 0


def test_ending_a_channel_reaches_the_server() -> None:
    client, server = ClientProtocol(), ServerChannels()
    channel, answering = opened(client, server, "watch")
    end = client.end(channel)
    assert server.receive("peer", end or b"", 0.0) == ChannelEnded(answering)
    assert client.end(channel) is None
    assert server.receive("peer", end or b"", 0.0) is None and server.dropped == 1
    assert client.receive(server.ok(answering, 1), 0.0) == [] and client.dropped == 1


def test_two_peers_with_the_same_id_do_not_meet() -> None:
    server = ServerChannels()
    payload = event.encode({"message_id": b"same", "v": 3}, "get", [])
    one, two = server.receive("one", payload, 0.0), server.receive("two", payload, 0.0)
    assert isinstance(one, ServerRequest) and isinstance(two, ServerRequest) and len(server) == 2
    assert server.receive("one", payload, 0.0) is None
    server.close(one.channel)
    assert server.of_peer("two") == [two.channel] and server.of_peer("one") == []


@pytest.mark.parametrize("key", ["text", b"bytes"])
def test_an_id_is_echoed_with_its_type(key: bytes | str) -> None:
    server = ServerChannels()
    request = server.receive("p", event.encode({"message_id": key}, "get", []), 0.0)
    assert isinstance(request, ServerRequest)
    assert event.decode(server.ok(request.channel, None)).header["response_to"] == key


@settings(max_examples=examples(30), deadline=None)
@given(
    each=st.integers(1, 40),
    total=st.integers(8, 60),
    greedy=st.lists(st.sampled_from("abcdef"), min_size=40, max_size=120),
    connections=st.integers(1, 3),
)
def test_nobody_takes_the_room_of_another(each: int, total: int, greedy: list[str], connections: int) -> None:
    """Whatever others ask for, through however many connections, who has nothing under way is let in."""
    server = ServerChannels(each=each, total=total, account=lambda peer, _: str(peer)[0])
    load = Counter[str]()

    def ask(peer: str) -> bool:
        action = server.receive(peer, event.encode({"message_id": IDS()}, "get", []), 0.0)
        if isinstance(action, RequestRefused):
            error = event.read_error(event.decode(action.payload))
            assert type(error) is LimitExceeded and str(load[peer[0]]) in error.message
            return False
        load[peer[0]] += 1
        return True

    for number, who in enumerate(greedy):
        ask(f"{who}{number % connections}")
    assert max(load.values()) <= each
    assert all(load[who] >= min(FEW, each, greedy.count(who)) for who in load)
    assert sum(load.values()) <= total + FEW * len(load)
    assert all(ask(f"new{number}") for number in range(min(FEW, each)))


def test_what_cannot_be_read_is_answered_where_there_is_a_channel() -> None:
    server = ServerChannels(limit=1000)
    good = event.encode({"message_id": b"m"}, "get", [])
    bad_args = good[:-1] + b"\xc1"
    for payload in (bad_args, good[:-1] + b"\x05", event.encode({"message_id": b"m"}, "get", [b"x" * 2000])):
        refused = server.receive("p", payload, 0.0)
        assert isinstance(refused, RequestRefused) and event.decode(refused.payload).header["response_to"] == b"m"
    for payload in (b"", b"\xc1", event.encode({}, "get", []), event.encode({"message_id": 5}, "get", [])):
        assert server.receive("p", payload, 0.0) is None
    for key in (b"nobody", 5, [1], {}):
        assert server.receive("p", event.encode({"response_to": key}, "get", []), 0.0) is None
    assert len(server) == 0


@pytest.mark.parametrize(
    ("name", "args", "kind"),
    [
        ("OK", [], "Invalid"),
        ("OK", None, "Invalid"),
        ("nonsense", [1], "Invalid"),
        ("ERR", ["E", "m", None], "ExecutionFailed"),
    ],
)
def test_a_strange_answer_is_an_error(name: str, args: Any, kind: str) -> None:
    client = ClientProtocol()
    channel, _ = client.request("get", [], 0.0)
    (reply,) = client.receive(event.encode_on(IDS, channel, name, args), 0.0)
    assert reply.kind is ReplyKind.ERROR and reply.value.code == kind


def test_a_reply_with_a_bare_header_is_accepted() -> None:
    client = ClientProtocol()
    channel, _ = client.request("get", [], 0.0)
    assert client.receive(event.encode({"response_to": channel}, "OK", [1]), 0.0) == [(channel, ReplyKind.RESULT, 1)]


def test_unreadable_and_unknown_answers_are_dropped_and_counted() -> None:
    client = ClientProtocol()
    channel, _ = client.request("get", [], 0.0)
    for payload in (b"", b"\xc1", event.encode({"response_to": b"?"}, "OK", [1]), event.encode({}, "OK", [1])):
        assert client.receive(payload, 0.0) == []
    assert client.dropped == 4 and len(client) == 1
    broken = event.encode_on(IDS, channel, "OK", [1])[:-1]
    (reply,) = client.receive(broken, 0.0)
    assert reply.kind is ReplyKind.ERROR


def test_losing_the_connection_ends_everything() -> None:
    client = ClientProtocol()
    channels = {client.request("get", [], 0.0)[0] for _ in range(3)}
    replies = client.lose(Unavailable("gone", remedy="look", endpoint="here"))
    assert {reply.channel for reply in replies} == channels and len(client) == 0
    errors = [reply.value for reply in replies]
    assert len(set(map(id, errors))) == 3  # raised by each: one for all would collect the tracebacks of all
    said = {(type(each), each.remedy, each.details["endpoint"]) for each in errors}
    assert said == {(Unavailable, "look", "here")}
    assert not isinstance(replies[0].value, ExecutionFailed)
