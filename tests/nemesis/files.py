"""The load of files: programs that put, read, move and remove files, and are killed while they do.

    python -m tests.nemesis.files PLAN FOLDER       (see `load.Plan`; JSON)

Each writes a history into the folder; a call without an end is one in which it was killed, after some that ended,
however slow they are. Another one takes its place, and begins with what it had begun: the same local file is put, or
fetched to, again. The load ends when its standard input does; then every file is read. It prints how often a program
was killed in what.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import TypedDict

from emerge_wasm.clients import Client
from emerge_wasm.errors import EmergeError, NotFound, PartialAnswer, StaleAnswer

from .checker import keys_of
from .content import HEAD, parts_of, read_head, slice_of, value_of
from .history import Action, Recorder, Seen, read_history
from .load import Plan, client_of, raise_warnings, seen, words_of

KEYS = ("a", "b")
UNIT_SECONDS = 40
UNITS = 3
SIZES = {
    0: 2,
    1: 1,
    15: 1,
    16: 1,
    4096: 3,
    65537: 3,
    300_000: 5,
    1 << 20: 2,
    (1 << 20) + 1: 2,
    3_145_735: 2,
    6 << 20: 1,
}
WEIGHTS = {"put": 6, "write": 2, "abort": 1, "fetch": 6, "part": 4, "get": 1, "mv": 2, "rm": 1, "repair": 1}
RAIDS = (0, 1, 5, 6)
BLOCK_SIZES = (4096, 65_536, 65_536, 1 << 20)
LARGEST_WEIGHT = 3
"""How often a file is of the largest size that is asked for, among all sizes."""

SLOWEST = 100_000
"""Bytes of a file in a second, below which a program gives up."""

LEAST_SECONDS = 30.0
LAST_SECONDS = 120.0
LIFE = (1, 4)
"""How many calls of a program end before it is killed."""

Told = list[Action]


class Job(TypedDict):
    """What a program does with a local file, for the one that takes its place."""

    name: str
    path: str
    file: str
    raid: int


class FileWorker:
    """A program: one call after the other, each to the node that it prefers at the time."""

    def __init__(self, plan: Plan, folder: Path, slot: int, life: int) -> None:
        self._plan = plan
        self._folder = folder
        self._slot = slot
        self._dice = Random(f"{plan.seed} {slot} {life}")
        self._number = (slot * 1000 + life) * 1000
        self._clients: dict[str, Client] = {}
        self._recorder = Recorder((folder / f"files-{slot}-{life}.jsonl").open("a"))
        self._job = folder / f"job-{slot}.json"

    async def run(self, ended: Callable[[], bool]) -> None:
        if self._job.exists():
            job: Job = json.loads(self._job.read_text())
            await (self._put(job) if job["name"] == "put" else self._fetch(job))
        while not ended():
            if not await self._step():
                await asyncio.sleep(0.3)
            await asyncio.sleep(self._dice.expovariate(5))

    async def _step(self) -> bool:
        paths = self._paths()
        path, other = self._dice.sample(paths, 2)
        name = self._dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if name == "put":
            return await self._put_new(path)
        if name == "fetch":
            return await self._fetch(self._note("fetch", path, self._folder / f"got-{self._slot}"))
        if name in ("write", "abort"):
            return await self._write(path, name == "write")
        see: list[Action] = [{"do": "see", "key": path}]
        if name == "mv":
            return await self._make(name, [{"do": "move", "key": path, "to": other}], partial(self.mv, path, other))
        if name == "rm":
            return await self._make(name, [{"do": "drop", "key": path}], partial(self.rm, path))
        if name == "repair":
            return await self._make(name, see, partial(self.repair, path))
        return await self._make(name, see, partial(self.part if name == "part" else self.get, path))

    def _paths(self) -> list[str]:
        """The files of a unit that is used now by all programs."""
        age = int(time.monotonic() / UNIT_SECONDS)
        unit = f"f{age}x{self._dice.randrange(UNITS)}"
        chosen = Random(f"{self._plan.seed} {unit}")
        places = [each.rstrip("/") for each in (*self._plan.volumes, "/")]
        return [f"{chosen.choice(places)}/{unit}/{key}" for key in KEYS]

    def _note(self, name: str, path: str, file: Path, raid: int = 0) -> Job:
        job: Job = {"name": name, "path": path, "file": str(file), "raid": raid}
        fresh = self._job.with_suffix(".new")
        fresh.write_text(json.dumps(job))
        fresh.replace(self._job)  # it may be killed at any moment
        return job

    # --- with a local file
    async def _put_new(self, path: str) -> bool:
        self._number += 1
        sizes = {**SIZES, self._plan.largest: LARGEST_WEIGHT} if self._plan.largest else SIZES
        size = self._dice.choices(list(sizes), list(sizes.values()))[0]
        file = self._folder / f"put-{self._slot}-{self._number}"
        with file.open("wb") as made:
            made.writelines(parts_of(self._number, size))
        return await self._put(self._note("put", path, file, self._dice.choice(RAIDS)))

    async def _put(self, job: Job) -> bool:
        file = Path(job["file"])
        size = self._size_of(file)
        if size < 0:  # killed as it was done
            self._forget(file)
            return True
        action: Action = {"do": "put", "key": job["path"], "value": value_of(file)}

        async def put(client: Client) -> Told:
            block_size = max(BLOCK_SIZES[self._number % len(BLOCK_SIZES)], size >> 12)
            pointer = await client.put(file, job["path"], raid=job["raid"], block_size=block_size)
            return [{**action, "seen": seen(pointer, action["value"])}]

        done = await self._make("put", [action], put, size)
        self._forget(file)
        return done

    async def _fetch(self, job: Job) -> bool:
        file, path = Path(job["file"]), job["path"]

        async def fetch(client: Client) -> Told:
            await client.fetch(path, file)
            return [{"do": "see", "key": path, "seen": {"value": value_of(file)}}]

        done = await self._make("fetch", [{"do": "see", "key": path}], fetch, self._plan.largest)
        self._forget(file)
        return done

    def _size_of(self, file: Path) -> int:
        return file.stat().st_size if file.exists() else -1

    def _forget(self, file: Path) -> None:
        """The work with a local file is done."""
        file.unlink(missing_ok=True)
        self._job.unlink()

    # --- by pieces
    async def _write(self, path: str, whole: bool) -> bool:
        self._number += 1
        number, size = self._number, self._dice.choice(list(SIZES))
        value = f"{number}:{size}" if size >= HEAD else f"{size}:{slice_of(number, size, 0, size).hex()}"
        action: Action = {"do": "put", "key": path, "value": value}

        async def write(client: Client) -> Told:
            async with await client.open(path, "wb", raid=self._dice.choice(RAIDS)) as file:
                for part in parts_of(number, size):
                    cut = self._dice.randrange(len(part) + 1)
                    await file.write(part[:cut])
                    await file.write(part[cut:])
                if not whole:
                    raise Aborted
            assert file.pointer is not None
            return [{**action, "seen": seen(file.pointer, value)}]

        return await self._make("write" if whole else "abort", [action] if whole else [], write, size)

    async def part(self, path: str, client: Client) -> Told:
        """Read a part of a file, from any place on."""
        async with await client.open(path) as file:
            size = file.size
            head = await file.read(HEAD)
            value = f"{size}:{head.hex()}"
            if size >= HEAD:
                number, said = read_head(head)
                offset, length = self._dice.randrange(size), self._dice.choice([1, 5000, 2 << 20])
                file.seek(offset)
                read = await file.read(length)
                right = said == size and read == slice_of(number, size, offset, length)
                value = f"{number}:{size}" if right else f"wrong: {len(read)} bytes of {size} from {offset} on"
        return [{"do": "see", "key": path, "seen": seen(file.pointer, value)}]

    async def get(self, path: str, client: Client) -> Told:
        return [{"do": "see", "key": path, "seen": seen(await client.get(path))}]

    async def mv(self, path: str, other: str, client: Client) -> Told:
        return [{"do": "move", "key": path, "to": other, "seen": seen(await client.mv(path, other))}]

    async def rm(self, path: str, client: Client) -> Told:
        await client.rm(path)
        return [{"do": "drop", "key": path}]

    async def repair(self, path: str, client: Client) -> Told:
        """Have what lacks made again: it says no more than that something is there."""
        with suppress(NotFound):  # or the version that it was about is not kept any more
            await client.repair(path)
        return []

    # --- calls
    async def _make(
        self, name: str, actions: Told, call: Callable[[Client], Awaitable[Told]], size: int = 0, node: str = ""
    ) -> bool:
        """Make a call and write it down; whether a node answered it, and told something of what is there."""
        node = node or self._dice.choice(list(self._plan.nodes))
        path = actions[0]["key"] if actions else ""
        number = self._recorder.call(path.rpartition("/")[0].rpartition("/")[2], name, node, actions)
        reads = all(action["do"] == "see" for action in actions)
        try:
            async with asyncio.timeout(LEAST_SECONDS + size / SLOWEST):
                told = await call(self._client(node))
        except Aborted:
            self._recorder.end(number, "ok", [])
            return True
        except (EmergeError, TimeoutError, PartialAnswer, StaleAnswer) as error:
            outcome, told = judge(error, actions, reads)
            self._recorder.end(number, outcome, told, error=words_of(error))
            return bool(told)
        self._recorder.end(number, "ok", told)
        return True

    def _client(self, node: str) -> Client:
        if node not in self._clients:
            self._clients[node] = client_of(self._plan, node)
        return self._clients[node]

    async def read_all(self, paths: list[str]) -> None:
        """Read all files, each through some node, and insist on an answer."""
        until = time.monotonic() + LAST_SECONDS
        for path in paths:
            until = max(until, time.monotonic() + LEAST_SECONDS)
            while not await self._fetch(self._note("fetch", path, self._folder / "got-last")):
                if time.monotonic() > until:
                    number = self._recorder.call(path, "fetch", "", [])
                    self._recorder.end(number, "fail", [], error="GaveUp: no answer after the faults were over")
                    break
                await asyncio.sleep(0.3)
        for client in self._clients.values():
            await client.close()


class Aborted(Exception):
    """The one who writes a file thinks better of it."""


def judge(error: Exception, actions: Told, reads: bool) -> tuple[str, Told]:
    """How a call ended that raised an error, and what the error tells of what is there: a block that is lost is no file
    that is not there."""
    path = actions[0]["key"] if actions else ""
    if isinstance(error, NotFound) and error.path == path and "block" not in error.details:
        see: Seen | None = None
        return "fail", [{"do": "see", "key": path, "seen": see}]
    unknown = isinstance(error, TimeoutError) or (isinstance(error, EmergeError) and error.details.get("unknown"))
    return ("unknown", actions) if unknown and not reads else ("fail", [])


def program(plan: Plan, folder: Path, slot: int, life: int, ends: int, held: int) -> None:
    """What a program does, until the other end of the pipe `ends` is closed."""
    os.close(held)
    asyncio.run(FileWorker(plan, folder, slot, life).run(lambda: bool(select.select([ends], [], [], 0)[0])))


def ended(history: Path) -> int:
    """How many calls of a program have ended."""
    return (
        sum(each.outcome != "unknown" or bool(each.error) for each in read_history(history)) if history.exists() else 0
    )


def main(plan: Plan, folder: Path) -> None:
    start = multiprocessing.get_context("fork").Process
    ends, held = os.pipe()
    dice, lives = Random(plan.seed), Counter[int]()

    def begin(slot: int) -> BaseProcess:
        made = start(target=program, args=(plan, folder, slot, lives[slot], ends, held), daemon=True)
        made.start()
        return made

    programs = {slot: begin(slot) for slot in range(plan.programs)}
    due = {slot: dice.randint(*LIFE) for slot in programs}
    print("working", flush=True)  # noqa: T201
    while not select.select([sys.stdin], [], [], dice.uniform(0.1, 2))[0]:
        slot = dice.randrange(plan.programs)
        assert programs[slot].is_alive(), "a program failed"
        if ended(folder / f"files-{slot}-{lives[slot]}.jsonl") < due[slot]:
            continue
        programs[slot].kill()
        programs[slot].join()
        lives[slot] += 1
        programs[slot], due[slot] = begin(slot), dice.randint(*LIFE)
    os.close(held)
    for each in programs.values():
        each.join(LAST_SECONDS)
        assert each.exitcode in (0, None), "a program failed"
        each.kill()
    histories = [read_history(file) for file in folder.glob("files-*.jsonl")]
    paths = {key for history in histories for call in history for key in keys_of(call)}
    asyncio.run(FileWorker(plan, folder, plan.programs, 0).read_all(sorted(paths)))
    last = [history[-1] for history in histories if history]
    killed = Counter(each.name for each in last if each.outcome == "unknown" and not each.error)
    print(json.dumps(killed), flush=True)  # noqa: T201


if __name__ == "__main__":
    raise_warnings()
    main(Plan(**json.loads(Path(sys.argv[1]).read_text())), Path(sys.argv[2]))
