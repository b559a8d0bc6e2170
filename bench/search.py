"""Searches beside SQLite's own SELECT over an index of the same column, and beside a plain loop; and what indexes cost.

`EMERGE_BENCH_LARGE=1` goes up to a million objects. SQLite gives the uuid, name and encoded state of the same objects
from a table that has only these; ours come with the rights to each looked at. At the client they become instances, and
SQLite's states with them.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import unpack_state
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store

from .measure import Row, in_turn, print_rows
from .stores import AT_ONCE, rate

SIZES = (1000, 100_000, 1_000_000)
FEW = 10
PATH = "/articles"
ROUNDS = 3
WRITES = 2000
INDEXES: dict[str, list[tuple[str, ...]]] = {
    "no index": [],
    "one index": [("number",)],
    "three indexes": [("number",), ("weight",), ("colour", "number")],
}
COLOURS = ("red", "green", "blue", "black")
AIMS = {(100_000, FEW): "≤ 6", (100_000, 1000): "≤ 2.5"}
LAMBDA_AIMS = {(100_000, FEW): "≤ 300 µs"}
"""By how many objects and hits: as the operation gives them, and by a lambda, as instances."""
BUILD_AIMS = {1_000_000: "≤ 8"}
"""By how many objects."""


@dataclass
class Article(EmergeFile):
    """`number` is another one for each, in no order."""

    number: int = 0
    weight: float = 0.0
    colour: str = ""
    note: str = ""


def articles(count: int) -> Iterator[Article]:
    numbers = list(range(count))
    chance = random.Random(count)
    chance.shuffle(numbers)
    for place, number in enumerate(numbers):
        weight, colour = chance.random(), COLOURS[number % len(COLOURS)]
        yield Article(name=f"a{place:07}", path=PATH, number=number, weight=weight, colour=colour, note="x" * 120)


@dataclass
class Place:
    """A filesystem with articles, and SQLite with the same."""

    runner: asyncio.Runner
    client: Client
    bare: sqlite3.Connection
    size: int

    @classmethod
    def make(cls, runner: asyncio.Runner, folder: Path, size: int) -> Place:
        client = runner.run(open_client(folder / f"emerge{size}.db"))
        runner.run(client.storeall(articles(size)))
        bare = sqlite3.connect(folder / f"bare{size}.db", isolation_level=None)
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("CREATE TABLE article (uuid BLOB PRIMARY KEY, name TEXT, number INTEGER, state BLOB)")
        place = cls(runner, client, bare, size)
        runner.run(place._copy())
        return place

    async def _copy(self) -> None:
        """The same states into the bare table, in the order of their directory."""
        number = {article.name: article.number for article in articles(self.size)}
        self.bare.execute("BEGIN")
        async for page in self.client.search_pages(None, PATH):
            rows = [(each["pointer"], each["state"]) for each in page["objects"]]
            self.bare.executemany(
                "INSERT INTO article VALUES (?, ?, ?, ?)",
                [(pointer["uuid"], pointer["name"], number[pointer["name"]], state) for pointer, state in rows],
            )
        self.bare.execute("COMMIT")

    def close(self) -> None:
        self.runner.run(self.client.close())
        self.bare.close()

    def index(self) -> Row:
        """Microseconds an object until an index over all of them is ready, beside SQLite's; once."""
        start = time.perf_counter()
        self.runner.run(self.client.index(PATH, "number"))
        ours = time.perf_counter() - start
        start = time.perf_counter()
        self.bare.execute("CREATE INDEX number ON article (number)")
        theirs = time.perf_counter() - start
        what = f"{self.size:,} objects"
        return Row(what, 1e6 * ours / self.size, [1e6 * theirs / self.size], BUILD_AIMS.get(self.size, ""))

    def times(self, work: Callable[[], Awaitable[int]], hits: int, repeats: int) -> float:
        """Microseconds of one of these searches, which has so many hits."""

        async def repeat() -> float:
            start = time.perf_counter()
            for _ in range(repeats):
                assert await work() == hits
            return 1e6 * (time.perf_counter() - start) / repeats

        return self.runner.run(repeat())

    # --- ours
    def search(self, hits: int, repeats: int = 1) -> float:
        """As the operation gives it: pointers and encoded states."""
        predicate, _ = wire_predicate(lambda o: o.number < hits)
        call = self.client.transport.call

        async def work() -> int:
            found, cursor = 0, ""
            while True:
                page = await call("search", [PATH, predicate, "", False, 1000, cursor])
                found += len(page["objects"])
                cursor = page["cursor"]
                if not cursor:
                    return found

        return self.times(work, hits, repeats)

    def instances(self, hits: int, repeats: int = 1) -> float:
        """As a program has it: the lambda captured, instances found."""

        async def work() -> int:
            return len(await self.client.search(lambda o: o.number < hits, PATH))

        return self.times(work, hits, repeats)

    # --- theirs
    def select(self, hits: int) -> list[tuple[bytes, str, bytes]]:
        return self.bare.execute("SELECT uuid, name, state FROM article WHERE number < ?", (hits,)).fetchall()

    def selected(self, hits: int, repeats: int = 1) -> float:
        async def work() -> int:
            return len(self.select(hits))

        return self.times(work, hits, repeats)

    def selected_instances(self, hits: int, repeats: int = 1) -> float:
        async def work() -> int:
            return len([unpack_state(state, Article, no_class) for _, _, state in self.select(hits)])

        return self.times(work, hits, repeats)

    def loop(self, hits: int) -> float:
        """Over objects that are in memory already; made a part at a time, which is not timed."""
        seconds, found = 0.0, 0
        cursor = self.bare.execute("SELECT state FROM article")
        while states := cursor.fetchmany(10_000):
            objects = [unpack_state(state, Article, no_class) for (state,) in states]
            start = time.perf_counter()
            found += len([o for o in objects if o.number < hits])
            seconds += time.perf_counter() - start
        assert found == hits
        return 1e6 * seconds

    def unpacked(self, hits: int) -> float:
        """The same, with reading them and making them."""
        start = time.perf_counter()
        cursor = self.bare.execute("SELECT state FROM article")
        objects = (unpack_state(state, Article, no_class) for (state,) in cursor)
        assert len([o for o in objects if o.number < hits]) == hits
        return 1e6 * (time.perf_counter() - start)


