"""Programs in the older project's forms, by both names; and what cannot be the same says the new form."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import EmergeError, connect
from emerge_wasm.classic import Client, EmergeBlock, EmergeFile, EmergeObject, IClient, NodeServer, RESTClient
from emerge_wasm.classic.data import EmergeData
from emerge_wasm.codec import Reference
from emerge_wasm.errors import Invalid, NotFound
from emerge_wasm.stores import open_store
from emerge_wasm.sync import wait
from tests.conftest import ROOT, Server, start_server

PROGRAM = """
import dataclasses
import emerge.core.objects
from emerge import fs
from emerge.core.client import Client

@emerge.dataclass
class Part(emerge.core.objects.EmergeFile):
    price: float = 0.0
    words: list = dataclasses.field(default_factory=list)

    def double(self) -> float:
        import logging
        logging.debug("double")
        self.doubled = self.price * 2
        return self.doubled

    def tell(self, data):
        return [data, len(self.words)]

    def siblings(self):
        from emerge import fs
        return fs.list(self.path)

    def others(self, fs=None):
        return [other.name for other in fs.dir(self.path) if other.name != self.name]

@emerge.dataclass
class Cheap(emerge.core.objects.EmergeFile):
    results = []

    def query(self, fs):
        self.results = []
        for found in fs.dir("/old"):
            if found.price < 2:
                self.results.append(found)
        return self.results

class Bare(emerge.core.objects.EmergeFile):
    def run(self):
        return "words:" + str(len(self.data.split(" ")))

for i in range(3):
    fs.store(Part(id=f"part{i}", name=f"part{i}", path="/old", perms="rwxrwxrwx", type="file", price=i + 0.5))
bare = Bare(id="bare", name="bare", path="/plain", data="one two three")
bare.text = "more"
fs.store(bare)
fs.store(emerge.core.objects.EmergeFile(id="file 1", path="/plain", data="x"))
print(fs.run("/plain/bare", "run"), fs.getobject("/plain/bare", False).text)
print(fs.run("/old/part1", "double"), fs.getobject("/old/part1", False).doubled, fs.run("/old/part1", "tell", "data"))
print(fs.list("/old"), fs.list("/", 0, 1), fs.list("/old", offset=1, size=1), fs.list("/old", 2))
print([fs.get(path)["name"] for path in fs.list("/plain")], fs.get("dir:/old")["size"])
print(fs.run("/old/part0", "siblings"), fs.run("/old/part0", "others"))
fs.store(Cheap(id="cheap", name="cheap", path="/queries"))
print([found.double() for found in fs.query("/queries/cheap")], len(fs.getobject("/queries/cheap", False).results))
print([each.double() for each in fs.proxy("/queries/cheap").results], fs.proxy("/old/part2").tell("x"))
print(sorted(found.name for found in fs.search(lambda o: hasattr(o, "price") and o.price > 1)))
print(fs.graphql("{ parts { count } }"), len(fs.index()), fs.hello("tcp://me")["node"])
print(fs.versions("/old/part1")[0]["version"], isinstance(fs, Client))
"""
SAYS = """
words:3 more
3.0 3.0 ['data', 0]
['/old/part0', '/old/part1', '/old/part2'] ['dir:/old'] ['/old/part1'] ['/old/part2']
['bare', 'file 1'] 3
['/old/part0', '/old/part1', '/old/part2'] ['part1', 'part2']
[1.0, 3.0] 2
[1.0, 3.0] ['x', 0]
['part1', 'part2']
{'parts': {'count': 3}} 0 old
2 True
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    server = start_server("node", "start", "--port", "0", "--store", "memory:", "--name", "old")
    yield server
    assert server.stop() == 0


@pytest.fixture
def fs(node: Server) -> Iterator[Client]:
    host, _, port = node.host.partition(":")
    with Client(host, port) as client:
        yield client


