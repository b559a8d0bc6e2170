"""The server and its transport over real sockets, and the real zerorpc client against both."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import sleep
from typing import Any

import pytest
import zmq

from emerge_wasm.clients.transports.zeromq import DrainedSocket, ZeroMQTransport
from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.filesystem import RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import TABLE, Answer, Context, find_operation
from emerge_wasm.wire import event

from .conftest import Connect, StartNode, eventually

FREE = "tcp://127.0.0.1:0"


class Service:
    """A small dispatch of the tests' own."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0

    def dispatch(self, name: str, args: list[Any], context: Context) -> Answer:
        handler = getattr(self, "do_" + name, None)
        if handler is None:
            find_operation(name)
            raise Invalid(f"{name} is not served here")
        answer: Answer = handler(*args)
        return answer

    async def do_echo(self, value: Any) -> Any:
        return value

    async def do_hold(self, seconds: float) -> None:
        await asyncio.sleep(0)
        sleep(seconds)  # noqa: ASYNC251  # this is what must not be

    async def do_slow(self, seconds: float) -> str:
        self.begun += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "late"

    async def do_fail(self, kind: str) -> None:
        raise NotFound("nothing there", path="/a", remedy="look") if kind == "ours" else KeyError("a bug")

    async def do_unwritable(self) -> Any:
        return object()

    async def do_count(self, upto: int) -> AsyncIterator[int]:
        try:
            for number in range(upto):
                yield number
        finally:
            self.cancelled += 1

    async def do_broken(self) -> AsyncIterator[int]:
        yield 1
        raise NotFound("in the middle")


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def server(service: Service) -> AsyncIterator[RpcServer]:
    server = RpcServer(service.dispatch, FREE, heartbeat=0.2, each=100, limit=100_000)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def transport(server: RpcServer, connect: Connect) -> ZeroMQTransport:
    return connect(server.endpoint)


