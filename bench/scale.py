"""What becomes of each operation where there is much: beside the same where there are a thousand.

Processor time of the process that has the filesystem (SQLite, in a file), so that a busy machine does little harm. What
is of one thing, or of one page, should cost as much as among a thousand; what is of all is told for each object.

`python -m bench.scale --objects 1000000` goes further; `--shapes flat,spread,versions,classes,node` leaves some out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from emerge_wasm import EmergeFile, EmergeObject, connect
from emerge_wasm.clients import Client

from .measure import Row, print_rows
from .process import processor_seconds, resident_bytes, spawned
from .search import open_client

FEW = 1000
BATCH = 5000
REPEATS = 9
FLAT, EACH = "≤ 1.5", "≤ 1.5"
"""How much dearer it may be than among a thousand: one thing or page; and each object, of what is done to all."""

Work = Callable[[], Awaitable[object]]


@dataclass
class Part(EmergeFile):
    number: int = 0
    colour: str = ""
    note: str = ""


def make(count: int, path: Callable[[int], str]) -> Iterator[Part]:
    chance = random.Random(count)
    numbers = list(range(count))
    chance.shuffle(numbers)
    for place, number in enumerate(numbers):
        yield Part(name=f"p{place:07}", path=path(place), number=number, colour="red", note="x" * 100)


class Costs:
    """Processor time of operations of one filesystem, in microseconds, by what they are."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    async def one(self, what: str, work: Work, repeats: int = REPEATS) -> None:
        """The median of some; the first is left out, since it may fill what others read."""
        taken = []
        for _ in range(repeats + 1):
            start = time.process_time()
            await work()
            taken.append(1e6 * (time.process_time() - start))
        self.found[what] = statistics.median(taken[1:])

    async def each(self, what: str, count: int, work: Work) -> None:
        """Done once to so many, for each of them."""
        start = time.process_time()
        await work()
        self.found[f"{what}, each"] = 1e6 * (time.process_time() - start) / count


async def fill(client: Client, things: Iterator[EmergeObject], count: int) -> None:
    batch: list[EmergeObject] = []
    for number, thing in enumerate(things, 1):
        batch.append(thing)
        if len(batch) == BATCH or number == count:
            await client.storeall(batch)
            batch = []


async def common(client: Client, costs: Costs, root: str, path: Callable[[int], str], count: int) -> None:
    """What is asked of many objects, wherever they are."""
    chance = random.Random(1)
    fresh = iter(range(10**9))

    def some() -> str:
        place = chance.randrange(count)
        return f"{path(place)}/p{place:07}"

    ten = count // 2
    await costs.one("get", lambda: client.get(some()))
    await costs.one("getobject", lambda: client.getobject(some()))
    await costs.one("update", lambda: client.update(some(), colour=f"c{next(fresh)}"))
    await costs.one("store a new one", lambda: client.store(Part(name=f"new{next(fresh)}", path=path(0), number=-1)))
    await costs.one("first page of 100", lambda: client.list(path(0), limit=100))
    await costs.each("index build", count, lambda: client.index(root, "number"))
    await costs.one("search, ten hits", lambda: client.search(lambda o: ten <= o.number < ten + 10, root))
    await costs.one("count, ten hits", lambda: client.count(lambda o: ten <= o.number < ten + 10, root))
    await costs.one("search, first page of all", lambda: first_page(client, root))
    await costs.one("first page by an order", lambda: client.search(None, root, order_by="number", limit=100))
    await costs.one("update, with the index", lambda: client.update(some(), number=chance.randrange(count)))


async def first_page(client: Client, root: str) -> None:
    async for _ in client.search_pages(None, root):
        return


