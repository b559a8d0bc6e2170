"""The sync face: the same methods as the async client, waiting for their results; Ctrl-C and leaving early end them."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from emerge_wasm import EmergeFile, Invalid, NotFound
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore
from emerge_wasm.sync import wait

METHODS = [name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")]
STREAMS = [name for name in METHODS if inspect.isasyncgenfunction(getattr(Client, name))]


async def start() -> Node:
    filesystem = await Filesystem.open(MemoryStore(), node="afar")
    return await Node(filesystem, "tcp://127.0.0.1:0", context=Context("tester", superuser=True)).start()


async def settle(node: Node) -> int:
    """How many requests are under way, once the node has heard what was sent to it: a new call comes after it."""
    async with Client(ZeroMQTransport(node.endpoint)) as client:
        await client.hello()
    return len(node.server.channels)


@contextmanager
def interrupted() -> Iterator[None]:
    """Send this thread SIGINT a moment later, as Ctrl-C does, also where the process was started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


@pytest.fixture
def node() -> Iterator[Node]:
    node = wait(start())
    yield node
    wait(node.stop())


@pytest.fixture
def fs(node: Node) -> Iterator[SyncClient]:
    async def connect() -> Client:
        return Client(ZeroMQTransport(node.endpoint))

    with SyncClient(connect) as fs:
        yield fs


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_twin(name: str) -> None:
    asked, twin = getattr(Client, name), getattr(SyncClient, name)
    assert not inspect.iscoroutinefunction(twin) and not inspect.isasyncgenfunction(twin)
    assert inspect.getdoc(twin)
    if name != "close":
        assert inspect.getdoc(twin) == inspect.getdoc(asked)
        assert inspect.signature(twin).parameters == inspect.signature(asked).parameters


def test_it_waits_for_results(fs: SyncClient) -> None:
    assert fs.store(EmergeFile(name="a", path="/d", data=1)).full_path == "/d/a"
    assert fs.getobject("/d/a").data == 1
    with pytest.raises(NotFound, match="/nowhere"):
        fs.get("/nowhere")
    with pytest.raises(AttributeError, match="getobject"):
        fs.getobjekt("/d/a")


def test_streams_are_iterators(fs: SyncClient) -> None:
    fs.storeall(EmergeFile(name=f"n{number}", path="/d", data=number) for number in range(5))
    assert {"dir", "objects", "states", "tree", "watch"} <= set(STREAMS)
    for name in STREAMS:
        stream = getattr(fs, name)
        needed = [p for p in inspect.signature(stream).parameters.values() if p.default is p.empty]
        assert inspect.isgenerator(stream(*["/"] * len([p for p in needed if p.kind < p.VAR_POSITIONAL])))
    assert [pointer.name for pointer in fs.dir("/d")] == ["n0", "n1", "n2", "n3", "n4"]
    assert [obj.data for obj in fs.objects("/d")] == [0, 1, 2, 3, 4]
    assert next(fs.watch("/d", 0))["path"] == "/d"
    with pytest.raises(NotFound, match="/nowhere"):
        next(fs.dir("/nowhere"))


def test_leaving_a_stream_ends_it_on_the_node(fs: SyncClient, node: Node) -> None:
    fs.mkdir("/d")
    for change in fs.watch("/", 0):
        assert change["operation"] == "mkdir"
        assert wait(settle(node)) == 1
        break
    assert wait(settle(node)) == 0


def test_interrupting_a_stream_ends_it_on_the_node(fs: SyncClient, node: Node) -> None:
    """Ctrl-C while it waits for the next change."""
    fs.mkdir("/d")
    changes = fs.watch("/", 0)
    next(changes)
    with interrupted(), pytest.raises(KeyboardInterrupt):
        next(changes)
    assert wait(settle(node)) == 0
    assert fs.get("/d").is_directory


def test_waiting_in_its_own_loop_is_refused(fs: SyncClient) -> None:
    """It hung for ever: the loop waited for itself."""
    leaf = fs.store(EmergeFile(name="a"))

    async def call() -> None:
        with pytest.raises(Invalid, match="await the async client"):
            fs.get(leaf.full_path)
        with pytest.raises(Invalid, match="await the async client"):
            next(fs.dir("/"))

    wait(call())
    assert fs.get("/a").version == 1


def test_a_stream_that_is_dropped_in_the_loop_ends(fs: SyncClient, node: Node) -> None:
    """As when the garbage collector finds it there."""
    fs.mkdir("/d")
    streams = [fs.watch("/", 0)]
    next(streams[0])

    async def drop() -> None:
        streams.clear()

    wait(drop())
    assert wait(settle(node)) == 0


def test_a_process_ends_with_a_stream_open(node: Node) -> None:
    script = """
import sys, emerge_wasm
fs = emerge_wasm.connect(sys.argv[1])
fs.mkdir("/d")
stream = fs.watch("/", 0)
print(next(stream)["path"])
"""
    command = [sys.executable, "-c", script, node.endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "/d\n", "")
