"""A leader that is changed at random, and what it was at each position of its log."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable

from emerge_wasm.codec import encode
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError, NotFound
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.handover import arrival, departure, stage
from emerge_wasm.filesystem.handover.row import rows_of
from emerge_wasm.filesystem.layout.log import newest_position
from emerge_wasm.replication.follower import Follower
from emerge_wasm.replication.leader import read_page, read_parts
from emerge_wasm.store import Store

OPERATOR = Context("ann", superuser=True)
NAMES = ("a", "b", "c")
PATHS = [f"/{one}{more}" for one in ("v", "w") for more in ("", *(f"/{x}" for x in NAMES), "/d/a", "/d/b", "/d/e/a")]
PATHS += ["/v/d", "/v/d/e", "/w/d"]
RULES = ("2", "all", "3", "")
Snapshot = list[dict[str, object]]


async def call(fs: Filesystem, name: str, *args: object, context: Context = OPERATOR) -> object:
    answer = fs.dispatch(name, args, context)
    assert isinstance(answer, Awaitable)
    return await answer


async def snapshot(fs: Filesystem, path: str, *, versions: bool = True) -> Snapshot:
    """What is at and below a path: all versions, with states, rights, dates and authors."""
    answer = fs.dispatch("export", [path, versions], OPERATOR)
    assert isinstance(answer, AsyncIterator)
    try:
        return sorted([record async for record in answer], key=lambda record: str(record["path"]))
    except NotFound:
        return []


async def rows(store: Store, space: str) -> list[tuple[bytes, bytes]]:
    return await store.scan(space, limit=100_000)


class RandomWrites:
    """Operations at random, from a seed; those that make no sense are refused, which changes nothing."""

    def __init__(self, fs: Filesystem, seed: int, *, moves_across: bool = True, retains: bool = True) -> None:
        self.fs = fs
        self.dice = random.Random(seed)
        self._across = moves_across
        self._retains = retains
        self._number = 0

    def path(self, top: str = "") -> str:
        return self.dice.choice([path for path in PATHS if path.startswith(top)])

    async def step(self) -> None:
        try:
            await self._step(self.dice.choice(("store",) * 6 + ("mv",) * 4 + tuple(OTHERS)))
        except EmergeError:
            return

    async def _step(self, what: str, transaction: str = "") -> None:
        fs, dice = self.fs, self.dice
        context = Context("ann", superuser=True, transaction=transaction) if transaction else OPERATOR
        path = self.path()
        self._number += 1
        size = 70_000 if dice.random() < 0.05 else 5
        state = encode({"n": self._number, "text": "x" * size})
        if what == "store":
            await call(fs, "store", path, state, "Thing", "", 0, "file", "", None, context=context)
        elif what in ("mv", "cp"):
            top = "" if self._across else path[:2]
            args = (path, self.path(top), *([True] if what == "cp" else []))
            await call(fs, what, *args, context=context)
        elif what == "rm":
            await call(fs, "rm", path, True, context=context)
        elif what == "restore":
            await call(fs, "restore", path, dice.choice((0, 0, 1)), "", context=context)
        elif what == "chmod":
            await call(fs, "chmod", path, dice.choice(("go-rwx", "a+rx")), False, context=context)
        elif what == "mkdir":
            await call(fs, "mkdir", path, context=context)
        elif what == "purge":
            await call(fs, "purge", dice.choice((path, path, "/v")))
        elif what == "retain" and self._retains:
            await call(fs, "retain", path, dice.choice(RULES))
        elif what == "index":
            await call(fs, "index", dice.choice(("/v", "/v/d")), ["n"], False, False, dice.random() < 0.3)
        elif what == "transaction" and not transaction:
            begun = await call(fs, "begin")
            assert isinstance(begun, dict)
            for _ in range(dice.randrange(1, 5)):
                await self._step(dice.choice(("store", "mv", "rm", "store")), begun["transaction"])
            await call(fs, dice.choice(("commit", "commit", "rollback")), begun["transaction"])


OTHERS = ("cp", "rm", "rm", "restore", "purge", "chmod", "mkdir", "retain", "index", "transaction")


async def hand_over(source: Filesystem, path: str, target: Filesystem, to: str) -> None:
    """Move something to another filesystem, as nodes do."""
    intent, top = await departure.begin(source.core, OPERATOR, path, target.uuid, to)
    sent = [intent.id, source.uuid, intent.uuid, intent.source, intent.target]
    try:
        await arrival.open_arrival(target.core, OPERATOR, *sent, stays=False)
        async for part in rows_of(source.core, top, b""):
            await stage.take(target.core, intent.id, part)
        intent = await departure.ask(source.core, intent)
        pointer = await arrival.attach(target.core, OPERATOR, intent.id)
    except EmergeError:
        await stage.give_up(target.core, intent.id)
        await departure.thaw(source.core, intent)
        await departure.forget(source.core, intent)
        raise
    where = f"{pointer['path'].rstrip('/')}/{pointer['name']}"
    intent = await departure.give(source.core, intent, where, pointer["date"])
    await departure.clear(source.core, intent)
    await departure.thaw(source.core, intent)
    await stage.end(target.core, await arrival.find_arrival(target.core, intent.id))
    await departure.forget(source.core, intent)


async def pull(follower: Follower, leader: Filesystem, steps: int = 1_000_000) -> bool:
    """Carry at most so many requests and answers; tell whether all is copied."""
    for _ in range(steps):
        request = follower.request()
        answer = await (read_page(leader.core, request) if "path" in request else read_parts(leader.core, request))
        if not await follower.take(answer):
            return True
    return False


async def position(fs: Filesystem) -> int:
    return await newest_position(fs.core.store)
