"""Hosts on one machine: network namespaces on a bridge, with partitions and loss between them.

    def test_it(make_network: MakeNetwork) -> None:
        network = make_network(3)                      # the test is skipped where that cannot be made, saying why
        a, b, c = network.hosts                        # a.address "10.77.0.1", a.address6 "fd77::1", a.name "a"
        node = a.start_server("node", "start", …)      # `emerge --json node start …` there, when it is up
        done = b.run("emerge", "-h", f"{a.address}:5558", "ls")      # to its end: returncode, stdout, stderr
        process = c.start(sys.executable, "script.py")               # a Popen; killed with the network
        network.cut(a, b)                              # nothing passes between them, in either direction
        network.cut(a, b, both=False)                  # what a sends does not reach b; what b sends reaches a
        network.lose(c, 20)                            # of what reaches c, 20 percent is lost
        network.delay(c, 30)                           # what c sends comes 30 ms later (needs netem: skipped without)
        network.dropped()                              # how many packets were lost by what holds
        network.heal()                                 # all of that is over

What is cut falls silent, as behind a broken switch: no connection is reset. TCP sends again what a short partition
swallowed, so try one shorter and one longer than what the code waits for. The hosts share this machine's files and
clock. Nothing leaves the namespaces: they have no way out, and the addresses are the same in every network.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server

PREFIX = "emerge"
_serial = itertools.count()


class CannotMake(Exception):
    """Namespaces, or what a test wants in them, cannot be made here; the message is the command's own."""


@dataclass(eq=False)
class Host:
    """One namespace: `name` is a letter, `space` the namespace's name."""

    name: str
    space: str
    address: str
    address6: str
    lost: int = 0
    deaf_to: set[Host] = field(default_factory=set)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *words: str) -> list[str]:
        """The command that runs this one on the host; `emerge` is this checkout's."""
        modules = {"emerge": "emerge_wasm.cli", "emerge without sandbox": "tests.without_sandbox"}
        own = [sys.executable, "-m", modules[words[0]]] if words[0] in modules else [words[0]]
        return ["ip", "netns", "exec", self.space, *own, *words[1:]]

    def run(
        self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; it may fail."""
        setting = {**os.environ, **(env or {})}
        command = self.command(*words)
        return subprocess.run(command, capture_output=True, text=True, env=setting, cwd=cwd, timeout=timeout)

    def start(self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command whose standard output is a pipe."""
        setting = {**os.environ, **(env or {})}
        process = subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, text=True, env=setting, cwd=cwd)
        self.processes.append(process)
        return process

    def start_server(self, *words: str, cwd: Path | None = None, sandbox: bool = True) -> Server:
        """Start `emerge --json …` and wait for its announcement."""
        program = "emerge" if sandbox else "emerge without sandbox"
        process = self.start(program, "--json", *words, env={} if sandbox else {"PYTHONPATH": str(ROOT)}, cwd=cwd)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{words} ended with {process.wait(10)}"
        return Server(process, json.loads(line))


