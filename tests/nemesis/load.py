"""The load: clients of a cluster that store, read, change, move and remove things, and write down what they were told.

    python -m tests.nemesis.load PLAN HISTORY       (see `Plan`; JSON)

Things are in units of a few paths, in one volume or several, on which clients work at the same time. A unit is in use
for a while, so that its history is short enough to be checked. A line "/v1 /v2" on standard input asks for moves
between these, an empty one for no more of them. The load ends when its standard input does: then every path that was
ever used is read, through every node. No call is made twice, and no value is written twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random

from emerge_wasm import EmergeFile, PartialAnswer, StaleAnswer, codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.transports.failover import Unsent
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Conflict, EmergeError, Invalid, NotFound
from emerge_wasm.objects import Pointer

from .history import Action, Recorder, Seen

KEYS = ("a", "b", "c")
UNITS = 4
"""Units in use at a time."""

CALLS, UNKNOWN = 60, 6
"""A unit is left alone after so many calls, or so many whose outcome is unknown."""

PATIENCE = 6.0
"""Seconds after which a client gives a call up, and goes to another node."""

LAST_PATIENCE = 180.0
"""Seconds within which everything must be readable again once the faults are over."""


@dataclass
class Plan:
    """Where the nodes are, by name; the volumes that they own, and what to go by."""

    nodes: dict[str, str]
    volumes: dict[str, str] = field(default_factory=dict)  # path -> node; none: all nodes have all
    key: str = ""  # the file of the client's key
    seed: int = 0
    clients: int = 10
    pause: float = 0.02
    copies: int = 0  # of each volume, on other nodes
    programs: int = 0  # that put and fetch files
    largest: int = 0  # bytes of each of their files; 0: of various sizes
    older: str = ""  # the node of the release before, whose volumes nobody can copy

    @property
    def copied(self) -> list[str]:
        """The volumes that have copies."""
        return [path for path, node in self.volumes.items() if self.copies and node != self.older]


@dataclass
class Cell(EmergeFile):
    """What the load stores."""

    value: str = ""

    def swap(self, value: str) -> str:
        """Put a value in the place of another, which is returned."""
        old, self.value = self.value, value
        return old


def seen(pointer: Pointer, value: str | None = None) -> Seen:
    told: Seen = {"uuid": pointer.uuid, "version": pointer.version}
    if value is not None:
        told["value"] = value
    return told


@dataclass
class Unit:
    """A few paths. Its number is in their names.

    `carries`: each is in a directory of its own, the same in several volumes, which is moved and removed with it.
    """

    name: str
    paths: tuple[str, ...]
    carries: bool = False
    calls: int = 0
    unknown: int = 0
    present: set[str] = field(default_factory=set)
    """Where something was when an answer last said so."""

    def pick(self, dice: Random, name: str) -> tuple[str, str]:
        """A path and another: mostly such that the operation can be done."""
        path, other = dice.sample(self.paths, 2)
        if self.present and name in NEEDING and dice.random() < 0.8:
            path = dice.choice(sorted(self.present))
            vacant = [each for each in self.paths if each not in self.present]
            other = dice.choice(vacant or [each for each in self.paths if each != path])
        return path, other

    def learn(self, actions: list[Action]) -> None:
        for action in actions:
            if action["do"] in ("move", "carry"):
                self.present.add(action["to"])
            gone = action["do"] in ("drop", "move", "carry") or ("seen" in action and action["seen"] is None)
            (self.present.discard if gone else self.present.add)(action["key"])

    @property
    def is_over(self) -> bool:
        return self.calls >= CALLS or self.unknown >= UNKNOWN


Told = tuple[list[Action], list[list[str]]]
"""What an answer says: the operation's actions, with what was seen, and the paths and uuids of a listing."""

Answer = Awaitable[Told]


