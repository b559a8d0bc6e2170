"""The real `zerorpc` client, unmodified, against a whole node."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from emerge_wasm import EmergeFile, connect
from tests.conftest import Server

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


def test_a_real_zerorpc_client(place: Server) -> None:
    with connect(place.host) as fs:
        fs.storeall(Number(name=f"o{n:04}", path="/zerorpc", n=n) for n in range(1000))
    command = [sys.executable, "-c", CLIENT, place.found["node"]]
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
