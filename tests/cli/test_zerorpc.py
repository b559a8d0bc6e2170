"""The real `zerorpc` client, unmodified, against a whole node."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from emerge_wasm import EmergeFile, connect
from tests.conftest import Server, start_server

CLIENT = """
import sys, zerorpc
client = zerorpc.Client(sys.argv[1])
print(client.get("/zerorpc/o0000")["class_name"], client.get("/zerorpc/o0000")["version"])
print([entry["name"] for entry in client.list("/zerorpc", "", 2)["entries"]])
print(client.run("/zerorpc/o0007", "double"), client.run("/zerorpc/o0007", "add", [3]), client.cat("/zerorpc/o0007.n"))
print(sum(entry["version"] for entry in client.dir("/zerorpc")))
try:
    client.get("/nowhere")
except zerorpc.RemoteError as error:
    print(error.name, error.msg)
    print(error)
try:
    client.run("/zerorpc/o0007", "fail")
except zerorpc.RemoteError as error:
    shown = str(error)
    print("in fail" in shown, "ZeroDivisionError" in shown, shown.splitlines()[-1].partition(":")[0])
print(client.mkdir("/zerorpc-made")["type"], client.rm("/zerorpc-made"))
client.close()
"""


@dataclass
class Number(EmergeFile):
    n: int = 0

    def double(self) -> int:
        return self.n * 2

    def add(self, more: int) -> int:
        self.n += more
        return self.n

    def fail(self) -> float:
        return self.n / 0


@pytest.fixture(scope="module")
def open_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A node as clients of that kind need it: they show no key."""
    store = f"sqlite:///{tmp_path_factory.mktemp('open')}/node.db"
    server = start_server("node", "start", "--port", "0", "--store", store, "--open")
    yield server
    assert server.stop() == 0


def test_it_is_a_guest_where_the_node_is_not_open(place: Server) -> None:
    with connect(place.host) as fs:
        fs.store(Number(name="private", path="/zerorpc-private"))
    asked = "import sys, zerorpc; print(zerorpc.Client(sys.argv[1]).cat('/zerorpc-private/private.n'))"
    done = subprocess.run(
        [sys.executable, "-c", asked, place.found["node"]], capture_output=True, text=True, timeout=60
    )
    assert not done.stdout and "PermissionDenied: a guest may not" in done.stderr


def test_a_real_zerorpc_client(open_node: Server) -> None:
    with connect(open_node.host) as fs:
        fs.storeall(Number(name=f"o{n:04}", path="/zerorpc", n=n) for n in range(1000))
    command = [sys.executable, "-c", CLIENT, open_node.found["node"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "Number 1",
        "['o0000', 'o0001']",
        "14 10 10",
        "1001",
        "NotFound nothing is at /nowhere",
        "NotFound: nothing is at /nowhere",
        "True True ExecutionFailed",
        "directory 1",
    ], done.stderr


REFUSALS = """
import json, sys, zerorpc
client = zerorpc.Client(sys.argv[1], timeout=20)
state = bytes([0x81, 0xA1, 0x6E, 1])
client.store("/told", state)
for code, name, *args in json.loads(sys.argv[2]):
    args = [state if each == "state" else b"junk" if each == "junk" else each for each in args]
    try:
        answer = getattr(client, name)(*args)
        print(code, name, "answers", list(answer) if hasattr(answer, "__next__") else answer)
    except zerorpc.RemoteError as error:
        shown = str(error)
        if error.name != code or not shown.startswith(code + ": ") or len(shown) < len(code) + 8:
            print(code, name, error.name, repr(shown))
print("end")
"""

REFUSED: list[list[object]] = [
    ["NotFound", "get", "/no"],
    ["NotFound", "dir", "/no"],
    ["NotFound", "tree", "/no"],
    ["NotFound", "cat", "/told.no"],
    ["NotFound", "restore", "/told", 9],
    ["Invalid", "get", "relative"],
    ["Invalid", "get"],
    ["Invalid", "get", "/told", 0, "", "more"],
    ["Invalid", "nosuch"],
    ["Invalid", "store", "/told", "junk"],
    ["Invalid", "list", "/told"],
    ["Invalid", "chmod", "/told", "zz"],
    ["Invalid", "list", "/", "", 10**9],
    ["PermissionDenied", "run", "/told", "__init__"],
    ["NotFound", "commit", "none"],
    ["Invalid", "mount", "/a", "nobody"],
    ["Conflict", "update", "/told", "state", 99],
    ["Invalid", "mkdir", "/told"],
]


def test_each_refusal_is_told_to_a_plain_client(open_node: Server) -> None:
    command = [sys.executable, "-c", REFUSALS, open_node.found["node"], json.dumps(REFUSED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines() == ["end"], done.stderr
