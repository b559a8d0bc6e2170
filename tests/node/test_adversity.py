"""A node that runs the code of others serves on, whatever that does, and by whatever way it comes: workers and the
zygote that die, expressions that are bombs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from emerge_wasm import EmergeError, EmergeFile, ExecutionFailed, Invalid, LimitExceeded
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.clients.transports.websocket import WebSocketTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context, Transport
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores.memory import MemoryStore
from tests.contracts.filesystem import refused
from tests.node.conftest import OPERATOR, TIMES, eventually
from tests.relay.conftest import node_is
from tests.scale import SCALE

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "a-token-for-programs"
SECONDS = 0.5
"""What a call may take here."""


@dataclass
class Lamp(EmergeFile):
    watts: int = 5

    def dim(self) -> int:
        self.watts -= 1
        return self.watts

    def burn(self) -> None:
        print("burning")  # noqa: T201
        while True:
            self.watts += 1

    def scatter(self, fs: Any) -> None:
        """Store without end."""
        number = 0
        while True:
            fs.update("/lamps/other", watts=number)
            number += 1

    def move(self, fs: Any, other: str) -> int:
        """Take from an object, wherever it is, and store another beside it."""
        lamp = fs.getobject(other)
        lamp.watts -= 2
        fs.store(lamp)
        self.watts += 2
        copy = Lamp(name="made", path=lamp.path, watts=lamp.watts)
        fs.store(copy)
        return fs.cat(other + ".watts") + len(list(fs.list(lamp.path)))


@dataclass
class Place:
    pool: Pool
    nodes: list[Node]
    clients: dict[str, Client]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Two nodes, the first of which is reached by every way."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        pool = await enter(Pool(2))
        nodes: list[Node] = []
        for name in "ab":
            filesystem = await Filesystem.open(MemoryStore(), node=name, runner=pool, run_timeout=SECONDS)
            stack.push_async_callback(filesystem.close)
            join = [node.endpoint for node in nodes]
            nodes.append(await enter(Node(filesystem, "tcp://127.0.0.1:0", join=join, times=TIMES, context=OPERATOR)))
            if not join:
                await nodes[0].volumes.found()
        await eventually(lambda: all(node.cluster.peers() for node in nodes))
        await nodes[0].volumes.change("_cluster_mount", "/sheds", nodes[1].filesystem.uuid)
        rest = await enter(RESTNodeServer(nodes[0].dispatch, port=0, context=OPERATOR))
        settings = RelaySettings(tmp_path_factory.mktemp("relay"), nodes=(nodes[0].endpoint,), port=0, token=TOKEN)
        relay = await enter(RelayServer(settings))
        await node_is(relay, "a")
        ways: dict[str, Transport] = {
            "zeromq": ZeroMQTransport(nodes[0].endpoint),
            "rest": RESTTransport(rest.url),
            "relay": await WebSocketTransport(relay.url, token=TOKEN).open(),
            "relay rest": RESTTransport(relay.url, TOKEN),
        }
        yield Place(pool, nodes, {way: await enter(Client(transport)) for way, transport in ways.items()})


WAYS = ["zeromq", "rest", "relay", "relay rest"]
two_ways = pytest.mark.parametrize("client", WAYS[:: 3 if SCALE == 1 else 1], indirect=True)
"""What costs much is tried by the shortest way and the longest; by command by all."""


@pytest_asyncio.fixture(params=WAYS, loop_scope="module")
async def client(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Client]:
    """It has /lamps/one; and afterwards the node serves on, and nothing is half-stored."""
    client = place.clients[request.param]
    for node in place.nodes:
        own: Any = node.filesystem.dispatch("rm", ["/lamps", True], Context(superuser=True))
        await asyncio.gather(own, return_exceptions=True)
    await client.store(Lamp(name="one", path="/lamps"))
    yield client
    versions = await client.versions("/lamps/one")
    assert await client.run("/lamps/one", "dim") == await client.cat("/lamps/one.watts")
    assert await client.count("o.watts < 99", "/lamps") > 0
    assert len(await client.versions("/lamps/one")) == len(versions) + 1


async def end_while_it_runs(client: Client, place: Place, pid: Callable[[], int]) -> EmergeError:
    """What a run fails with whose process, or the one that this names, is killed in the middle."""
    before = {process.pid for process in place.pool.workers.processes if process.alive}
    stream = client.runstream("/lamps/one", "burn")
    assert (await anext(stream))["text"] == "burning\n"
    assert before or place.pool.workers.processes
    os.kill(pid(), signal.SIGKILL)
    (event,) = [event async for event in stream]
    assert event["event"] == "error"
    return EmergeError(event["error"]["message"], code=event["error"]["code"])


async def test_a_worker_that_is_killed(client: Client, place: Place) -> None:
    def busy() -> int:
        idle = {process.pid for _, process in place.pool.workers._idle}  # private: which worker runs shows nowhere else
        fresh = place.pool.workers._fresh  # private: as above
        (one,) = {each.pid for each in place.pool.workers.processes} - idle - {fresh.pid if fresh else 0}
        return one

    error = await end_while_it_runs(client, place, busy)
    assert "died" in error.message
    assert (await client.get("/lamps/one")).version == 1


@two_ways
async def test_the_zygote_is_killed(client: Client, place: Place) -> None:
    before = place.pool.forkserver.pid
    error = await end_while_it_runs(client, place, lambda: before)
    assert "died" in error.message
    assert (await client.get("/lamps/one")).version == 1
    assert await client.run("/lamps/one", "dim") == 4
    assert place.pool.forkserver.pid != before


async def test_a_method_without_end(client: Client) -> None:
    error = await refused(client.run("/lamps/one", "burn"), LimitExceeded)
    assert error.details["limit"] in ("wall time", "processor time")
    assert (await client.get("/lamps/one")).version == 1


async def test_a_method_that_stores_in_a_loop(client: Client) -> None:
    await client.store(Lamp(name="other", path="/lamps"))
    error = await refused(client.run("/lamps/one", "scatter"), LimitExceeded)
    assert error.details["limit"] in ("wall time", "processor time", "filesystem calls")
    assert (await client.get("/lamps/one")).version == 1


TRUE = ["not " * 60 + "o.watts", "+".join(["o.watts"] * 3000) + "> 0", "o.__class__.__mro__[-1].__subclasses__()"]
BOMBS = [
    *TRUE,
    "9 ** 9 ** 9 > o.watts",
    "'x' * 10 ** 12 > o.name",
    "[0] * 10 ** 11 == o.watts",
    "(o.name * 10 ** 6) * 10 ** 6 == 'x'",
    "1 << 10 ** 10 > o.watts",
    "f'{o.watts:>1000000000}' == 'x'",
    "'%1000000000d' % o.watts == 'x'",
    "sum(x for x in range(10 ** 12)) > o.watts",
    "[x for x in iter(int, 1)]",
    "(lambda f: f(f))(lambda f: f(f))",
    "o.burn()",
    "__import__('os').kill(__import__('os').getppid(), 9)",
    "open('/etc/passwd').read()",
    "exec('while True: pass')",
    "'a' * 40 + 'b' == __import__('re').match('(a+)+$', 'a' * 40 + 'b')",
]
REFUSED = [
    "(" * 100_000 + "o" + ")" * 100_000,
    "o." + "a." * 100_000 + "b",
    "(x := o)",
    "yield",
    "\0",
    "o; o",
    "'" * 5,
]


@two_ways
async def test_predicates_that_are_bombs(client: Client) -> None:
    """Each ends within the time that a call has, with an answer that counts what failed or an error that says why."""

    async def search(text: str) -> None:
        try:
            found = await client.search(text, "/lamps")
        except (LimitExceeded, ExecutionFailed, Invalid) as error:
            assert error.message
        else:
            assert found.errors["count"] == 1 or not found or text in TRUE, (text, found)

    async with asyncio.timeout(len(BOMBS) * (SECONDS + 1)):
        await asyncio.gather(*map(search, BOMBS))


async def test_texts_that_are_no_predicates(client: Client) -> None:
    for text in REFUSED:
        for ask in (client.search, client.count, client.explain):
            await refused(ask(text, "/lamps"), Invalid)


async def test_a_method_reads_and_stores_what_another_node_has(client: Client, place: Place) -> None:
    async with Client(ZeroMQTransport(place.nodes[1].endpoint)) as far:
        await far.store(Lamp(name="far", path="/sheds", watts=9))
    assert (await client.get("/sheds/far")).node == "b"
    assert await client.run("/lamps/one", "move", "/sheds/far") == 7 + 2
    for path, watts in (("/sheds/far", 7), ("/sheds/made", 7), ("/lamps/one", 7)):
        assert await client.cat(f"{path}.watts") == watts
    assert [(await client.get(f"/sheds/{name}")).node for name in ("far", "made")] == ["b", "b"]
    for path, perms in (
        ("/", "rwxrwxrwx"),
        ("/lamps", "rwxrwxrwx"),
        ("/lamps/one", "rwxrwxrwx"),
        ("/sheds", "rwxr-xr-x"),
    ):
        await client.chmod(path, perms)
    await client.chmod("/sheds/far", "rwxr--r--")
    await refused(client.as_user("bob").run("/lamps/one", "move", "/sheds/far"), ExecutionFailed, "PermissionDenied")
    assert await client.cat("/sheds/far.watts") == 7 and await client.cat("/lamps/one.watts") == 7
    for name in ("far", "made"):
        await client.rm(f"/sheds/{name}")