class Load:
    """All clients, and the units that they work on."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self.plan = plan
        self.recorder = recorder
        self.units: list[Unit] = []
        self.dice = Random(plan.seed)
        self.way: list[str] = []
        """Between which places moves are wanted."""
        self._values = 0
        self._began = time.monotonic()
        self._used: list[Unit] = [self._unit() for _ in range(UNITS)]
        self.stopped = asyncio.Event()

    def hear(self) -> None:
        """Do as standard input says."""
        told = os.read(sys.stdin.fileno(), 4096).decode()
        if not told:
            self.stopped.set()
            return
        self.way = told.splitlines()[-1].split()
        if self.way:
            self._used[0] = self._unit()

    def _unit(self) -> Unit:
        name = f"u{len(self.units)}"
        places = [*self.plan.volumes, "/"] if self.plan.volumes else ["/"]
        age = int(time.monotonic() - self._began) // MOUNT_SECONDS
        chosen = [self.dice.choice([*places, f"/m{age}"]).rstrip("/") for _ in KEYS]
        places = sorted(set(self.way or places))
        if len(places) > 1 and self.dice.random() < 0.3:
            tops = [place.rstrip("/") for place in self.dice.sample(places, min(len(places), len(KEYS)))]
            return self._add(Unit(name, tuple(f"{top}/{name}/x" for top in tops), carries=True))
        if self.way:
            chosen = [self.way[number % 2].rstrip("/") for number in range(len(KEYS))]
        elif self.dice.random() < 0.5:
            chosen = [chosen[0]] * len(KEYS)  # in one place: moves and transactions are served there
        return self._add(Unit(name, tuple(f"{place}/{name}/{key}" for place, key in zip(chosen, KEYS, strict=True))))

    def _add(self, unit: Unit) -> Unit:
        self.units.append(unit)
        return unit

    def unit(self, at: int) -> Unit:
        if self._used[at].is_over:
            self._used[at] = self._unit()
        return self._used[at]

    def owner(self, path: str) -> str:
        """The node that owns a path, as far as the plan says: where a transaction begins. "": any."""
        above = [volume for volume in self.plan.volumes if path.startswith(f"{volume}/")]
        first = next(iter(self.plan.nodes)) if self.plan.volumes else ""
        return self.plan.volumes[max(above, key=len)] if above else first

    def value(self) -> str:
        self._values += 1
        return f"v{self._values}"

    def connect(self, node: str) -> Client:
        return client_of(self.plan, node)

    async def run(self) -> None:
        """Work until it is stopped, then read everything."""
        workers = [asyncio.create_task(Worker(self, number).run()) for number in range(self.plan.clients)]
        await self.stopped.wait()
        await asyncio.gather(*workers)
        await asyncio.gather(*(self._read_all(node) for node in self.plan.nodes))
        if self.plan.copies:
            await self._compare_copies()

    async def _compare_copies(self) -> None:
        """See that each volume has its copies, and that they have all that it has."""
        async with self.connect(next(iter(self.plan.nodes))) as client:
            work = Worker(self, 0, client)
            until = time.monotonic() + LAST_PATIENCE
            for path in self.plan.copied:
                await work.insist(Unit(path, ()), "copies", [], partial(work.compare, path, self.plan.copies), until)

    async def _read_all(self, node: str) -> None:
        """Read all paths through a node, until it answers for all of them; see what it has, too."""
        async with self.connect(node) as client:
            work = Worker(self, 0, client)
            until = time.monotonic() + LAST_PATIENCE
            everything = Unit("all", ())
            await work.insist(everything, "tree", [], lambda: work.tree("/"), until)
            for unit in self.units:
                for path in unit.paths:
                    await work.insist(unit, "read", [{"do": "see", "key": path}], partial(work.read, path), until)


class Worker:
    """One client: a call after the other, each to the node that it prefers at the time."""

    def __init__(self, load: Load, number: int, client: Client | None = None) -> None:
        self.load = load
        self.dice = Random(load.plan.seed * 1000 + number)
        self.node = ""
        self.client = client
        self._clients: dict[str, Client] = {}
        self._skew = 0.0
        self._asked = 0.0

    async def run(self) -> None:
        while not self.load.stopped.is_set():
            if not self.node or self.dice.random() < 0.1:
                self._choose()
            answered = await self._step()
            await asyncio.sleep(self.dice.expovariate(1 / self.load.plan.pause) if answered else 0.3)
        for client in self._clients.values():
            await client.close()

    def _choose(self, node: str = "") -> None:
        self.node = node or self.dice.choice(list(self.load.plan.nodes))
        if self.node not in self._clients:
            self._clients[self.node] = self.load.connect(self.node)
        self.client = self._clients[self.node]

    @property
    def _client(self) -> Client:
        assert self.client is not None
        return self.client

    async def _step(self) -> bool:
        """Make one call; whether a node answered, be it with an error."""
        unit = self.load.unit(self.dice.randrange(UNITS))
        name = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.load.way and self.dice.random() < 0.5:
            unit, name = self.load.unit(0), self.dice.choice(["mv", "mv", "store"])
        if unit.carries and self.dice.random() < 0.3:
            name = "mv"
        path, other = unit.pick(self.dice, name)
        value = self.load.value()
        plans: dict[str, tuple[list[Action], Callable[[], Answer]]] = {
            "read": ([{"do": "see", "key": path}], lambda: self.read(path)),
            "get": ([{"do": "see", "key": path}], lambda: self.get(path)),
            "cat": ([{"do": "see", "key": path}], lambda: self.cat(path)),
            "list": ([{"do": "see", "key": path}], lambda: self.list(path, unit.paths)),
            "search": ([{"do": "see", "key": path}], lambda: self.search(path, unit.paths)),
            "store": ([{"do": "put", "key": path, "value": value}], lambda: self.store(path, value)),
            "update": ([{"do": "change", "key": path, "value": value}], lambda: self.update(path, value)),
            "swap": ([{"do": "change", "key": path, "value": value}], lambda: self.swap(path, value)),
            "rm": ([{"do": "drop", "key": path}], lambda: self.rm(path)),
            "mv": ([{"do": "move", "key": path, "to": other}], lambda: self.mv(path, other)),
            "transact": (
                [{"do": "change", "key": path, "value": value}, {"do": "put", "key": other, "value": value + "t"}],
                lambda: self.transact(path, other, value),
            ),
        }
        if unit.carries:
            plans["rm"] = [{"do": "drop", "key": path}], lambda: self.rm_around(path)
            plans["mv"] = [{"do": "carry", "key": path, "to": other}], lambda: self.carry(path, other)
        if name == "transact" and (owner := self.load.owner(path)):
            self._choose(owner)
        actions, call = plans[name]
        return await self._make(unit, name, actions, call)

    async def _make(
        self, unit: Unit, name: str, actions: list[Action], call: Callable[[], Answer], patience: float = PATIENCE
    ) -> bool:
        """Make a call and write it down; whether a node answered it, and told something of what is there."""
        unit.calls += 1
        self._skew, self._asked = 0.0, time.time()
        number = self.load.recorder.call(unit.name, name, self.node, actions)
        reads = all(action["do"] == "see" for action in actions)
        try:
            async with asyncio.timeout(patience):
                told, listed = await call()
        except (EmergeError, TimeoutError, PartialAnswer, StaleAnswer) as error:
            outcome, told = self._judge(error, actions, reads)
            unit.unknown += outcome == "unknown"
            if outcome == "fail":
                unit.learn(told)
            self.load.recorder.end(number, outcome, told, error=words_of(error))
            if not isinstance(error, (NotFound, Conflict, Invalid)) and self._clients:
                self._choose()
            return bool(told)
        self.load.recorder.end(number, "ok", told, listed=listed, skew=self._skew)
        unit.learn(told)
        return True

    @staticmethod
    def _judge(error: Exception, actions: list[Action], reads: bool) -> tuple[str, list[Action]]:
        """How a call ended that raised an error, and what the error tells of what is there.

        An error that does not say that the outcome is unknown says that nothing was done.
        """
        path = actions[0]["key"] if actions else ""
        if isinstance(error, NotFound) and error.path == path and "bundles" not in error.details:
            return "fail", [{"do": "see", "key": path, "seen": None}]
        late = isinstance(error, TimeoutError)
        unknown = late or (isinstance(error, EmergeError) and error.details.get("unknown"))
        return ("unknown", actions) if unknown and not reads else ("fail", [])

    async def insist(
        self, unit: Unit, name: str, actions: list[Action], call: Callable[[], Answer], until: float
    ) -> None:
        """Make a call that only reads until it is answered, or it is too late."""
        while not await self._make(unit, name, actions, call, LAST_PATIENCE):
            if time.monotonic() > until:
                number = self.load.recorder.call(unit.name, name, self.node, actions)
                self.load.recorder.end(number, "fail", [], error="GaveUp: no answer after the faults were over")
                return
            await asyncio.sleep(0.3)

    # --- reading
    async def read(self, path: str) -> Told:
        row = await self._client.remote.getobject(path)
        told = seen(Pointer.from_wire(row["pointer"]), codec.decode(row["state"])["value"])
        return [{"do": "see", "key": path, "seen": told}], []

    async def get(self, path: str) -> Told:
        return [{"do": "see", "key": path, "seen": seen(await self._client.get(path))}], []

    async def cat(self, path: str) -> Told:
        return [{"do": "see", "key": path, "seen": {"value": (await self._client.cat(path))["value"]}}], []

    async def list(self, path: str, paths: Sequence[str]) -> Told:
        """What a directory says of one of the paths."""
        folder = path.rpartition("/")[0]
        try:
            found = await self._client.list(folder)
        except NotFound as error:
            if error.path != folder:
                raise
            return of_listing(path, {}), []
        return of_listing(path, {each.full_path: seen(each) for each in found}), rows(found)

    async def search(self, path: str, paths: Sequence[str]) -> Told:
        """What a search of everything says of one of the paths."""
        unit = path.split("/")[-2]
        found: dict[str, Seen] = {}
        pointers: list[Pointer] = []
        async for page in self._client.search_pages(lambda obj: obj.data == unit, "/"):
            if page.get("missing"):
                raise PartialAnswer(page["missing"])
            if page.get("stale"):
                raise StaleAnswer(page["stale"])
            for row in page["objects"]:
                pointers.append(Pointer.from_wire(row["pointer"]))
                found[pointers[-1].full_path] = seen(pointers[-1], codec.decode(row["state"])["value"])
        return of_listing(path, found), [[each.full_path, ""] for each in pointers]

    async def tree(self, path: str) -> Told:
        """Everything there is."""
        return [], rows([each async for each in self._client.tree(path) if not each.is_directory])

    async def compare(self, path: str, copies: int) -> Told:
        """See that the copies of a volume are as many as they are to be, and have what its owner has.

        Raises:
            PartialAnswer: not yet.
        """
        report = await self._client.replicate(path)
        if len(report["copies"]) != copies or not all(row["same"] for row in report["copies"]):
            raise PartialAnswer([str(report)])
        return [], []

    # --- changing
    async def store(self, path: str, value: str) -> Told:
        pointer = self._dated(await self._client.store(cell(path, value)))
        return [{"do": "put", "key": path, "value": value, "seen": seen(pointer, value)}], []

    async def update(self, path: str, value: str) -> Told:
        pointer = self._dated(await self._client.update(path, value=value))
        return [{"do": "change", "key": path, "value": value, "seen": seen(pointer, value)}], []

    async def swap(self, path: str, value: str) -> Told:
        old = await self._client.run(path, "swap", value)
        return [{"do": "see", "key": path, "seen": {"value": old}}, {"do": "change", "key": path, "value": value}], []

    def _dated(self, pointer: Pointer) -> Pointer:
        """Note by how much the date of what was written is off: before the call, or after it."""
        dated = datetime.fromisoformat(pointer.date).timestamp()
        self._skew = round(max(dated - time.time(), 0.0) + min(dated - self._asked, 0.0), 3)
        return pointer

    async def rm(self, path: str) -> Told:
        await self._client.rm(path)
        return [{"do": "drop", "key": path}], []

    async def mv(self, path: str, other: str) -> Told:
        pointer = await self._client.mv(path, other)
        return [{"do": "move", "key": path, "to": other, "seen": seen(pointer)}], []

    async def rm_around(self, path: str) -> Told:
        """Remove the directory that a path is in."""
        await self._client.rm(path.rpartition("/")[0], recursive=True)
        return [{"do": "drop", "key": path}], []

    async def carry(self, path: str, other: str) -> Told:
        """Move the directory that a path is in to where another one would be in the same."""
        source, target = path.rpartition("/")[0], other.rpartition("/")[0]
        await self._client.mv(source, target.rpartition("/")[0] or "/")
        return [{"do": "carry", "key": path, "to": other}], []

    async def transact(self, path: str, other: str, value: str) -> Told:
        """Read one path and change it, and store another, at once."""
        async with self._client.transaction(seconds=int(PATIENCE)) as inside:
            before = (await inside.cat(path))["value"]
            await inside.update(path, value=value)
            await inside.store(cell(other, value + "t"))
        return [
            {"do": "see", "key": path, "seen": {"value": before}},
            {"do": "change", "key": path, "value": value},
            {"do": "put", "key": other, "value": value + "t"},
        ], []


def words_of(error: Exception) -> str:
    """An error as it is written down."""
    kind = "Unavailable" if isinstance(error, Unsent) else type(error).__name__
    return f"{kind}: {str(error)[:200]}"


WEIGHTS = {
    "read": 5,
    "get": 2,
    "cat": 2,
    "list": 2,
    "search": 1,
    "store": 8,
    "update": 3,
    "swap": 2,
    "rm": 2,
    "mv": 5,
    "transact": 2,
}
"""How often each operation is called."""

NEEDING = {"update", "swap", "rm", "mv", "transact", "cat", "get"}
"""Operations on what is there."""

MOUNT_SECONDS = 8
"""In each span of so many seconds new things go to another directory (`/m0`, `/m1`), which may become a volume."""


def client_of(plan: Plan, node: str) -> Client:
    """A client of one node, which goes to no other."""
    credential = Credential(Path(plan.key)) if plan.key else None
    return Client(ZeroMQTransport(plan.nodes[node], credential=credential))


def cell(path: str, value: str) -> Cell:
    folder, _, name = path.rpartition("/")
    return Cell(name=name, path=folder, value=value, data=folder.rpartition("/")[2])


def of_listing(path: str, found: dict[str, Seen]) -> list[Action]:
    return [{"do": "see", "key": path, "seen": found.get(path)}]


def rows(pointers: Sequence[Pointer]) -> list[list[str]]:
    return [[each.full_path, each.uuid] for each in pointers]


async def main(plan: Plan, file: Path) -> None:
    with file.open("a") as lines:
        load = Load(plan, Recorder(lines))
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), load.hear)
        print("working", flush=True)  # noqa: T201
        stopped = asyncio.create_task(load.stopped.wait())
        stopped.add_done_callback(lambda _: loop.remove_reader(sys.stdin.fileno()))
        await load.run()


def raise_warnings() -> None:
    """Make errors of answers that are not whole, or of a copy: what they say is not checked."""
    for kind in (PartialAnswer, StaleAnswer):
        warnings.simplefilter("error", kind)


def to_json(plan: Plan) -> str:
    return json.dumps(asdict(plan))


if __name__ == "__main__":
    from tests.nemesis import load as module  # its class is to be that of an importable module

    raise_warnings()
    asyncio.run(module.main(module.Plan(**json.loads(Path(sys.argv[1]).read_text())), Path(sys.argv[2])))
