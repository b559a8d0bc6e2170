"""Code of newer grammar than the node's runs under another Python of the machine, closed in as the node's own is."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgpack
import pytest
import pytest_asyncio

import emerge_wasm
from emerge_wasm import EmergeFile, ExecutionFailed, LimitExceeded, Unavailable
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runner import RunCall
from emerge_wasm.sandbox.interpreter import Interpreter, find_interpreter
from emerge_wasm.sandbox.python_pools import PythonPools, start_pools
from emerge_wasm.stores.memory import MemoryStore

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="this Python is as new as the other"),
]

NEWER = """
import asyncio
import sys
import time
from dataclasses import dataclass
from emerge_wasm import EmergeFile

type Pair[A, B] = tuple[A, B]


class Shelf[T]:
    def first(self, items: list[T]) -> T:
        return items[0]


@dataclass
class Box[T](EmergeFile):
    size: int = 1
    note: str = ""

    @property
    def large(self) -> bool:
        return self.size > 1

    def double[N: int](self, by: N) -> Pair[N, N]:
        self.size *= by
        print(f"{"grown" if self.size else ""}")
        return self.size, by

    def python(self) -> list[int]:
        return list(sys.version_info[:2])

    def total(self, fs) -> int:
        return sum(each.size for each in fs.objects("/boxes")) + Shelf[int]().first([0])

    async def wait(self, fs) -> str:
        await asyncio.sleep(0)
        return fs.whoami()["principal"]

    def spoil(self):
        raise ValueError("spoilt")

    def burn(self):
        while True:
            time.monotonic()

    def look(self) -> str:
        return open("/etc/passwd").read()
