"""Uploads, other levels, repairs, scrubs, removals, retention and collections at once: nothing wanted goes, nothing
else stays, and damage that the level allows is never a loss."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeError, NotFound
from emerge_wasm.blocks.layout import make_layout
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.repair.scrub import ScrubPass, run_pass
from tests.contracts.files import content
from tests.filesystem.blocks.test_collection import LATER, Interleaved, World, killed
from tests.scale import examples

from .damaged import put_file, spoil, spoil_ditto, tree_of

PLACES, VALUES = 3, 4


def datas(value: int) -> list[bytes]:
    """What a file has of each value: some blocks in common with others."""
    return [bytes([number % (value + 2)]) * (20_000 + number) for number in range(value + 1)]


class Files:
    """Files in one filesystem, and what is done to them."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.world = World(filesystem)
        self.client = Client(LocalTransport(filesystem))
        self.core = filesystem.core
        self.source = random.Random(0)
        self.spoilt = False

    async def put(self, place: int, value: int) -> None:
        await put_file(self.client, f"/d/{place}", make_layout((0, 5, 6)[value % 3], 2), datas(value))

    async def reshape(self, place: int, value: int) -> None:
        await self.client.reshape(f"/d/{place}", (5, 6, 0, 5)[value])

    async def repair(self, place: int, value: int) -> None:
        report = await self.client.repair(f"/d/{place}")
        assert report["readable"], report

    async def scrub(self, place: int, value: int) -> None:
        done = ScrubPass()

        async def nothing(size: int = 0) -> None: ...

        await run_pass(self.core, done, nothing, nothing)
        assert done.losses == 0

    async def remove(self, place: int, value: int) -> None:
        await self.client.rm(f"/d/{place}")

    async def copy(self, place: int, value: int) -> None:
        await self.client.cp(f"/d/{place}", f"/d/{value}")

    async def retain(self, place: int, value: int) -> None:
        await self.client.retain("/d", str(value + 1))

    async def collect(self, place: int, value: int) -> None:
        await collect(self.core.blocks)

    async def spoil(self, place: int, value: int) -> None:
        """Spoil a piece of each block that has parity, once in a round, and one copy of each map."""
        tree = (await self.client.remote.getobject(f"/d/{place}"))["state"]
        if self.spoilt or b"raid" not in tree:
            return
        self.spoilt = True
        check = await self.client.verify(f"/d/{place}")
        maps, rows = await tree_of(self.core.blocks, bytes.fromhex(check["root"]))
        for name in {self.source.choice(row.fragments) for row in rows if row.fragments}:
            await spoil(self.core.blocks, name, ("flip", "cut", "gone", "empty")[value], self.source)
        for name in maps:
            await (spoil if value % 2 else spoil_ditto)(self.core.blocks, name, "flip", self.source)

    async def settle(self) -> None:
        """Nothing is under way: what is there can be read, and mended."""
        for pointer in await self.client.list("/d") if await self.world.names() else []:
            report = await self.client.repair(pointer.full_path)
            assert report["readable"], report
            got = await content(self.client, pointer.full_path)
            assert got in [b"".join(datas(value)) for value in range(VALUES)]
        await self.scrub(0, 0)
        assert (await audit(self.core.store)).faults == []
        self.spoilt = False


ACTIONS: dict[str, Callable[[Files, int, int], Awaitable[None]]] = {
    "put": Files.put,
    "put too": Files.put,
    "reshape": Files.reshape,
    "repair": Files.repair,
    "scrub": Files.scrub,
    "remove": Files.remove,
    "copy": Files.copy,
    "retain": Files.retain,
    "collect": Files.collect,
    "collect too": Files.collect,
    "spoil": Files.spoil,
}
ROUNDS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ACTIONS)),
            st.integers(0, PLACES - 1),
            st.integers(0, VALUES - 1),
            st.none() | st.integers(0, 100),  # turns after which it is killed
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=5,
)


async def act(files: Files, kind: str, place: int, value: int) -> None:
    try:
        await ACTIONS[kind](files, place, value)
    except (NotFound, Conflict) as error:  # it is not there, or another one came first
        assert "block" not in error.details or isinstance(error, Conflict), error
    except EmergeError as error:
        raise AssertionError(f"{kind}: {error}") from error


async def run(rounds: list[list[tuple[str, int, int, int | None]]], seed: int) -> None:
    filesystem = await Filesystem.open(Interleaved(seed))
    files = Files(filesystem)
    await files.client.mkdir("/d")
    for place in range(PLACES):
        await files.put(place, place + 1)
    for actions in rounds:
        tasks = [asyncio.create_task(act(files, kind, place, value)) for kind, place, value, _ in actions]
        killers = [
            killed(turns, task) for task, (_, _, _, turns) in zip(tasks, actions, strict=True) if turns is not None
        ]
        for done in (await asyncio.gather(*tasks, *killers, return_exceptions=True))[: len(tasks)]:
            if isinstance(done, BaseException) and not isinstance(done, asyncio.CancelledError):
                raise done
        await files.settle()
    await collect(files.core.blocks, LATER)
    assert await files.world.names() == await files.world.keeps()
    await files.settle()
    await filesystem.close()


@given(ROUNDS, st.integers(0, 1 << 32))
@settings(max_examples=examples(8), deadline=None)
def test_nothing_wanted_goes_and_nothing_else_stays(
    rounds: list[list[tuple[str, int, int, int | None]]], seed: int
) -> None:
    asyncio.run(run(rounds, seed))
