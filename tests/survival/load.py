"""A mixed load on a node, and what must be there afterwards.

Each worker changes things of its own, one after the other, and knows what they look like after each change. When the
node dies, one change of each worker is not acknowledged: it has been made as a whole, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import chain, cycle
from typing import Any

from emerge_wasm import codec
from emerge_wasm.clients import Client
from emerge_wasm.errors import Unavailable
from emerge_wasm.objects import EmergeFile, Pointer

SHARED = "/shared"  # directories to which all workers add
KINDS = 3  # directories of a worker
PERMS = ("rwxr-x---", "rw-r-----", "rwxrwx---")

Thing = tuple[int, int, str, str]  # version, n, permissions, uuid of what it refers to
Things = dict[str, Thing | None]  # by path; None is a directory


@dataclass
class Note(EmergeFile):
    """What the load stores."""

    n: int = 0
    text: str = ""
    to: Any = None


def note(path: str, n: int, to: str = "") -> Note:
    folder, _, name = path.rpartition("/")
    return Note(name=name, path=folder, n=n, text="x" * 300, to=codec.Reference(to) if to else None)


@dataclass
class Worker:
    """One client's things: as they were last acknowledged, and as they are if its last change was made as well."""

    number: int
    client: Client
    things: Things = field(default_factory=dict)
    pending: Things = field(default_factory=dict)
    acknowledged: int = 0
    uuid: str = ""  # of its first object, which all references refer to

    @property
    def home(self) -> str:
        return f"/w{self.number}"

    async def work(self) -> None:
        """Change one thing after the other until the node is gone; at any moment others do something else."""
        rotated = STEPS[self.number * 2 :] + STEPS[: self.number * 2]
        try:
            for turn, step in enumerate(chain((create, tree, tree), cycle(rotated))):
                await self._make(*step(self, turn))
        except Unavailable:
            return

    async def _make(self, call: Callable[[], Awaitable[Any]], changed: Things, removed: str = "") -> None:
        after = {**self.things, **changed}
        if removed:
            after = {path: thing for path, thing in after.items() if not f"{path}/".startswith(f"{removed}/")}
        self.pending = with_directories(after, self.home)
        answer = await call()
        self.things = self.pending
        self.acknowledged += 1
        if not self.uuid and isinstance(answer, Pointer):
            self.uuid = answer.uuid

    def objects(self) -> list[tuple[str, Thing]]:
        """Its objects but those in trees, the oldest first."""
        found = [(path, thing) for path, thing in self.things.items() if thing is not None]
        return [(path, thing) for path, thing in found if "/t" not in path]


Step = tuple[Callable[[], Awaitable[Any]], Things] | tuple[Callable[[], Awaitable[Any]], Things, str]


def with_directories(things: Things, home: str) -> Things:
    """These things and the worker's directories above them; directories, once made, stay."""
    made = {path[: -len(rest)] for path in things for rest in _rests(path) if path.startswith(home + "/")}
    return {**things, **{path: None for path in made if path}}


def _rests(path: str) -> list[str]:
    parts = path.split("/")
    return ["/" + "/".join(parts[cut:]) for cut in range(2, len(parts))]


def create(worker: Worker, turn: int) -> Step:
    path = f"{worker.home}/d{turn % KINDS}/o{turn}"
    changed: Things = {path: (1, turn, PERMS[0], "")}
    return lambda: worker.client.store(note(path, turn)), changed


def share(worker: Worker, turn: int) -> Step:
    path = f"{SHARED}/d{turn % KINDS}/w{worker.number}-{turn}"
    changed: Things = {path: (1, turn, PERMS[0], "")}
    return lambda: worker.client.store(note(path, turn)), changed


def refer(worker: Worker, turn: int) -> Step:
    path, uuid = f"{worker.home}/r{turn}", worker.uuid
    changed: Things = {path: (1, turn, PERMS[0], uuid)}
    return lambda: worker.client.store(note(path, turn, uuid)), changed


def update(worker: Worker, turn: int) -> Step:
    path, (version, _, perms, to) = worker.objects()[turn * 7 % len(worker.objects())]
    changed: Things = {path: (version + 1, turn, perms, to)}
    return lambda: worker.client.update(path, n=turn), changed