class Network:
    """Hosts a, b, c… on one bridge; the faults between them hold until `heal`."""

    def __init__(self, count: int) -> None:
        self._name = f"{PREFIX}{os.getpid()}-{next(_serial)}"
        self._switch = f"{self._name}-switch"
        self.hosts = [
            Host(chr(ord("a") + at), f"{self._name}-{chr(ord('a') + at)}", f"10.77.0.{at + 1}", f"fd77::{at + 1:x}")
            for at in range(count)
        ]

    def make(self) -> None:
        """Make the namespaces. Raises CannotMake."""
        for space in (self._switch, *(host.space for host in self.hosts)):
            _do("ip", "netns", "add", space)
        _do("ip", "-n", self._switch, "-batch", "-", text="link add bridge type bridge\nlink set bridge up\n")
        for host in self.hosts:
            port = f"port-{host.name}"
            _do("ip", "link", "add", port, "netns", self._switch, "type", "veth", "peer", "eth0", "netns", host.space)
            _do("ip", "-n", self._switch, "link", "set", port, "master", "bridge", "up")
            lines = [
                "link set lo up",
                "link set eth0 up",
                f"addr add {host.address}/24 dev eth0",
                f"addr add {host.address6}/64 dev eth0 nodad",
            ]
            _do("ip", "-n", host.space, "-batch", "-", text="\n".join(lines) + "\n")
        _do(*self._in(self.hosts[0], "nft", "list", "ruleset"))

    def cut(self, source: Host, target: Host, *, both: bool = True) -> None:
        """What `source` sends reaches `target` no longer; with `both`, nor the other way round."""
        target.deaf_to.add(source)
        if both:
            source.deaf_to.add(target)
        self._apply(source, target)

    def lose(self, host: Host, percent: int) -> None:
        """Of the packets that reach a host, so many are lost."""
        host.lost = percent
        self._apply(host)

    def delay(self, host: Host, milliseconds: float) -> None:
        """What a host sends comes that much later. Skips the test where the kernel has no netem."""
        with _or_skip():
            _do(*self._in(host, *f"tc qdisc replace dev eth0 root netem delay {milliseconds}ms".split()))

    def dropped(self) -> int:
        """How many packets were lost by the faults that hold."""
        told = [_do(*self._in(host, "nft", "list", "ruleset")) for host in self.hosts if host.lost or host.deaf_to]
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", "".join(told)))

    def heal(self) -> None:
        """End the faults."""
        for host in self.hosts:
            host.lost = 0
            host.deaf_to.clear()
            subprocess.run(self._in(host, "tc", "qdisc", "del", "dev", "eth0", "root"), capture_output=True)
        self._apply(*self.hosts)

    def remove(self) -> None:
        """Kill what runs on the hosts and remove them."""
        for process in [process for host in self.hosts for process in host.processes]:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        for space in (*(host.space for host in self.hosts), self._switch):
            _remove(space)

    def _apply(self, *hosts: Host) -> None:
        for host in hosts:
            rules = [
                f"ip saddr {other.address} counter drop; ip6 saddr {other.address6} counter drop;"
                for other in host.deaf_to
            ]
            rules += [f"numgen random mod 100 < {host.lost} counter drop;"] if host.lost else []
            chain = f"chain input {{ type filter hook input priority 0; iif lo accept; {' '.join(rules)} }};"
            table = f"table inet faults {{ }}\ndelete table inet faults\ntable inet faults {{ {chain} }}\n"
            _do(*self._in(host, "nft", "-f", "-"), text=table)

    @staticmethod
    def _in(host: Host, *words: str) -> list[str]:
        return ["ip", "netns", "exec", host.space, *words]


MakeNetwork = Callable[[int], Network]


@contextmanager
def networks() -> Iterator[MakeNetwork]:
    """A function that makes networks, which are removed in the end."""
    made: list[Network] = []

    def make(count: int) -> Network:
        if not made:
            _sweep()
        made.append(Network(count))
        with _or_skip():
            made[-1].make()
        return made[-1]

    try:
        yield make
    finally:
        for network in made:
            network.remove()


def _do(*words: str, text: str = "") -> str:
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True)
    except OSError as error:
        raise CannotMake(f"{words[0]}: {error.strerror}") from None
    if done.returncode:
        raise CannotMake(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except CannotMake as error:
        pytest.skip(f"no hosts can be made here: {error}")


def _sweep() -> None:
    """Remove the networks of test runs that were killed."""
    folder = Path("/run/netns")
    for space in [path.name for path in folder.glob(f"{PREFIX}*-*")] if folder.is_dir() else []:
        pid = space.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            _remove(space)


def _remove(space: str) -> None:
    """Kill the processes of one of our namespaces, and remove it."""
    with suppress(OSError):
        found = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout
        for pid in found.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", space], capture_output=True)
