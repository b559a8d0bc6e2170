"""A store as a dict, to compare real ones with: used by the Hypothesis machine and by the seeded runs in the browser.

Imports only the standard library and emerge_wasm.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from emerge_wasm.errors import Conflict
from emerge_wasm.store import SPACES, Batch, Key

from .store import OpenStore, scan_all

USED = ("states", "entries", "log")
KEYS = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\xff", b"b", b"\xff", b"\xff\xff", (2).to_bytes(8, "big")]
VALUES = [b"", b"\0", b"1", b"2", b"x" * 300]


@dataclass(frozen=True)
class Vocabulary:
    """What a run takes its rows from. `many`: the puts of a large batch, of which there is none if it is 0."""

    spaces: tuple[str, ...] = USED
    keys: list[bytes] = field(default_factory=lambda: KEYS)
    values: list[bytes] = field(default_factory=lambda: VALUES)
    many: int = 0
    limits: tuple[int, ...] = tuple(range(1, 8))


SMALL = Vocabulary()
LARGE = Vocabulary(
    ("versions", "links", "log"),
    [b"%c%c" % (first, last) * 9 for first in b"\0aq\xff" for last in range(150)],
    [b"", b"1", *(b"%d" % size + b"x" * size for size in (90, 200, 700, 9000))],
    many=200,
    limits=(1, 7, 40, 1000),
)
"""So many rows that they do not fit into one page of a database, in spaces that such pages may be made of."""


@dataclass
class Model:
    """What a store must hold after the batches given to `commit`."""

    rows: dict[Key, bytes] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPACES, 0))

    def commit(self, batch: Batch) -> list[int] | Key:
        """The numbers of the appends, or the key of the first failed expectation."""
        for space, key, value in batch.expects:
            if self.rows.get((space, key)) != value:
                return space, key
        for space, start, end, count in batch.counts:
            if len(self.scan(space, start, end, len(self.rows), False)) != count:
                return space, start
        for where in batch.deletes:
            self.rows.pop(where, None)
        for space, key, value in batch.puts:
            self.rows[space, key] = value
        numbers = []
        for space, value in batch.appends:
            self.last[space] += 1
            self.rows[space, self.last[space].to_bytes(8, "big")] = value
            numbers.append(self.last[space])
        return numbers

    def scan(self, space: str, start: bytes, end: bytes | None, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
        rows = sorted((key, value) for (held, key), value in self.rows.items() if held == space)
        inside = [row for row in rows if row[0] >= start and (end is None or row[0] < end)]
        return (inside[::-1] if reverse else inside)[:limit]


def random_batch(source: random.Random, model: Model, words: Vocabulary = SMALL) -> Batch:
    """A few changes, and of a large vocabulary now and then many and counts, with conditions of which most hold."""

    def where() -> Key:
        return source.choice(words.spaces), source.choice(words.keys)

    batch = Batch()
    for _ in range(source.randrange(3)):
        place = where()
        batch.expect(*place, model.rows.get(place) if source.random() < 0.85 else source.choice([None, *words.values]))
    if words.many and source.random() < 0.2:
        space, start = where()
        end = source.choice([None, *(key for key in words.keys if key > start)])
        count = len(model.scan(space, start, end, len(model.rows), False))
        batch.expect_count(space, start, end, count if source.random() < 0.85 else count + 1)
    for _ in range(source.randrange(3)):
        batch.delete(*where())
    for _ in range(words.many if words.many and source.random() < 0.1 else source.randrange(5)):
        batch.put(*where(), source.choice(words.values))
    if words.many and source.random() < 0.05:
        space, key = where()
        for held, _ in model.scan(space, key, None, words.many, False):
            batch.delete(space, held)
    for _ in range(source.randrange(3)):
        batch.append(source.choice(words.spaces), source.choice(words.values))
    return batch


async def run_random(open_store: OpenStore, seed: int, steps: int, words: Vocabulary = SMALL) -> dict[str, int]:
    """Do `steps` random things to a store and to the model; they must never differ. How often each was done."""
    source, model, store = random.Random(seed), Model(), await open_store()
    done = dict.fromkeys(("commit", "conflict", "get", "scan", "pages", "reopen"), 0)
    for _ in range(steps):
        action = source.choices(("commit", "get", "scan", "pages", "reopen"), (10, 4, 6, 1, 0.5))[0]
        match action:
            case "commit":
                batch = random_batch(source, model, words)
                wanted = model.commit(batch)
                try:
                    assert await store.commit(batch) == wanted
                except Conflict as error:
                    assert (error.details["space"], error.details["key"]) == wanted
                    action = "conflict"
            case "get":
                keys = [(source.choice(words.spaces), source.choice(words.keys)) for _ in range(source.randrange(20))]
                assert await store.get(keys) == [model.rows.get(key) for key in keys]
            case "scan":
                space, start, end = (
                    source.choice(words.spaces),
                    source.choice(words.keys),
                    source.choice([None, *words.keys]),
                )
                limit, reverse = source.choice((0, *words.limits)), source.random() < 0.5
                found = await store.scan(space, start, end, limit=limit, reverse=reverse)
                assert found == model.scan(space, start, end, limit, reverse)
            case "pages":
                for space in words.spaces:
                    reverse = source.random() < 0.5
                    found = await scan_all(store, space, source.choice(words.limits), reverse)
                    assert found == model.scan(space, b"", None, len(found) + 1, reverse)
            case "reopen" if store.capabilities.reopens:
                await store.close()
                store = await open_store()
        done[action] += 1
    await store.close()
    return done