def no_class(bundle: str, name: str) -> Any:
    raise AssertionError(f"articles hold no {name}")


async def open_client(path: Path) -> Client:
    url = f"sqlite:///{path}"
    return Client(LocalTransport(await Filesystem.open(await open_store(url), url=url)))


def unindexed(place: Place) -> list[Row]:
    figures = in_turn(partial(place.search, FEW), partial(place.loop, FEW), partial(place.unpacked, FEW), rounds=ROUNDS)
    return [Row(f"{place.size:,} objects, {FEW} hits", figures[0], figures[1:])]


def indexed(place: Place) -> tuple[list[Row], list[Row]]:
    """Searches of few hits and of 1 %: as the operation gives them, and as instances."""
    bare: list[Row] = []
    made: list[Row] = []
    for hits in (FEW, place.size // 100):
        if hits == FEW and bare:
            continue
        what, repeats = f"{place.size:,} objects, {hits:,} hits", max(3, 1000 // hits)
        place.search(hits), place.selected(hits)  # what both read is in memory from here on
        ours, theirs, mine, peer = in_turn(
            partial(place.search, hits, repeats),
            partial(place.selected, hits, repeats),
            partial(place.instances, hits, repeats),
            partial(place.selected_instances, hits, repeats),
        )
        bare.append(Row(what, ours, [theirs], AIMS.get((place.size, hits), "")))
        made.append(Row(what, mine, [peer], LAMBDA_AIMS.get((place.size, hits), "")))
    return bare, made


def write_rate(runner: asyncio.Runner, folder: Path, at_once: int, fields: list[tuple[str, ...]]) -> float:
    """Articles stored a second, one an operation, with these indexes."""

    async def store() -> float:
        client = await open_client(folder / f"write{time.monotonic_ns()}.db")
        await client.mkdir(PATH)
        for each in fields:
            await client.index(PATH, *each)
        count = WRITES if at_once > 1 else WRITES // 4
        work = [partial(client.store, article) for article in articles(count)]
        await client.store(Article(name="first", path=PATH))  # the class is known from here on
        found = await rate(work, at_once)
        await client.close()
        return found

    return runner.run(store())


def writes(runner: asyncio.Runner, folder: Path) -> list[Row]:
    rows = []
    for at_once in (1, AT_ONCE):
        none, one, three = in_turn(
            *(partial(write_rate, runner, folder, at_once, fields) for fields in INDEXES.values()), rounds=ROUNDS
        )
        for name, figure in zip(INDEXES, (none, one, three), strict=True):
            rows.append(Row(f"store, {at_once} at a time, {name}", figure, [none]))
    return rows


def main() -> None:
    large = bool(os.environ.get("EMERGE_BENCH_LARGE"))
    walks: list[Row] = []
    bare: list[Row] = []
    made: list[Row] = []
    builds: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        for size in SIZES if large else SIZES[:-1]:
            place = Place.make(runner, Path(folder), size)
            walks += unindexed(place)
            builds.append(place.index())
            for rows, more in zip((bare, made), indexed(place), strict=True):
                rows += more
            place.close()
        written = writes(runner, Path(folder))
    print_rows("Search with an index, as the operation gives it", "µs", ["SQLite, index"], bare)
    print_rows("Search with an index, as instances", "µs", ["SQLite, instances"], made)
    print_rows("Search without an index", "µs", ["loop, in memory", "read, make, loop"], walks)
    print_rows("Storing", "a second", ["no index"], written)
    print_rows("Building an index, to disk", "µs an object", ["SQLite, CREATE INDEX"], builds)


if __name__ == "__main__":
    main()
