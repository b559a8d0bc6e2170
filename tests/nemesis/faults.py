"""What the nemesis does to a cluster. Each fault is a context: it holds inside, and is over afterwards."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from tests.conftest import ROOT

from .cluster import FAKETIME, Deployment, Member
from .steps import mount, mv, promote, remount, unmount

BLOCKS = "*.blocks/??/*-*"
"""The files of a node's blocks, in its folder."""

Inflict = Callable[[Deployment, Random], "Iterator[str]"]


def kill(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node is killed, and started again afterwards; sometimes several at once."""
    some = dice.sample(cluster.members, dice.choice([1, 1, 1, 2]))
    for member in some:
        cluster.effects["kill"] += member.runs
        member.kill()
    yield "kill " + " ".join(member.name for member in some)
    for member in some:
        member.start()


def stop(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node stands still."""
    member = dice.choice(cluster.members)
    member.signal(signal.SIGSTOP)
    yield f"stop {member.name}"
    cluster.effects["stop"] += member.stands
    member.signal(signal.SIGCONT)


def cut(cluster: Deployment, dice: Random) -> Iterator[str]:
    """Two hosts cannot reach each other, or one of them the other; or one is cut off from all."""
    network = cluster.network
    assert network is not None
    one, other = dice.sample(network.hosts, 2)
    both = dice.random() < 0.5
    others = [other] if dice.random() < 0.6 else [host for host in network.hosts if host is not one]
    for each in others:
        network.cut(one, each, both=both)
    yield f"cut {one.name} {'and' if both else 'to'} {' '.join(each.name for each in others)}"
    _heal(cluster, "cut both ways" if both else "cut one way")


def lose(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A host loses some of what reaches it."""
    network = cluster.network
    assert network is not None
    host = dice.choice(network.hosts)
    network.lose(host, dice.choice([5, 20, 40]))
    yield f"lose {host.name}"
    _heal(cluster, "lose")


def _heal(cluster: Deployment, name: str) -> None:
    """End what holds between hosts, and count what it swallowed."""
    assert cluster.network is not None
    cluster.effects[name] += cluster.network.dropped()
    cluster.network.heal()


def clock(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node's clock jumps, and back."""
    member = dice.choice(cluster.members)
    offset = dice.choice(["-3600", "+3600", "-5", "+5", "+0.5", "-86400"])
    member.set_clock(offset)
    yield f"clock {member.name} {offset}"
    member.set_clock("+0")


def disk(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node's disk is full."""
    member = dice.choice(cluster.members)
    ballast = member.folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while _write(file.fileno(), size):
                pass
    yield f"disk {member.name}"
    ballast.unlink()


def _write(file: int, size: int) -> bool:
    try:
        return os.write(file, bytes(size)) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def rot(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A byte of a stored block is another one, until it is set right."""
    files = [(member, file) for member in cluster.members for file in sorted(member.folder.glob(BLOCKS))]
    if not files:
        yield "rot nothing: there are no blocks"
        return
    member, file = dice.choice(files)
    with suppress(FileNotFoundError):  # it was collected
        right = file.read_bytes()
        at = dice.randrange(len(right))
        _write_byte(file, at, right[at] ^ 1 << dice.randrange(8))
        cluster.effects["rot"] += 1
        yield f"rot {member.name} {file.name[:8]}"
        _write_byte(file, at, right[at])
        return
    yield f"rot nothing: {file.name[:8]} is gone"


def lie(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node gives wrong blocks, or none."""
    member = dice.choice([each for each in cluster.members if each is not cluster.older])
    lies = member.folder / "lies"
    lies.touch()
    yield f"lie {member.name}"
    cluster.effects["lie"] += len(lies.read_text().splitlines())
    lies.unlink()


def _write_byte(file: Path, at: int, byte: int) -> None:
    with file.open("r+b", buffering=0) as opened:
        opened.seek(at)
        opened.write(bytes([byte]))


def garbage(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A peer sends garbage to a node."""
    member = dice.choice(cluster.members)
    words = [sys.executable, "-m", "tests.nemesis.garbage", member.endpoint, str(dice.random()), "60"]
    with subprocess.Popen(cluster.command(*words), cwd=ROOT, stdout=subprocess.PIPE) as peer:
        yield f"garbage {member.name}"
        peer.kill()
        assert peer.stdout is not None
        cluster.effects["garbage"] += len(peer.stdout.read().splitlines())


def database(cluster: Deployment, dice: Random) -> Iterator[str]:
    """The database is killed, and started again."""
    assert cluster.database is not None
    cluster.database.stop()
    cluster.effects["database"] += 1
    yield "database"
    cluster.database.start()


FAULTS: dict[str, Inflict] = {
    each.__name__: each
    for each in (kill, stop, cut, lose, clock, disk, rot, lie, garbage, database, mount, remount, unmount, mv, promote)
}

ALONE = {"promote"}
"""Faults beside which there is no other: who comes back cut off from all does not learn that it was replaced."""


def possible(cluster: Deployment, names: list[str]) -> list[str]:
    """Those of the faults that can be made on a cluster."""
    needed = {
        "cut": cluster.network is not None,
        "lose": cluster.network is not None,
        "clock": FAKETIME.exists(),
        "disk": all(member.disk for member in cluster.members),
        "rot": bool(cluster.programs) and cluster.database is None,
        "lie": bool(cluster.programs),
        "database": cluster.database is not None,
        "mount": bool(cluster.volumes),
        "remount": bool(cluster.volumes),
        "unmount": bool(cluster.volumes),
        "mv": bool(cluster.volumes),
        "promote": bool(cluster.copies) and cluster.older is None,  # it does not know whose a promoted volume is
    }
    return [name for name in names if needed.get(name, True)]


@contextmanager
def inflicted(name: str, cluster: Deployment, dice: Random) -> Iterator[str]:
    """A fault of that name, in words, while it holds."""
    fault = FAULTS[name](cluster, dice)
    text = next(fault)
    try:
        yield text
    finally:
        next(fault, None)


def restart_dead(members: list[Member]) -> None:
    """Start whatever does not run."""
    for member in members:
        if not member.runs:
            member.start()
