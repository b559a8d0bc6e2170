"""Bad input and bad luck against a real node: each ends in a clear error, the node serves on, nothing is lost."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from emerge_wasm import (
    CannotShip,
    EmergeFile,
    ExecutionFailed,
    Invalid,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from tests.conftest import Server, start_server
from tests.contracts.filesystem import refused


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    server = start_server("node", "start", "--port", "0", "--store", "memory:", "--run-timeout", "0.5")
    yield server
    assert server.stop() == 0


@pytest.fixture
async def client(node: Server) -> AsyncIterator[Client]:
    async with Client(ZeroMQTransport(node.found["node"])) as client:
        yield client


@dataclass
class Misbehaving(EmergeFile):
    count: int = 0

    def fail(self) -> None:
        self.count = 7
        raise KeyError("a key that is missing")

    def loop(self) -> None:
        while True:
            self.count += 1

    def shout(self) -> None:
        line = "x" * 1_000_000
        for _ in range(100):
            print(line)  # noqa: T201 - printing is what it is for

    def handle(self) -> Any:
        return io.TextIOWrapper(io.BytesIO())

    def die(self) -> None:
        import os

        os._exit(3)  # private: the way of the standard library to die at once

    def recurse(self) -> int:
        return self.recurse()

    def fine(self) -> int:
        return self.count


RUNS: list[tuple[str, type[Exception], list[str]]] = [
    ("fail", ExecutionFailed, ["a key that is missing", 'raise KeyError("a key that is missing")']),
    ("loop", LimitExceeded, ["0.5"]),
    ("shout", LimitExceeded, ["printed more than"]),
    ("handle", CannotShip, ["TextIOWrapper"]),
    ("die", ExecutionFailed, ["die"]),
    ("recurse", ExecutionFailed, ["RecursionError"]),
    ("_private", PermissionDenied, ["_private"]),
    ("__init__", PermissionDenied, ["__init__"]),
]


@pytest.mark.parametrize(("method", "kind", "words"), RUNS, ids=[run[0] for run in RUNS])
async def test_methods_that_misbehave(client: Client, method: str, kind: type[Exception], words: list[str]) -> None:
    await client.store(Misbehaving(name=method, path="/bad"))
    await refused(client.run(f"/bad/{method}", method), kind, *words)
    assert await client.run(f"/bad/{method}", "fine") == 0
    assert (await client.get(f"/bad/{method}")).version == 1


@pytest.mark.parametrize(
    ("name", "args", "word"),
    [
        ("nonsense", [], "nonsense"),
        ("get", [], "0 arguments"),
        ("get", ["/", 0, 1, 2], "4 arguments"),
        ("get", [5], "int"),
        ("list", ["/", "", 10**9], "limit"),
        ("store", ["/x", b"\xc1"], ""),
        ("store", ["/x", b"\x91" * 200_000], ""),
        ("store", ["/x", b"\x01"], "map"),
        ("update", ["/x", b"\x81\xa1a"], ""),
        ("classes", [["x"] * 5000], "5000"),
        ("classes", [[1]], "hashes"),
    ],
)
async def test_calls_that_make_no_sense(client: Client, name: str, args: list[Any], word: str) -> None:
    try:
        await client.transport.call(name, args)
    except (Invalid, LimitExceeded) as error:
        assert word in str(error)
    else:
        raise AssertionError("it was taken")
    assert (await client.get("/")).is_directory


async def test_a_class_that_was_tampered_with_is_refused(client: Client) -> None:
    args = ["/x", b"\x80", "X", "0" * 64, 0, "file", "", {"0" * 64: b"\x81\xa1a\x01"}]
    await refused(client.transport.call("store", args), Invalid)
    await refused(client.transport.call("store", [*args[:7], None]), NotFound, "class")


async def test_garbage_on_the_socket_harms_nobody(node: Server, client: Client) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.connect(node.found["node"])
        for payload in (
            b"",
            b"\xc1",
            os.urandom(500),
            b"\x93" * 100,
            msgpack.packb([{}, "get", ["/"]]),
            b"\x91" * 10**6,
        ):
            socket.send_multipart([b"", payload])
        socket.send_multipart([b"x"] * 50)
    assert (await client.get("/")).is_directory


async def test_a_class_without_source_is_named(client: Client) -> None:
    made = {"EmergeFile": EmergeFile}
    exec("class Made(EmergeFile): pass", made)
    await refused(client.store(made["Made"](name="x")), CannotShip, "Made")


async def test_killed_while_storing_loses_nothing_acknowledged(tmp_path: Path) -> None:
    args = ["node", "start", "--port", "0", "--store", f"sqlite:///{tmp_path}/node.db"]
    node = start_server(*args, sandbox=False)
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def write(client: Client, numbers: Iterator[int]) -> None:
        for number in numbers:
            await client.store(EmergeFile(name=f"o{number}", path=f"/d{number % 7}", data=number))
            acknowledged.append(number)
            if number == 300:
                enough.set()

    async with Client(ZeroMQTransport(node.found["node"])) as client:
        numbers = iter(range(10**6))
        writers = [asyncio.ensure_future(write(client, numbers)) for _ in range(32)]
        await asyncio.wait_for(enough.wait(), 30)
        node.stop(signal.SIGKILL)
        results = await asyncio.wait_for(asyncio.gather(*writers, return_exceptions=True), 30)
        assert all(isinstance(result, Unavailable) for result in results)
    node = start_server(*args, sandbox=False)
    async with Client(ZeroMQTransport(node.found["node"])) as client:
        stored = [p async for p in client.tree("/") if not p.is_directory]
        objects = {obj.data: obj for number in range(7) async for obj in client.objects(f"/d{number}")}
        assert set(acknowledged) <= set(objects) and len(objects) == len(stored)
        logged = [change["path"] for change in (await client.changes(0, 10_000))["changes"]]
        assert sorted(path for path in logged if path.count("/") == 2) == sorted(p.full_path for p in stored)
    assert node.stop() == 0


@pytest.mark.parametrize("how", ["script", "-c", "module"])
def test_classes_ship_from_anywhere(node: Server, tmp_path: Path, how: str) -> None:
    code = textwrap.dedent("""
        from dataclasses import dataclass
        from emerge_wasm import EmergeFile, fs

        FACTOR = 3

        @dataclass
        class Tripled(EmergeFile):
            size: int = 2
            def triple(self): return self.size * FACTOR

        fs.store(Tripled(name="t", path="/from"))
        print(fs.run("/from/t", "triple"))
        """)
    (tmp_path / "shipped_module.py").write_text(code)
    words = {"script": ["shipped_module.py"], "-c": ["-c", code], "module": ["-c", "import shipped_module"]}[how]
    env = {**os.environ, "EMERGE_HOST": node.host}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "6\n", done.stderr
