"""What the nemesis does to a cluster. Each fault is a context: it holds inside, and is over afterwards."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.conftest import ROOT

from .cluster import FAKETIME, Deployment, Member

Inflict = Callable[[Deployment, Random], "Iterator[str]"]


def kill(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node is killed, and started again afterwards; sometimes several at once."""
    some = dice.sample(cluster.members, dice.choice([1, 1, 1, 2]))
    for member in some:
        member.kill()
    yield "kill " + " ".join(member.name for member in some)
    for member in some:
        member.start()


def stop(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node stands still."""
    member = dice.choice(cluster.members)
    member.signal(signal.SIGSTOP)
    yield f"stop {member.name}"
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
    network.heal()


def lose(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A host loses some of what reaches it."""
    network = cluster.network
    assert network is not None
    host = dice.choice(network.hosts)
    network.lose(host, dice.choice([5, 20, 40]))
    yield f"lose {host.name}"
    network.heal()


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
        try:
            for size in (1 << 20, 4096, 1):
                while True:
                    if not _write(file.fileno(), size):
                        break
        finally:
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


def garbage(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A peer sends garbage to a node."""
    member = dice.choice(cluster.members)
    words = [sys.executable, "-m", "tests.nemesis.garbage", member.endpoint, str(dice.random()), "60"]
    with subprocess.Popen(cluster.command(*words), cwd=ROOT, stdout=subprocess.DEVNULL) as peer:
        yield f"garbage {member.name}"
        peer.kill()


def database(cluster: Deployment, dice: Random) -> Iterator[str]:
    """The database is killed, and started again."""
    assert cluster.database is not None
    cluster.database.stop()
    yield "database"
    cluster.database.start()


def step(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A volume is made or unmade, and a node that has to do with it dies in one of the steps."""
    victim = dice.choice([cluster.members[0], dice.choice(cluster.members)])
    owner = dice.choice(cluster.members[1:])
    path = f"/m{dice.randrange(20)}"
    asked = dice.choice(cluster.members)
    (victim.folder / "death").write_text(f"{dice.choice(['before', 'after'])} {dice.randrange(1, 6)}")
    victim.signal(signal.SIGUSR1)
    words = dice.choice([["mount", path, "--on", owner.name], ["unmount", path]])
    cluster.emerge(asked, *words, seconds=8)
    yield f"{' '.join(words)} at {asked.name}, and {victim.name} dies {'' if victim.runs else 'in it'}"
    victim.kill()
    victim.start()


FAULTS: dict[str, Inflict] = {
    each.__name__: each for each in (kill, stop, cut, lose, clock, disk, garbage, database, step)
}


def possible(cluster: Deployment, names: list[str]) -> list[str]:
    """Those of the faults that can be made on a cluster."""
    needed = {
        "cut": cluster.network is not None,
        "lose": cluster.network is not None,
        "clock": FAKETIME.exists(),
        "disk": all(member.disk for member in cluster.members),
        "database": cluster.database is not None,
        "step": bool(cluster.volumes),
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