async def test_who_holds_up_the_loop_is_told(
    server: RpcServer, transport: ZeroMQTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """What computes, or waits without giving way, is logged with its name and for whom, and counted."""
    with caplog.at_level("INFO", "emerge.node"):
        await transport.call("hold", [0.1])
    assert server.stalls > 0
    who = Context(via="zeromq").principal
    assert any(f"hold for {who} held up the loop" in record.getMessage() for record in caplog.records)


async def test_calls_errors_and_streams(transport: ZeroMQTransport) -> None:
    assert await transport.call("echo", [{"a": [1, (2, 3)], "b": b"x"}]) == {"a": [1, (2, 3)], "b": b"x"}
    with pytest.raises(NotFound, match="nothing there") as caught:
        await transport.call("fail", ["ours"])
    assert (caught.value.path, caught.value.remedy) == ("/a", "look")
    with pytest.raises(EmergeError, match="a bug"):
        await transport.call("fail", ["theirs"])
    with pytest.raises(EmergeError, match="object"):
        await transport.call("unwritable", [])
    assert [n async for n in transport.stream("count", [1000])] == list(range(1000))
    with pytest.raises(NotFound, match="middle"):
        async for _ in transport.stream("broken", []):
            pass


@pytest.mark.parametrize("name", ["nothing", "_private", "__class__", "_zerorpc_other", "_cluster_join", ""])
async def test_unknown_and_private_names_are_invalid(transport: ZeroMQTransport, name: str) -> None:
    with pytest.raises(Invalid):
        await transport.call(name, [])


async def test_zerorpcs_built_ins(transport: ZeroMQTransport) -> None:
    assert await transport.call("_zerorpc_ping", []) == ["pong", "emerge"]
    assert await transport.call("_zerorpc_name", []) == "emerge"
    assert await transport.call("_zerorpc_list", []) == list(TABLE)
    assert await transport.call("_zerorpc_help", ["get"]) == TABLE["get"].doc
    assert await transport.call("_zerorpc_args", ["get"]) == [["path", "version", "as_of"], None, None, [0, ""]]
    methods = (await transport.call("_zerorpc_inspect", []))["methods"]
    assert methods["get"]["args"] == [
        {"name": "path"},
        {"name": "version", "default": 0},
        {"name": "as_of", "default": ""},
    ]
    for name, args in (("_zerorpc_ping", [1]), ("_zerorpc_help", ["none"]), ("_zerorpc_help", [])):
        with pytest.raises(Invalid):
            await transport.call(name, args)


async def test_64_calls_at_once(transport: ZeroMQTransport) -> None:
    assert await asyncio.gather(*(transport.call("echo", [n]) for n in range(64))) == list(range(64))


async def test_a_call_longer_than_three_heartbeats(transport: ZeroMQTransport, server: RpcServer) -> None:
    short = ZeroMQTransport(server.endpoint, heartbeat=0.2)
    try:
        assert await short.call("slow", [0.9]) == "late"
    finally:
        await short.close()


async def test_a_silent_client_loses_its_handlers(server: RpcServer, service: Service) -> None:
    """A client that stays connected and does not beat."""
    silent = ZeroMQTransport(server.endpoint, heartbeat=0)
    task = asyncio.create_task(silent.call("slow", [30]))
    await eventually(lambda: len(server.channels) == 1)
    await eventually(lambda: service.cancelled == 1, 1.0)
    assert len(server.channels) == 0
    await silent.close()
    with pytest.raises(Unavailable):
        await task


async def test_closing_a_stream_ends_it_on_the_server(
    transport: ZeroMQTransport, server: RpcServer, service: Service
) -> None:
    async with aclosing(transport.stream("count", [10**9])) as items:  # type: ignore[type-var]
        async for _ in items:
            break
    await eventually(lambda: service.cancelled == 1 and len(server.channels) == 0)


async def test_cancelling_a_call_cancels_its_handler(transport: ZeroMQTransport, service: Service) -> None:
    call = asyncio.create_task(transport.call("slow", [30]))
    await eventually(lambda: service.begun == 1)
    call.cancel()
    await eventually(lambda: service.cancelled == 1)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_too_many_and_too_long(transport: ZeroMQTransport, server: RpcServer) -> None:
    tasks = [asyncio.create_task(transport.call("slow", [0.1])) for _ in range(101)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers].count(LimitExceeded) == 1
    with pytest.raises(Unavailable):  # the connection of whoever sends too much is closed
        await transport.call("echo", [b"x" * 200_000])
    await eventually(lambda: len(server.channels) == 0)
    async with ZeroMQTransport(server.endpoint) as other:
        assert await other.call("echo", [1]) == 1


async def test_garbage_leaves_the_server_serving(transport: ZeroMQTransport, server: RpcServer) -> None:
    answers: list[list[bytes]] = []
    dealer = DrainedSocket(zmq.Context.instance().socket(zmq.DEALER), answers.append)
    dealer.socket.connect(server.endpoint)
    good = event.encode({"message_id": b"m", "v": 3}, "echo", ["hi"])
    for frames in ([b""], [b"", b""], [b"", b"\xc1"], [b"", good[:-1]], [b"", good[:-3] + b"\xc1"], [b"x"] * 9):
        dealer.send(frames)
    dealer.send([good])  # without the delimiter: accepted, and the answer carries one
    await eventually(lambda: len(answers) >= 2)
    assert [event.peek(frames[-1])[1] for frames in answers][-1] == "OK"
    assert answers[-1][0] == b""
    dealer.send([b"proxied", b"", good])
    await eventually(lambda: answers[-1][:2] == [b"proxied", b""])
    dealer.close(0)
    assert await transport.call("echo", [1]) == 1


async def test_a_client_that_does_not_read_is_given_up(server: RpcServer) -> None:
    dealer: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    dealer.setsockopt(zmq.RCVHWM, 1)
    dealer.connect(server.endpoint)
    async with ZeroMQTransport(server.endpoint) as other:
        for _ in range(100):
            for _ in range(50):
                dealer.send_multipart([b"", event.encode({"message_id": event.Ids()(), "v": 3}, "echo", [b"x" * 5000])])
            await asyncio.sleep(0.001)
        assert await other.call("echo", [1]) == 1
    dealer.close(0)
    await eventually(lambda: len(server.channels) == 0)


async def test_no_node_is_unavailable_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(Unavailable, match="emerge node start"):
        await ZeroMQTransport(endpoint).open()
    assert loop.time() - start < 0.5


async def test_what_accepts_and_says_nothing_is_unavailable_in_time() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(Unavailable):
            await ZeroMQTransport(f"tcp://127.0.0.1:{mute.getsockname()[1]}", patience=0.1).open()


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://", "tcp://host:notaport"])
async def test_a_malformed_endpoint_is_invalid(endpoint: str) -> None:
    with pytest.raises(Invalid):
        await ZeroMQTransport(endpoint).open()


async def test_a_node_that_goes_and_comes_back(service: Service, connect: Connect) -> None:
    server = RpcServer(service.dispatch, FREE)
    endpoint = await server.start()
    transport = connect(endpoint)
    task = asyncio.create_task(transport.call("slow", [30]))
    await eventually(lambda: len(server.channels) == 1)
    await server.stop()
    with pytest.raises(Unavailable, match="unknown whether a change was made"):
        await task
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await transport.call("echo", [1])
    again = RpcServer(service.dispatch, endpoint)
    await again.start()
    await eventually(lambda: transport.connected)
    assert await transport.call("echo", [2]) == 2
    await again.stop()


async def test_closing_while_the_node_goes_leaves_zeromq_working(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZeroMQ's own thread must not be left reporting to a monitor that is closed already: it would hang for good."""
    close = DrainedSocket.close

    def close_slowly(socket: DrainedSocket, linger: int = 0) -> None:
        monitor = socket.socket.type == zmq.PAIR
        close(socket, linger)
        if monitor:
            sleep(0.0005)

    monkeypatch.setattr(DrainedSocket, "close", close_slowly)  # patched: the race is rarer than one in 500 otherwise
    for _ in range(500):
        server = RpcServer(service.dispatch, FREE)
        transport = await ZeroMQTransport(await server.start(), patience=0.5).open()
        await server.stop()
        await transport.close()


async def test_a_taken_port_is_named(server: RpcServer, service: Service) -> None:
    with pytest.raises(Invalid, match="is taken"):
        await RpcServer(service.dispatch, server.endpoint).start()


@pytest.mark.parametrize(
    "bind", ["tcp://0.0.0.0:5558", "tcp://*:5558", "tcp://192.0.2.1:1", "tcp://[::]:1", "tcp://host:1"]
)
def test_only_loopback_is_bound(service: Service, bind: str) -> None:
    with pytest.raises(Invalid, match="no keys"):
        RpcServer(service.dispatch, bind)


@pytest.mark.parametrize("bind", ["", "5558", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "http://127.0.0.1:1"])
def test_a_malformed_bind_is_invalid(service: Service, bind: str) -> None:
    with pytest.raises(Invalid):
        RpcServer(service.dispatch, bind)


async def run_script(script: str, endpoint: str) -> tuple[bytes, bytes]:
    """Run Python in a process of its own (gevent and asyncio do not mix); its output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, endpoint, stdout=pipe, stderr=pipe)
    return await asyncio.wait_for(process.communicate(), 60)


REAL_CLIENT = """
import gevent, sys, zerorpc
c = zerorpc.Client(sys.argv[1], heartbeat=1)
assert c._zerorpc_ping() == ["pong", "a"], "ping"
assert c.mkdir("/d")["name"] == "d"
for n in range(1000):
    c.store("/d/%04d" % n, b"\\x81\\xa1n\\x01")
page = c.list("/d", "", 5)
assert [e["name"] for e in page["entries"]] == ["%04d" % n for n in range(5)], page
assert c.get("/d/0007")["version"] == 1
assert c.cat("/d/0007") == {"n": 1}
assert c.run("/d/0007", "go", [2]) == 42
assert [e["name"] for e in c.dir("/d")] == ["%04d" % n for n in range(1000)]
for args, code in ((("get", "/none"), "NotFound"), (("nothing",), "Invalid"), (("get",), "Invalid")):
    try:
        c(*args)
    except zerorpc.RemoteError as error:
        assert error.name == code, error
    else:
        raise SystemExit("no error")
calls = [gevent.spawn(c.get, "/d/%04d" % n) for n in range(64)]
gevent.joinall(calls)
assert [g.value["name"] for g in calls] == ["%04d" % n for n in range(64)]
print("done")
"""


async def test_the_real_zerorpc_client_against_a_whole_node(start_node: StartNode) -> None:
    class Slow(Here):
        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            await asyncio.sleep(0.01)
            return RunOutcome(42, None, "", 1.0)

    node = await start_node("a", runner=Slow())
    out, err = await run_script(REAL_CLIENT, node.endpoint)
    assert out.strip() == b"done", err.decode()


LONG_CALL = """
import sys, zerorpc
c = zerorpc.Client(sys.argv[1], heartbeat=0.2)
print(c.slow(1.2), len(list(c.count(1000))))
"""


async def test_the_real_client_waits_for_a_call_of_six_heartbeats(server: RpcServer) -> None:
    out, err = await run_script(LONG_CALL, server.endpoint)
    assert out.split() == [b"late", b"1000"], err.decode()


async def test_a_real_client_killed_within_a_stream_is_cleaned_up(server: RpcServer, service: Service) -> None:
    script = "import sys, zerorpc\nfor n in zerorpc.Client(sys.argv[1]).count(10**9): print(n, flush=True)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, server.endpoint, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 10)
    process.kill()
    await process.communicate()
    await eventually(lambda: service.cancelled == 1 and len(server.channels) == 0, 2.0)


async def test_what_is_connected_is_not_waited_for(start_node: StartNode) -> None:
    """Also when several ask at once, some before and some after the connection is there."""
    node = await start_node("a")
    transport = ZeroMQTransport(node.endpoint, patience=60)
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(transport.connect(), transport.connect())
            await asyncio.gather(transport.connect(), transport.connect())
    finally:
        await transport.close()
