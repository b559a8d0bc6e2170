"""Uploads, other levels, moves, removals, repairs, looks after levels, copies too many, collections and reviews, on
three nodes at once: nothing wanted goes, nothing else stays, and each block is on as many nodes as its level says."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.errors import Conflict, NotFound
from emerge_wasm.filesystem.blocks import elsewhere
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.files.holders import holders_of
from emerge_wasm.filesystem.repair.absence import Absences
from emerge_wasm.filesystem.repair.scrub import ScrubPass, check_levels
from emerge_wasm.node.node import Node
from tests.contracts.files import content, pattern
from tests.nemesis.remains import held_for_nothing, remains_of, unlevel
from tests.scale import examples

from .conftest import Connect, StartNode
from .test_held_blocks import Worker, cluster, copies, give_up, work_together


async def no_wait(size: int) -> None: ...


async def look(node: Node) -> ScrubPass:
    """Have a node look after the levels of its files."""
    done = ScrubPass()
    await check_levels(node.filesystem.core, done, Absences(node.filesystem.core), no_wait)
    return done


class Mender(Worker):
    """Works on files of its own, and on the blocks of all."""

    async def work(self, steps: int) -> None:
        does = [self.put, self.put, self.rm, self.mv, self.read, self.collect, self.review]
        does += [self.reshape, self.repair, self.look, self.add_copies, self.add_copies]
        for _ in range(steps):
            await self.dice.choice(does)()

    async def reshape(self) -> None:
        for path in self.dice.sample(sorted(self.files), min(1, len(self.files))):
            await self.client().reshape(path, self.dice.choice([0, 1, 5]))

    async def repair(self) -> None:
        report = await self.client().repair("/")
        assert report["readable"], report

    async def look(self) -> None:
        assert (await look(self.dice.choice(self.nodes))).losses == 0

    async def add_copies(self) -> None:
        """Give some blocks to more nodes, as a repair does while somebody is away."""
        owner = self.dice.choice(self.nodes)
        core, around = owner.filesystem.core, holders_of(owner.filesystem.core)
        for path in self.dice.sample(sorted(self.files), min(1, len(self.files))):
            if (await self.client().get(path)).node != core.node:
                return
            with suppress(NotFound, Conflict):  # another version takes its place
                rows = [row async for row in self.client().blocks(path)]
                for name in {bytes.fromhex(each) for row in rows for each in row["fragments"] or [row["name"]]}:
                    await self._add_copy(owner, name, self.dice.choice(await around.others()).filesystem)

    async def _add_copy(self, owner: Node, name: bytes, holder: str) -> None:
        core = owner.filesystem.core
        for node in self.nodes:
            with suppress(NotFound):
                (data,) = await node.filesystem.core.blocks.read([name])
                await elsewhere.note(core.blocks, [name], holder)
                await holders_of(core).put(holder, {name: data})
                if self.dice.random() < 0.5 and await core.blocks.claim([name], "extra"):
                    await core.blocks.release("extra")
                return


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_each_block_is_where_its_level_wants_it(start_node: StartNode, connect: Connect, seed: int) -> None:
    nodes, workers = await work_together(Mender, 20, start_node, connect, seed)
    for _ in range(2):  # what one gives up frees what another holds
        for node in nodes:
            await give_up(node, now=1 << 62)
            await look(node)
            await node.held_blocks.review_all()
    for each in workers:
        await each.read()
    stores = {node.filesystem.uuid: await remains_of(node.filesystem.core.blocks) for node in nodes}
    assert [text for remains in stores.values() for text in remains.faults] == []
    assert [*unlevel(stores, stores), *held_for_nothing(stores)] == []
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []
    for each in workers:
        assert (await each.client().repair("/"))["files"] == []


@pytest.mark.parametrize("raid", [0, 1, 5])
async def test_a_copy_too_many_at_the_owner_is_given_up(start_node: StartNode, connect: Connect, raid: int) -> None:
    """It kept what nobody had while too few nodes were there."""
    nodes = await cluster(start_node, 4)
    client = Client(connect(nodes[0].endpoint))
    data = pattern(200_000)
    await client.put(io.BytesIO(data), "/f", raid=raid, block_size=20_000)
    own, before = nodes[0].filesystem.core, await copies(nodes, client, "/f")
    for node in nodes[1:]:
        held = node.filesystem.core.blocks
        for name in await held.has([bytes.fromhex(each) for each in before]):
            await own.blocks.remake({name: (await held.read([name]))[0]})
    assert await copies(nodes, client, "/f") != before
    done = await look(nodes[0])
    after = await copies(nodes, client, "/f")
    assert done.given_up and {len(whom) for whom in after.values()} == {2 if raid == 1 else 1}
    assert await content(client, "/f") == data and (await client.repair("/"))["files"] == []
