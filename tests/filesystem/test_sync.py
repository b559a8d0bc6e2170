"""The sync face: the same methods as the async client, waiting for their results; Ctrl-C and leaving early end them."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from emerge_wasm import EmergeFile, NotFound
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
    asked, twin = getattr(Client, name), vars(SyncClient)[name]
    assert not inspect.iscoroutinefunction(twin) and not inspect.isasyncgenfunction(twin)
    assert inspect.getdoc(twin)
    if name != "close":
        assert inspect.getdoc(twin) == inspect.getdoc(asked)
        assert inspect.signature(twin) == inspect.signature(asked)


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
    assert all(inspect.isgenerator(getattr(fs, name)("/")) for name in STREAMS)
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
