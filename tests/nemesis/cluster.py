"""The nodes of a cluster, each a process in a folder of its own: on hosts in network namespaces, or on loopback.

Nodes have stores of their own (SQLite) and a volume each, or all one PostgreSQL database.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from emerge_wasm.clients.keys.key_pair import KeyPair, make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from tests.backends.postgresql import Server, server
from tests.clients.test_skew import unpack_release
from tests.conftest import ROOT
from tests.network import CannotMake, Host, Network
from tests.node.test_skew import BEFORE

from .death import CHANGES, Deaths
from .load import Plan, to_json
from .promotion import Promotion

NAMES = ("desk", "shed", "barn", "mill", "dock", "hall", "yard")
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
PORT = 5558
CLIENT_NAME = "anna"
REBUILD_SECONDS = "5"
"""How long a holder may be away until what it has is made again elsewhere; it comes back, and has it too."""


@dataclass(eq=False)
class Member:
    """One node: where it is, how it is started, and its process while it runs."""

    name: str
    folder: Path
    endpoint: str
    args: list[str]
    host: Host | None = None
    process: subprocess.Popen[str] | None = None
    disk: bool = False
    env: dict[str, str] = field(default_factory=dict)
    log: TextIO | None = None
    module: str = "tests.nemesis.node"

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def stands(self) -> bool:
        """Whether it is stopped (SIGSTOP), as the kernel says."""
        assert self.process is not None
        try:
            state = Path("/proc", str(self.process.pid), "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state == "T"

    def start(self) -> None:
        """Start it, unless it runs, and do not wait for it."""
        if self.runs:
            return
        (self.folder / "clock").write_text("+0")
        self.log = self.log or (self.folder.parent / f"{self.name}.log").open("a")
        words = [sys.executable, "-m", self.module, *self.args]
        if self.host is not None:
            words = self.host.command(*words)
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", **self.env}
        with self._told.open("w") as told:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=told, stderr=self.log, text=True, cwd=self.folder, env=env
            )

    @property
    def _told(self) -> Path:
        """What it says: a line when it serves. Not in its folder, where the disk may be full."""
        return self.folder.parent / f"{self.name}.out"

    def wait(self, seconds: float = 15) -> bool:
        """Wait until it serves; tell whether it does."""
        until = time.monotonic() + seconds
        while self.runs and not self._told.stat().st_size and time.monotonic() < until:
            time.sleep(0.05)
        return self.runs and self._told.stat().st_size > 0

    def signal(self, number: int) -> None:
        if self.runs:
            assert self.process is not None
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, frozen or not, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def set_clock(self, offset: str) -> None:
        """What its clock is off by from now on: "+3600"."""
        (self.folder / "clock").write_text(offset)


class Deployment:
    """A running cluster. `volumes` are paths and the node that owns each; with one database there are none."""

    def __init__(self, folder: Path, members: list[Member]) -> None:
        self.folder = folder
        self.members = members
        self.volumes: dict[str, str] = {}
        self.network: Network | None = None
        self.outside: Host | None = None
        """The host that clients are on."""
        self.database: Server | None = None
        self.key = ""
        self.copies = 0
        self.programs = 0
        """That work with files."""
        self.whole = False
        """Whether all blocks of files had the time to be where they belong."""
        self.older: Member | None = None
        """The node of the release before."""
        self.load: IO[str] | None = None
        """What the load reads."""
        self.began = time.monotonic()
        """When the load began."""
        self.deaths = {change: Deaths(change) for change in CHANGES}
        self.promotions: list[Promotion] = []
        """Those that may have lost something."""
        self.effects: Counter[str] = Counter()
        """What came of each fault, counted."""

    @property
    def nodes(self) -> dict[str, str]:
        return {member.name: member.endpoint for member in self.members}

    def member(self, name: str) -> Member:
        return next(each for each in self.members if each.name == name)

    def command(self, *words: str) -> list[str]:
        """How to run a command where clients are."""
        return list(words) if self.outside is None else self.outside.command(*words)

    def move_between(self, *places: str) -> None:
        """Let the load move things between two places, or do so no more."""
        assert self.load is not None
        self.load.write(" ".join(places) + "\n")
        self.load.flush()

    def emerge(self, member: Member, *words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Ask a node by the command line, from where clients are; it may fail."""
        named = ["--key", self.key] if self.key else []
        asked = [sys.executable, "-m", "emerge_wasm.cli", "--json", *named, "-h", member.endpoint, *words]
        command = self.command(*asked)
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=self.folder)
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(command, 1, "", str(late))

    def prepare(self, *how: str) -> None:
        """Start all nodes and wait until they see each other; with "found" they become a cluster of volumes."""
        for member in self.members:
            member.start()
        plan = self.folder / "nodes.json"
        plan.write_text(
            to_json(Plan(self.nodes, key=self.key, copies=self.copies, older=self.older.name if self.older else ""))
        )
        words = self.command(sys.executable, "-m", "tests.nemesis.prepare", str(plan), *how)
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        self.volumes = json.loads(done.stdout)

    def stop(self) -> None:
        for member in self.members:
            member.kill()
            if member.log is not None:
                member.log.close()