def run(node: Server, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(text)
    env = {**os.environ, "EMERGE_HOST": node.host, "PYTHONPATH": str(ROOT / "py")}
    command = [sys.executable, str(folder / "program.py")]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


CHANGED = PROGRAM.replace("import emerge.core.objects", "import emerge_wasm.classic as emerge").replace(
    "from emerge", "from emerge_wasm.classic"
)


@pytest.mark.parametrize("text", [PROGRAM, CHANGED], ids=["emerge", "emerge_wasm.classic"])
def test_a_program_says_what_it_said(node: Server, tmp_path: Path, text: str) -> None:
    done = run(node, tmp_path, text)
    assert done.stdout == SAYS.lstrip(), done.stderr
    with connect(node.host) as fs:  # a reader that never heard of the older name
        part = fs.getobject("/old/part2")
        assert (part.double(), json.loads(part.to_json())["price"]) == (5.0, 2.5)
        assert sum(fs.rm(path, recursive=True) for path in ("/old", "/plain", "/queries")) > 6


def test_the_name_is_there_for_who_asked(tmp_path: Path) -> None:
    """Without what the extra installs it says which extra; what the program has of that name comes first."""
    absent = "import sys; sys.modules['persistent'] = None; import emerge"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "py")}
    done = subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert "ModuleNotFoundError: No module named 'emerge': pip install 'emerge-wasm[compat]'" in done.stderr
    (tmp_path / "emerge.py").write_text("mine = 1")
    own = "import emerge; from emerge_wasm.bundles import alias; alias.install(); import emerge; print(emerge.mine)"
    done = subprocess.run([sys.executable, "-c", own], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout == "1\n", done.stderr


def test_a_class_of_a_module_called_emerge_of_one_s_own_is_none_of_ours(node: Server, tmp_path: Path) -> None:
    (tmp_path / "emerge.py").write_text("def helper():\n    return 7\n")
    text = """
        from dataclasses import dataclass
        import emerge
        from emerge_wasm import EmergeFile, fs

        @dataclass
        class Mine(EmergeFile):
            def give(self):
                return emerge.helper()

        try:
            fs.store(Mine(name="mine", path="/own"))
            print(fs.run("/own/mine", "give"))
        except Exception as error:
            print(type(error).__name__)
    """
    assert run(node, tmp_path, textwrap.dedent(text)).stdout.split() in (["7"], ["CannotShip"])


def test_classes_are_as_they_were() -> None:
    file = EmergeFile("id1", name="a")
    assert (file.id, file.data, file.type, EmergeObject(id="x").type) == ("id1", "", "file", "object")
    assert isinstance(file, EmergeObject) and issubclass(EmergeBlock, EmergeObject) and EmergeData is EmergeObject
    assert json.loads(str(file))["name"] == json.loads(file.to_json())["name"] == "a"
    nested = EmergeFile(id="b", data={"set": {2, 1}, "file": file, "ref": Reference("u")})
    assert json.loads(nested.to_json())["data"]["set"] == [1, 2]
    assert json.loads(nested.to_json())["data"]["file"]["id"] == "id1"
    with pytest.raises(TypeError, match="JSON has no form for bytes"):
        EmergeFile(id="c", data=b"x").to_json()


def test_blocks_are_stored(fs: Client) -> None:
    fs.store(EmergeBlock(id="b1", path="/blocks", data="piece"))
    assert fs.getobject("/blocks/b1").data == "piece" and fs.list("/blocks") == ["/blocks/b1"]


def test_clients_have_what_a_client_has(fs: Client, node: Server) -> None:
    assert isinstance(fs, IClient) and issubclass(RESTClient, Client)
    with pytest.raises(AttributeError, match="a client has no 'unheard'"):
        fs.unheard()  # type: ignore[attr-defined]


REFUSALS: dict[str, tuple[Callable[[Client], Any], type[Exception], str]] = {
    "register": (lambda fs: fs.register({}), Invalid, "emerge node start --join"),
    "nothing there": (lambda fs: fs.getobject("/nowhere", False), NotFound, "/nowhere"),
    "no pointer": (lambda fs: fs.get("/nowhere"), NotFound, "/nowhere"),
    "graphql": (lambda fs: fs.graphql("{ Thing { name } }"), Invalid, "Thing"),
    "negative": (lambda fs: fs.list("/", -1), Invalid, "0 is all"),
    "rights": (lambda fs: fs.store(EmergeFile(id="x", perms="rxwxrwr--")), EmergeError, "rwxr-x---"),
    "options": (lambda fs: NodeServer().setup({"stor": 1}), Invalid, "its options: store"),
    "filesystems": (lambda fs: __import__("emerge_wasm.classic.fs.filesystem"), ModuleNotFoundError, "--store URL"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_the_same_says_the_new_form(fs: Client, name: str) -> None:
    ask, kind, words = REFUSALS[name]
    with pytest.raises(kind) as raised:
        ask(fs)
    assert words in str(raised.value)


SERVER = """
import sys
import emerge_wasm.classic as emerge

node = emerge.NodeServer(port=0)
node.setup()
node.start()
host, port = node.endpoint.removeprefix("tcp://").split(":")
with emerge.Client(host, port) as fs:
    fs.store(emerge.EmergeFile(id="a", path="/d", data="kept"))
    print(fs.getobject("/d/a").data, flush=True)
print(node.stop(), node.shutdown(), flush=True)
node.start()
print("again", flush=True)
"""


def test_a_node_server_serves_until_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["kept\n", "True True\n", "again\n"]
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert (tmp_path / "emerge.fs").exists()


def test_the_older_project_s_own_file_is_refused(tmp_path: Path) -> None:
    """It holds pickles."""
    make = "import ZODB.DB, transaction; c = ZODB.DB('emerge.fs').open(); c.root.objects = {}; transaction.commit()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", make], cwd=tmp_path, check=True)
    before = (tmp_path / "emerge.fs").read_bytes()
    with pytest.raises(EmergeError) as refused:
        wait(open_store(f"zodb:///{tmp_path}/emerge.fs"))
    assert "emerge.fs" in str(refused.value) and refused.value.remedy
    assert (tmp_path / "emerge.fs").read_bytes() == before
