"""Changes of the mount table that the nemesis makes itself, while a node that has a part in them dies in a step."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from random import Random
from typing import cast

from emerge_wasm.results import CopyReport, VolumeRow

from .cluster import Deployment, Member
from .death import REGISTRY, SOURCE, TARGET
from .load import MOUNT_SECONDS
from .promotion import Promotion

AT_ONCE = 2
"""Deaths in the steps of one change, one after another."""

STEP_SECONDS = 12.0
"""How long a change may take."""

MOVE_SECONDS = 5.0
"""How long one waits for a move of the load, in which its node dies."""


def mount(cluster: Deployment, dice: Random) -> Iterator[str]:
    """What is at a path is made a volume of another node."""
    yield from _change(cluster, dice, "mount")


def remount(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A volume is given to another node."""
    yield from _change(cluster, dice, "remount")


def unmount(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A volume is given back to the owner of `/`."""
    yield from _change(cluster, dice, "unmount")


def _change(cluster: Deployment, dice: Random, change: str) -> Iterator[str]:
    told = [_change_once(cluster, dice, change) for _ in range(AT_ONCE)]
    yield f"{change}: {'; '.join(told)}"


def _change_once(cluster: Deployment, dice: Random, change: str) -> str:
    """Make a change in which somebody dies, who is started again."""
    deaths = cluster.deaths[change]
    rows = volumes_of(cluster, dice)
    if not rows:
        return "nobody tells the volumes"
    registry = cluster.member(next(row["node"] for row in rows if row["path"] == "/"))
    mounted = {row["path"]: cluster.member(row["node"]) for row in rows if row["path"].startswith("/m")}
    others = [each for each in cluster.members if each not in (registry, cluster.older)]
    path = _recent(cluster, dice, set(mounted))
    owner = dice.choice(others)
    if change != "mount" and not mounted:
        cluster.emerge(registry, "mount", path, "--on", owner.name)
        mounted[path] = owner
    if change != "mount":
        path = max(mounted, key=lambda each: (int(each[2:]), dice.random()))
        owner = mounted[path]
    source, target, words = {
        "mount": (registry, owner, ["mount", path, "--on", owner.name]),
        "unmount": (owner, registry, ["unmount", path]),
        "remount": (
            owner,
            (new := dice.choice([each for each in others if each is not owner])),
            ["mount", path, "--on", new.name],
        ),
    }[change]
    death = deaths.next()
    victim = {REGISTRY: registry, SOURCE: source, TARGET: target}[death.role]
    arm(victim, death.point, death.number, death.about)
    done = cluster.emerge(dice.choice(cluster.members), *words, seconds=STEP_SECONDS)
    died = not victim.runs
    deaths.note(died)
    cluster.effects[change] += died
    victim.kill()
    victim.start()
    victim.wait()
    said = "done" if done.returncode == 0 else f"not done ({done.stderr.strip()[:80]})"
    return f"{path} {death} {'died' if died else 'lives'}, {said}"


def mv(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A node dies in a move of the load's from one volume to another."""
    yield "mv: " + "; ".join(_move_once(cluster, dice) for _ in range(AT_ONCE))


def _move_once(cluster: Deployment, dice: Random) -> str:
    """Let a node die in a move that it gives or takes, and start it again."""
    deaths = cluster.deaths["mv"]
    death = deaths.next()
    owners = {row["path"]: row["node"] for row in volumes_of(cluster, dice) if row["path"] in (*cluster.volumes, "/")}
    older = cluster.older.name if cluster.older is not None else ""
    own = [path for path, node in owners.items() if node != older]
    if not own:
        return "nobody tells the volumes"
    path = dice.choice(own)
    others = [each for each, node in owners.items() if node != owners[path]]
    victim = cluster.member(owners[path])
    arm(victim, death.point, death.number, death.about)
    cluster.move_between(path, dice.choice(others or own))
    until = time.monotonic() + MOVE_SECONDS
    while victim.runs and time.monotonic() < until:
        time.sleep(0.05)
    cluster.move_between()
    died = not victim.runs
    deaths.note(died)
    cluster.effects["mv"] += died
    victim.kill()
    victim.start()
    victim.wait()
    return f"{victim.name} {death} {'died' if died else 'lives'}"


def arm(victim: Member, point: str, number: int, about: tuple[str, ...]) -> None:
    """Let a node die at a point of one of its next commits."""
    victim.wait()
    (victim.folder / "death").write_text(f"{point} {number} {' '.join(about)}")
    victim.signal(signal.SIGUSR1)


def promote(cluster: Deployment, dice: Random) -> Iterator[str]:
    """A volume's owner is lost, its copy takes its place, and then it comes back; or it is there all the time."""
    path = dice.choice(sorted(cluster.volumes))
    asked = time.monotonic()
    report = report_of(cluster, dice, path)
    if report is None or not await_copies(cluster, dice, report):
        yield f"promote nothing: no copy of {path} has what its owner had"
        return
    owner = cluster.member(report["owner"]["node"])
    lost = dice.random() < 0.75
    killed = time.monotonic()
    if lost:
        owner.kill()
        time.sleep(dice.choice([0, 0.5, 3, 6]))
    done = False
    for _ in range(3):
        done = _ask(cluster, dice, "promote", path, but=owner if lost else None) is not None
        if done:
            break
        time.sleep(1)
    if lost:
        cluster.promotions.append(Promotion(path, asked, killed, time.monotonic()))
    cluster.effects["promote an owner that is lost" if lost else "promote an owner that is here"] += done
    yield f"promote {path} of {owner.name}, which {'was killed' if lost else 'is here'}{'' if done else ', failed'}"
    if lost:
        owner.start()
        owner.wait()
        time.sleep(3)  # it asks the others whether it is the owner still


def volumes_of(cluster: Deployment, dice: Random) -> list[VolumeRow]:
    """The mount table, as some node tells it."""
    return cast(list[VolumeRow], _ask(cluster, dice, "volumes") or [])


def report_of(cluster: Deployment, dice: Random, path: str) -> CopyReport | None:
    """What the copies of a volume have."""
    return cast(CopyReport | None, _ask(cluster, dice, "replicate", path))


def await_copies(cluster: Deployment, dice: Random, before: CopyReport) -> bool:
    """Wait until a copy has all that the owner had; tell whether one has."""
    for _ in range(3):
        report = report_of(cluster, dice, before["path"])
        if report is None or report["owner"]["filesystem"] != before["owner"]["filesystem"]:
            return False
        if any(row["position"] >= before["owner"]["position"] > 0 for row in report["copies"]):
            return True
    return False


def _ask(cluster: Deployment, dice: Random, *words: str, but: Member | None = None) -> object:
    """The answer of the first of the nodes that answers; None when none does."""
    for member in dice.sample(cluster.members, len(cluster.members)):
        if member in (but, cluster.older):
            continue
        done = cluster.emerge(member, *words, seconds=STEP_SECONDS)
        if done.returncode == 0:
            return json.loads(done.stdout)
    return None


def _recent(cluster: Deployment, dice: Random, known: set[str]) -> str:
    """A directory where the load makes things now, and that is no volume."""
    age = int(time.monotonic() - cluster.began) // MOUNT_SECONDS
    paths = [f"/m{max(age - back, 0)}" for back in range(6)]
    vacant = [path for path in paths if path not in known]
    return dice.choice(vacant[:2] or paths)