"""
CAPTURE = """
import json, sys
sys.path[:0] = sys.argv[1:]
from newer import Box
from emerge_wasm.bundles import capture
from emerge_wasm.codec import pack_state
bundles = capture(Box)
rows = [pack_state(Box(name="x", path="/", size=size), lambda cls: "").hex() for size in (1, 2, 3)]
print(json.dumps([bundles[-1].hash, {bundle.hash: bundle.data.hex() for bundle in bundles}, rows]))
"""


@dataclass
class Crate(EmergeFile):
    size: int = 7

    def python(self) -> list[int]:
        return list(sys.version_info[:2])


@dataclass
class Machine:
    pools: PythonPools
    state: str
    client: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def newer() -> Interpreter:
    try:
        return await find_interpreter("python3.13")
    except Unavailable:
        pytest.skip("there is no Python 3.13 here")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(newer: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """A filesystem whose code runs under this Python, and under a newer one; three objects need that, one does not."""
    folder = tmp_path_factory.mktemp("newer")
    (folder / "newer.py").write_text(NEWER)
    packages = [str(Path(str(each.__file__)).parents[1]) for each in (emerge_wasm, msgpack)]
    said = await asyncio.to_thread(subprocess.check_output, [newer.path, "-c", CAPTURE, str(folder), *packages])
    hash, bundles, rows = json.loads(said)
    found = {name: bytes.fromhex(data) for name, data in bundles.items()}
    async with AsyncExitStack() as stack:
        pools, state = await start_pools(stack, ["python3.13", sys.executable])
        filesystem = await Filesystem.open(MemoryStore(), node="a", runner=pools, run_timeout=10.0)
        stack.push_async_callback(filesystem.close)
        client = Client(LocalTransport(filesystem, Context("ann", superuser=True, via="zeromq")))
        for number, row in enumerate(rows):
            await client.remote.store(f"/boxes/b{number}", bytes.fromhex(row), "Box", hash, 0, "file", "", found)
        await client.store(Crate(name="crate", path="/boxes"))
        assert isinstance(pools, PythonPools)
        yield Machine(pools, state, client)


async def test_it_is_closed_in_the_same(machine: Machine, newer: Interpreter) -> None:
    ours, others, own = machine.state.split("\n")
    assert own.startswith(f"{sys.executable} is not needed")
    assert others == f"Python {newer.version} for newer code: {ours}" and "21 attacks stopped" in ours
    with pytest.raises(ExecutionFailed, match="open is not in this sandbox"):
        await machine.client.run("/boxes/b0", "look")


async def test_hello_says_which_there_are(machine: Machine, newer: Interpreter) -> None:
    said = await machine.client.hello()
    assert said["pythons"] == [platform.python_version(), newer.version] and said["python"] == said["pythons"][0]


async def test_a_class_runs_under_the_first_that_can(machine: Machine) -> None:
    rows = {row["path"]: row["result"] for row in await machine.client.run("/boxes", "python")}
    own = list(sys.version_info[:2])
    assert rows == {"/boxes/b0": [3, 13], "/boxes/b1": [3, 13], "/boxes/b2": [3, 13], "/boxes/crate": own}


async def test_methods_do_all_they_do_elsewhere(machine: Machine) -> None:
    client = machine.client
    done = await client.run_with_receipt("/boxes/b0", "double", 1)
    assert (done["result"], done["output"]) == ((1, 1), "grown\n")
    assert await client.run("/boxes/b0", "total") == 13
    assert await client.run("/boxes/b0", "wait") == "ann"
    with pytest.raises(ExecutionFailed, match="ValueError: spoilt") as caught:
        await client.run("/boxes/b0", "spoil")
    assert 'raise ValueError("spoilt")' in str(caught.value.details["traceback"])
    row = await client.remote.getobject("/boxes/b0")
    bundles = await client.fetch_bundles(row["pointer"]["bundle"])
    with pytest.raises(LimitExceeded) as late:
        await machine.pools.run(RunCall("/boxes/b0", row["pointer"], row["state"], bundles, "burn", [], {}, 0.2))
    assert late.value.details["limit"] == "wall time"


async def test_searches_ask_it(machine: Machine) -> None:
    count = machine.client.count
    assert await count(lambda o: o.large and o.size < 3, "/boxes") == 1  # a property of the newer class
    assert await count(lambda o: o.python()[1] == 13, "/boxes") == 3
    assert await count(lambda o: o.python()[1] > 0, "/boxes") == 4  # under one Python where classes differ
    rows = await machine.client.aggregate("/boxes", by="large", where=lambda o: o.size < 7, n="count")
    assert {row["large"]: row["n"] for row in rows} == {False: 1, True: 2}
    pages = machine.client.search_pages(lambda o: o.size < 7 and o.double(2)[0] > 2, "/boxes", order_by="size")
    found = [row["pointer"]["name"] async for page in pages for row in page["objects"]]
    assert found == ["b1", "b2"]


async def test_what_is_newer_than_all_is_refused_with_the_newest(machine: Machine, newer: Interpreter) -> None:
    part = SourcePart("class", "Far", "class Far[T](EmergeFile):\n    def f(self) -> T: ...", False)
    imports = ("from emerge_wasm import EmergeFile",)
    made = Bundle.of(Content("Far", imports=imports, parts=(part,), module="m", grammar=(3, 99)))
    state = (await machine.client.remote.getobject("/boxes/crate"))["state"]
    await machine.client.remote.store("/far/one", state, "Far", made.hash, 0, "file", "", {made.hash: made.data})
    with pytest.raises(Unavailable, match=r"cannot be loaded by Python 3\.13") as caught:
        await machine.client.run("/far/one", "f")
    assert "--python python3.99" in (caught.value.remedy or "")


@pytest.mark.parametrize("version", ["3.9.18", "2.7.18"])
async def test_a_python_that_cannot_is_refused(tmp_path: Path, version: str) -> None:
    said = json.dumps({"kind": "CPython", "version": version, "path": "/usr/bin/old"})
    with pytest.raises(Unavailable, match=f"methods cannot run under .*old: it is CPython {version}") as caught:
        await find_interpreter(program(tmp_path / "old", f"echo '{said}'"))
    assert caught.value.remedy and "at least 3.11" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo broken >&2; exit 1", "broken"),
        ("exit 0", "something else"),
        ("echo 17", "something else"),
        ("while true; do echo y; done", "something else"),
    ],
)
async def test_what_is_no_python_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(Unavailable, match=f"it does not start as a Python: .*{why}"):
        await find_interpreter(program(tmp_path / "some", text))


async def test_one_that_cannot_run_workers_is_named(newer: Interpreter, tmp_path: Path) -> None:
    """It answers, but its library is not there."""
    said = json.dumps({"kind": "CPython", "version": "3.13.9", "path": "/bin/false", "paths": [], "found": []})
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match=r"methods cannot run under .*half \(Python 3\.13\.9\): the sandbox does"):
            await start_pools(stack, [program(tmp_path / "half", f"echo '{said}'")], unsafe=True)


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return os.fspath(path)
