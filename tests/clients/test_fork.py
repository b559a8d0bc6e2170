"""A client in a process that was forked after its first call: it connects anew, and the parent's goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.scale import pairs

from .conftest import Servers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")

SCRIPT = """
import os, sys, threading
from emerge_wasm import EmergeFile, EmergeError, connect
from emerge_wasm.sync import wait

address, token = sys.argv[1:]
fs = connect(address, token or None)
"""

CALLS = """
me = fs.as_user("ada")
fs.store(EmergeFile(name="a", data=1))
fs.chmod("/a", "rwxrwxrwx")
leaf, stream = fs.proxy("/a"), fs.watch("/", 0)
assert (leaf.data, me.whoami()["principal"], next(stream)["path"]) == (1, "ada", "/a")
child = os.fork()
if not child:
    assert (fs.get("/a").name, me.whoami()["principal"], leaf.data) == ("a", "ada", 1)
    assert [p.name for p in fs.dir("/")] == ["a"]
    try:
        next(stream)
    except EmergeError as error:
        assert "parent" in str(error), error
    fs.update("/a", data=2)
    fs.close()
    print("child", fs.hello()["node"], flush=True)
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert leaf.data == 2
stream.close()
fs.close()
print("parent", fs.hello()["node"])
"""

BUSY = """
fs.hello()  # imports what it needs: no Python can import in the child what another thread was importing
stop = threading.Event()
def call():
    while not stop.is_set():
        fs.hello()
threads = [threading.Thread(target=call, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for number in range(5):
    if not (child := os.fork()):
        assert fs.hello()["node"] == "afar"
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop.set()
print("child afar\\nparent", fs.hello()["node"])
"""

IN_A_TRANSACTION = """
with fs.transaction("mine") as tx:
    tx.store(EmergeFile(name="b"))
    if not (child := os.fork()):
        try:
            tx.get("/b")
        except EmergeError as error:
            assert "join=" in str(error), error
            with fs.transaction(join="mine") as joined:
                print("child", joined.get("/b").node, flush=True)
    else:
        os.waitpid(child, 0)
if child:
    print("parent", fs.get("/b").node)
"""

AWAITED = """
import asyncio
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.registry import open_transport

client = Client(open_transport(address, token or None))
asyncio.run(client.hello())
if not (child := os.fork()):
    print("child", asyncio.run(client.hello())["node"], flush=True)
    sys.exit()
os.waitpid(child, 0)
print("parent", fs.hello()["node"])
"""


def run(script: str, address: str, token: str | None) -> str:
    command = [sys.executable, "-c", SCRIPT + script, address, token or ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


SCRIPTS = {"calls": CALLS, "busy": BUSY, "awaited": AWAITED}


@pytest.mark.parametrize(("scheme", "script"), pairs(["tcp", "ws", "http"], [*SCRIPTS], each=2))
def test_a_forked_child_connects_anew(scheme: str, script: str, servers: Servers) -> None:
    assert run(SCRIPTS[script], *servers.address(scheme)) == "child afar\nparent afar\n"


def test_a_transaction_stays_with_the_process_that_began_it(servers: Servers) -> None:
    assert run(IN_A_TRANSACTION, *servers.address("tcp")) == "child afar\nparent afar\n"