@contextmanager
def volumes(
    folder: Path,
    count: int,
    network: Network | None = None,
    *,
    disks: bool = False,
    copies: int = 0,
    older: bool = False,
) -> Iterator[Deployment]:
    """Nodes with stores of their own; with a `network` of one host more than nodes on it, by keys.

    With `older`, the last of them is of the release before.
    """
    with ExitStack() as stack:
        made = Deployment(folder, [])
        made.copies = copies
        hosts: list[Host | None] = list(network.hosts[:count]) if network else [None] * count
        pairs = {name: make_pair(name) for name in (*NAMES[:count], CLIENT_NAME)}
        for name, host in zip(NAMES, hosts, strict=False):
            where = folder / name
            where.mkdir()
            if disks:
                _mount(where, stack)
            address = host.address if host else "127.0.0.1"
            port = PORT if host else _free_port()
            args = ["sqlite", "--json", "node", "start", "--bind", address, "--port", str(port)]
            args += ["--store", "sqlite:///node.db"]
            args += ["--join", made.members[0].endpoint] if made.members else []
            args += ["--keys", "keys", "--key", name] if host else ["--name", name]
            args += ["--open"] if older and not host and name != NAMES[count - 1] else []  # it can show no key
            args += ["--rebuild-after", REBUILD_SECONDS]
            if host:
                _give_keys(where / "keys", name, pairs)
            member = Member(name, where, f"tcp://{address}:{port}", args, host, disk=disks, env=_clock(where))
            made.members.append(member)
        if network is not None:
            made.network, made.outside = network, network.hosts[count]
            _give_keys(folder / "client", CLIENT_NAME, pairs)
            made.key = str(folder / "client" / f"{CLIENT_NAME}.key")
        if older:
            last = made.older = made.members[-1]
            last.module = "emerge_wasm.cli"
            last.args = last.args[1:-2]  # it does not kill itself, and mends nothing
            last.env.update(unpack_release(BEFORE, folder / "release"))
        stack.callback(made.stop)
        made.prepare("found")
        yield made


@contextmanager
def shared(folder: Path, count: int) -> Iterator[Deployment]:
    """Nodes on one PostgreSQL database, on loopback."""
    with ExitStack() as stack:
        database = stack.enter_context(server())
        stack.callback(_keep_log, database, folder)
        made = Deployment(folder, [])
        made.database = database
        for name in NAMES[:count]:
            where = folder / name
            where.mkdir()
            port = _free_port()
            args = ["postgresql", "--json", "node", "start", "--name", name, "--port", str(port)]
            args += ["--store", database.url("nemesis")]
            member = Member(name, where, f"tcp://127.0.0.1:{port}", args, env=_clock(where))
            made.members.append(member)
        stack.callback(made.stop)
        made.prepare()
        yield made


def _keep_log(database: Server, folder: Path) -> None:
    """Keep what the database said, whose own folder goes."""
    shutil.copy(database.data / "log", folder / "database.log")


def _clock(folder: Path) -> dict[str, str]:
    """What lets a node's clock be set; nothing where libfaketime is not installed."""
    if not FAKETIME.exists():
        return {}
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _give_keys(folder: Path, own: str, pairs: dict[str, KeyPair]) -> None:
    write_pair(folder / f"{own}.key", pairs[own])
    ring = Ring(folder / FILE_NAME)
    for name, pair in pairs.items():
        role = CLIENT if name == CLIENT_NAME else MEMBER
        ring.add(RingEntry(role, name, pair.public, superuser=role == CLIENT))


def _mount(folder: Path, stack: ExitStack) -> None:
    """Give a folder a disk of its own, whose content stays when that goes; large enough to take blocks of others."""
    words = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CannotMake(done.stderr.strip())
    stack.callback(subprocess.run, ["umount", "-l", str(folder)], capture_output=True)
    stack.callback(shutil.copytree, folder, folder.parent / "disks" / folder.name)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