def change_perms(worker: Worker, turn: int) -> Step:
    path, (version, n, old, to) = worker.objects()[-1]
    perms = next(perms for perms in PERMS if perms != old)
    changed: Things = {path: (version + 1, n, perms, to)}
    return lambda: worker.client.chmod(path, perms), changed


def move(worker: Worker, turn: int) -> Step:
    path, (version, n, perms, to) = worker.objects()[turn * 5 % len(worker.objects())]
    target = f"{worker.home}/d{(turn + 1) % KINDS}/m{turn}"
    changed: Things = {target: (version + 1, n, perms, to)}
    return lambda: worker.client.mv(path, target), changed, path


def tree(worker: Worker, turn: int) -> Step:
    paths = [f"{worker.home}/t{turn}/{name}" for name in ("a", "b", "c/d", "c/e/f", "c/e/g")]
    notes = [note(path, turn, worker.uuid if path.endswith("f") else "") for path in paths]
    made: Things = {path: (1, turn, PERMS[0], worker.uuid if path.endswith("f") else "") for path in paths}
    return lambda: worker.client.storeall(notes), made


def remove_branch(worker: Worker, turn: int) -> Step:
    path = f"{trees(worker)[-1]}/c"
    return lambda: worker.client.rm(path, True), {}, path


def remove_tree(worker: Worker, turn: int) -> Step:
    path = trees(worker)[0]
    return lambda: worker.client.rm(path, True), {}, path


def trees(worker: Worker) -> list[str]:
    """Its trees that are whole, the oldest first."""
    return [path.removesuffix("/c/d") for path in worker.things if path.endswith("/c/d")]


STEPS = (share, update, tree, remove_branch, refer, move, change_perms, tree, create, update, remove_tree, move)


async def under_load(clients: list[Client], death: Coroutine[Any, Any, None]) -> list[Worker]:
    """A worker for each client, until the node's death, which `death` waits for."""
    workers = [Worker(number, client) for number, client in enumerate(clients)]
    tasks = [asyncio.create_task(death), *(asyncio.create_task(worker.work()) for worker in workers)]
    done, late = await asyncio.wait(tasks, timeout=40, return_when=asyncio.FIRST_EXCEPTION)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()  # raises what it failed with
    assert not late, "the node's death went unnoticed"
    return workers


async def found(client: Client) -> tuple[Things, Things]:
    """All that is in the filesystem: the things in the workers' own directories, and those in shared ones."""
    pointers = {f"{pointer.path.rstrip('/')}/{pointer.name}": pointer async for pointer in client.tree("/")}
    some = await asyncio.gather(*(_thing(client, path, pointer) for path, pointer in pointers.items()))
    things = dict(zip(pointers, some, strict=True))
    own = {path: thing for path, thing in things.items() if not path.startswith(SHARED)}
    return own, {path: thing for path, thing in things.items() if path not in own and thing is not None}


async def _thing(client: Client, path: str, pointer: Pointer) -> Thing | None:
    if pointer.is_directory:
        return None
    listed = [other.uuid for other in await client.references(path)]
    state = await client.cat(path)
    assert state["text"] == "x" * 300
    return pointer.version, state["n"], pointer.perms, "".join(listed)


async def check(client: Client, workers: list[Worker]) -> int:
    """See that every worker's things are as acknowledged, or as after its last change; how many of those were made."""
    own, shared = await found(client)
    more = 0
    for worker in workers:
        mark = f"/w{worker.number}"
        here = {path: thing for path, thing in own.items() if f"{path}/".startswith(f"{mark}/")}
        here |= {path: thing for path, thing in shared.items() if f"{mark}-" in path}
        if here != worker.things:
            assert here == worker.pending, f"worker {worker.number}: {difference(here, worker)}"
            more += 1
    known = {f"w{worker.number}" for worker in workers}
    assert {path.split("/")[1] for path in own} <= known
    return more


def difference(here: Things, worker: Worker) -> str:
    """What is neither as it was acknowledged nor as it is after the last change."""
    paths = {path for path in {*here, *worker.things, *worker.pending} if here.get(path) != worker.things.get(path)}
    absent = ("absent",)
    rows = [
        f"{path}: {here.get(path, absent)}, not {worker.things.get(path, absent)} or {worker.pending.get(path, absent)}"
        for path in sorted(paths)
    ]
    return "; ".join(rows)
