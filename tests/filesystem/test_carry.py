"""Files on their way to another filesystem: whatever their trees are like, and whatever is here or comes twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid, Unavailable
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.block_map import BlockRow, MapBuilder
from emerge_wasm.blocks.layout import make_layout, split
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.files.carry import Carrier, carry
from emerge_wasm.filesystem.files.tree import names_below
from emerge_wasm.stores import open_store
from tests.scale import examples


def tree(raid: int, parts: list[bytes], fanout: int) -> tuple[bytes, dict[bytes, bytes]]:
    """A file's root, and all its blocks by name, nodes included, each after what it names."""
    layout, kept = make_layout(raid, 2), dict[bytes, bytes]()
    builder = MapBuilder(layout, fanout)
    nodes: list[bytes] = []
    for part in parts:
        fragments = split(layout, part)
        row = BlockRow(block_name(part), len(part), tuple(map(block_name, fragments)))
        kept |= zip(row.kept, fragments or [part], strict=True)
        nodes += builder.add(row)
    nodes += builder.end()
    return block_name(nodes[-1]), kept | {block_name(node): node for node in nodes}


PARTS = st.lists(st.binary(min_size=1, max_size=4), max_size=30)


@settings(max_examples=examples(25), deadline=None)
@given(st.sampled_from([0, 5]), st.lists(PARTS, min_size=1, max_size=3), st.integers(2, 5), st.data())
async def test_all_comes_once(raid: int, files: list[list[bytes]], fanout: int, data: st.DataObject) -> None:
    filesystem = await Filesystem.open(await open_store("memory:"))
    trees = [tree(raid, parts, fanout) for parts in files]
    there = {name: block for _, blocks in trees for name, block in blocks.items()}
    here = data.draw(st.sets(st.sampled_from(sorted(there)), max_size=5))
    await filesystem.core.blocks.put({name: there[name] for name in here}, "somebody")  # also nodes, as mere bytes
    sent: list[bytes] = []

    async def fetch(names: list[bytes]) -> dict[bytes, bytes]:
        part = names[: data.draw(st.integers(1, len(names)))]
        sent.extend(part)
        return {name: there[name] for name in part}

    carrier = Carrier(filesystem.core)
    roots = [root for root, _ in trees]
    await carry(carrier, roots, fetch)
    assert len(sent) == len(set(sent)) and not set(sent) & here
    for root, blocks in trees:
        assert await names_below(filesystem.core, root) == set(blocks)
        assert await filesystem.core.blocks.read(list(blocks)) == list(blocks.values())
    assert await carrier.missing(roots) == []
    await carrier.end()
    await filesystem.close()


@settings(max_examples=examples(25), deadline=None)
@given(st.sampled_from([0, 5]), st.lists(PARTS, min_size=1, max_size=3), st.integers(2, 5), st.data())
async def test_all_comes_though_the_claim_ends_on_the_way(
    raid: int, files: list[list[bytes]], fanout: int, data: st.DataObject
) -> None:
    """As when who has it is away for longer than a claim lasts, and what has come is collected meanwhile."""
    filesystem = await Filesystem.open(await open_store("memory:"))
    trees = [tree(raid, parts, fanout) for parts in files]
    there = {name: block for _, blocks in trees for name, block in blocks.items()}
    pauses = data.draw(st.integers(1, 3))

    async def fetch(names: list[bytes]) -> dict[bytes, bytes]:
        nonlocal pauses
        if pauses and data.draw(st.booleans()):
            pauses -= 1
            await collect(filesystem.core.blocks, 1 << 62)
        return {name: there[name] for name in names[: data.draw(st.integers(1, len(names)))]}

    carrier = Carrier(filesystem.core)
    await carry(carrier, [root for root, _ in trees], fetch)
    await collect(filesystem.core.blocks)
    for root, blocks in trees:
        assert await names_below(filesystem.core, root) == set(blocks)
        assert await filesystem.core.blocks.read(list(blocks)) == list(blocks.values())
    await filesystem.close()


async def test_what_cannot_be_had_or_is_wrong_is_told() -> None:
    filesystem = await Filesystem.open(await open_store("memory:"))
    root, there = tree(0, [b"one", b"two"], 4)
    carrier = Carrier(filesystem.core)
    assert await carrier.missing([root]) == [root]
    with pytest.raises(Invalid, match="damaged on its way"):
        await carrier.keep({root: there[root] + b"x"})
    await carrier.keep({block_name(b"nobody asked"): b"nobody asked"})
    assert await filesystem.core.blocks.has([block_name(b"nobody asked")]) == set()

    async def fetch(names: list[bytes]) -> dict[bytes, bytes]:
        return {name: there[name] for name in names if name == root}

    with pytest.raises(Unavailable, match="cannot be had"):
        await carry(Carrier(filesystem.core), [root], fetch)
    await filesystem.close()