async def flat(client: Client, costs: Costs, count: int) -> None:
    """All in one directory."""
    await costs.each("store", count, lambda: fill(client, make(count, lambda _: "/many"), count))
    await common(client, costs, "/many", lambda _: "/many", count)
    middle = (await client.pages("/many", 100))["cursors"][count // 200]
    await costs.one("page in the middle", lambda: client.list("/many", middle, 100))
    await costs.each("list", count, lambda: client.list("/many"))
    await costs.each("count by a scan", count, lambda: client.count(lambda o: o.colour == "blue", "/many"))
    await costs.each("rm -r", count, lambda: client.rm("/many", True))


async def spread(client: Client, costs: Costs, count: int) -> None:
    """A hundred in each directory."""

    def path(place: int) -> str:
        return f"/dirs/d{place // 100:06}"

    await costs.each("store", count, lambda: fill(client, make(count, path), count))
    await common(client, costs, "/dirs", path, count)
    await costs.one("first page of ten directories", lambda: client.list("/dirs", limit=10))
    await costs.each("tree", count, lambda: walk(client, "/dirs"))
    await costs.each("rm -r", count, lambda: client.rm("/dirs", True))


async def walk(client: Client, path: str) -> None:
    async for _ in client.tree(path):
        pass


async def versions(client: Client, costs: Costs, count: int) -> None:
    """So many versions of one object, among a few others."""
    await client.storeall(make(100, lambda _: "/few"))
    one = "/few/p0000000"

    async def grow() -> None:
        for number in range(1, count):
            await client.update(one, number=number)

    await costs.each("update", count, grow)
    moment = (await client.get(one, count // 2)).date
    await costs.one("get", lambda: client.get(one))
    await costs.one("get an old version", lambda: client.getobject(one, count // 2))
    await costs.one("as of a moment", lambda: client.getobject(one, as_of=moment))
    await costs.one("list as of a moment", lambda: client.list("/few", as_of=moment))
    await costs.one("first page of versions", lambda: client.versions(one))
    await costs.one("diff", lambda: client.diff(one, 1, count // 2))
    await costs.one("search", lambda: client.search(lambda o: o.number == 5, "/few"))
    await costs.each("rm", count, lambda: client.rm(one))


async def classes(client: Client, costs: Costs, count: int) -> None:
    """So many classes, each with an object."""
    with tempfile.TemporaryDirectory() as folder:
        made = [make_class(folder, number) for number in range(count)]
        await _of_classes(client, costs, made)


async def _of_classes(client: Client, costs: Costs, made: list[type[EmergeFile]]) -> None:
    count = len(made)

    async def store() -> None:
        for number, kind in enumerate(made):
            await client.store(kind(name=f"k{number:06}", path="/kinds", number=number))

    await costs.each("store", count, store)
    gc.collect()
    gc.freeze()  # so many modules are the caller's, which is another process where there is a node
    chance = random.Random(1)
    ten = count // 2
    await costs.one("get", lambda: client.get(f"/kinds/k{chance.randrange(count):06}"))
    await costs.one("getobject", lambda: client.getobject(f"/kinds/k{chance.randrange(count):06}"))
    await costs.one("methods", lambda: client.methods(f"/kinds/k{chance.randrange(count):06}"))
    await costs.one("first page of 100", lambda: client.list("/kinds", limit=100))
    await costs.each("index build", count, lambda: client.index("/kinds", "number"))
    await costs.one("search, ten hits", lambda: client.search(lambda o: ten <= o.number < ten + 10, "/kinds"))
    await costs.one("count, ten hits", lambda: client.count(lambda o: ten <= o.number < ten + 10, "/kinds"))
    await costs.each("rm -r", count, lambda: client.rm("/kinds", True))


def make_class(folder: str, number: int) -> type[EmergeFile]:
    """A class in a module of its own."""
    name = f"kind{number}"
    text = f"""from emerge_wasm import EmergeFile, dataclass

@dataclass
class Kind{number}(EmergeFile):
    number: int = {number}

    def double(self) -> int:
        return self.number * 2 + {number}
"""
    path = Path(folder) / f"{name}.py"
    path.write_text(text)
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    kind: type[EmergeFile] = getattr(module, f"Kind{number}")
    return kind


SHAPES = {"flat": flat, "spread": spread, "versions": versions, "classes": classes}


async def measure(shape: str, folder: Path, count: int) -> Costs:
    client, costs = await open_client(folder / f"{shape}{count}.db"), Costs()
    await SHAPES[shape](client, costs, count)
    await client.close()
    return costs


def rows_of(shape: str, folder: Path, count: int) -> list[Row]:
    few, many = (asyncio.run(measure(shape, folder, each)).found for each in (FEW, count))
    return [Row(what, figure, [few[what]], EACH if what.endswith("each") else FLAT) for what, figure in many.items()]


# --- a node, which is a process of its own
def node_costs(folder: Path, count: int) -> dict[str, float]:
    """What a node costs that starts with so many objects, and is asked a little."""
    url = f"sqlite:///{folder / f'node{count}.db'}"

    async def prepare() -> None:
        client = await open_client(folder / f"node{count}.db")
        await fill(client, make(count, lambda place: f"/dirs/d{place // 1000:06}"), count)
        await client.index("/dirs", "number")
        await client.close()

    asyncio.run(prepare())
    command = ("emerge_wasm.cli", "--json", "node", "start", "-p", "0", "--unsafe-run", "--store", url)
    with spawned(*command, quiet=True) as (process, line):
        found = {"start, ms": 1000 * processor_seconds(process.pid)}
        host = line.partition('"node": "tcp://')[2].partition('"')[0]
        found["memory at the start, MB"] = resident_bytes(process.pid) / 1e6
        with connect(host) as fs:
            fs.list("/dirs", limit=100)
            for number in range(0, count, max(1, count // 2000)):
                fs.get(f"/dirs/d{number // 1000:06}/p{number:07}")
            assert len(fs.search(lambda o: o.number < 10, "/dirs")) == 10
            assert fs.count(lambda o: o.colour == "blue", "/dirs") == 0
            sum(1 for _ in fs.tree("/dirs"))
        found["memory after a scan and a walk, MB"] = resident_bytes(process.pid) / 1e6
    return found


def node_rows(folder: Path, count: int) -> list[Row]:
    few, many = node_costs(folder, FEW), node_costs(folder, count)
    aims = {"start, ms": FLAT, "memory after a scan and a walk, MB": "≤ 2"}
    return [Row(what, figure, [few[what]], aims.get(what, "")) for what, figure in many.items()]


# --- an index, beside SQLite's own
def index_rows(folder: Path, count: int) -> list[Row]:
    """Processor seconds of building an index, and of SQLite's own over a table that has only the states."""
    ours = asyncio.run(build(folder / f"index{count}.db", count))
    bare = sqlite3.connect(folder / f"bare{count}.db", isolation_level=None)
    bare.execute("CREATE TABLE part (uuid BLOB PRIMARY KEY, name TEXT, number INTEGER, state BLOB)")
    rows = ((random.randbytes(16), part.name, part.number, b"x" * 200) for part in make(count, lambda _: "/"))
    bare.execute("BEGIN")
    bare.executemany("INSERT INTO part VALUES (?, ?, ?, ?)", rows)
    bare.execute("COMMIT")
    start = time.process_time()
    bare.execute("CREATE INDEX number ON part (number)")
    theirs = time.process_time() - start
    bare.close()
    return [Row(f"index of {count:,} objects", ours, [theirs], "≤ 8")]


async def build(path: Path, count: int) -> float:
    client = await open_client(path)
    await fill(client, make(count, lambda _: "/many"), count)
    start = time.process_time()
    await client.index("/many", "number")
    seconds = time.process_time() - start
    await client.close()
    return seconds


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=10_000)
    parser.add_argument("--shapes", default="flat,spread,versions,classes,node,index")
    given = parser.parse_args(arguments or [])
    for shape in given.shapes.split(","):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            count = {"versions": given.versions, "classes": given.classes}.get(shape, given.objects)
            if shape == "node":
                print_rows(f"A node of {count:,} objects", "as said", [f"of {FEW:,}"], node_rows(folder, count))
            elif shape == "index":
                print_rows("An index is built", "s", ["SQLite's CREATE INDEX"], index_rows(folder, count))
            else:
                title = f"{(SHAPES[shape].__doc__ or '').strip().rstrip('.')}: {count:,}"
                print_rows(title, "µs", [f"{FEW:,}"], rows_of(shape, folder, count))


if __name__ == "__main__":
    main(sys.argv[1:])
