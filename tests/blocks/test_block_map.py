"""Block maps: whatever the number of blocks, the root leads to all of them in order, and is theirs alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Invalid
from emerge_wasm.blocks.block import block_name, names_in_map
from emerge_wasm.blocks.block_map import BlockMap, BlockRow, MapBuilder, find_row
from emerge_wasm.blocks.layout import Layout, make_layout
from tests.scale import examples

LAYOUTS = st.sampled_from([make_layout(), make_layout(5, 2), make_layout(6, 3)])


def rows_of(layout: Layout, sizes: list[int]) -> list[BlockRow]:
    def name(*about: object) -> bytes:
        return block_name(repr(about).encode())

    return [
        BlockRow(name(at, size), size, tuple(name(at, size, part) for part in range(layout.fragments)))
        for at, size in enumerate(sizes)
    ]


def built(layout: Layout, rows: list[BlockRow], fanout: int) -> tuple[bytes, dict[bytes, bytes]]:
    """The root's name, and all nodes by name; each comes after what it names."""
    builder = MapBuilder(layout, fanout)
    made = [node for row in rows for node in builder.add(row)] + builder.end()
    there = {name for row in rows for name in row.kept}
    for node in made:
        assert set(names_in_map(node)) <= there
        there.add(block_name(node))
    return block_name(made[-1]), {block_name(node): node for node in made}


def leaves(root: bytes, nodes: dict[bytes, bytes]) -> list[BlockRow]:
    node = BlockMap.unpack(nodes[root])
    return [leaf for row in node.rows for leaf in leaves(row.name, nodes)] if node.level else list(node.rows)


@settings(max_examples=examples(60), deadline=None)
@given(LAYOUTS, st.lists(st.integers(1, 1 << 20), max_size=60), st.integers(2, 7))
def test_the_root_leads_to_all_blocks(layout: Layout, sizes: list[int], fanout: int) -> None:
    rows = rows_of(layout, sizes)
    root, nodes = built(layout, rows, fanout)
    assert leaves(root, nodes) == rows
    top = BlockMap.unpack(nodes[root])
    assert top.size == sum(sizes)
    assert top.layout == layout
    assert all(len(BlockMap.unpack(node).rows) <= fanout for node in nodes.values())
    assert len(top.rows) != 1 or top.level == 0
    assert built(layout, rows, fanout)[0] == root
    if rows:
        changed = [*rows[:-1], rows[-1]._replace(name=block_name(b"another"), fragments=rows[0].fragments)]
        assert built(layout, changed, fanout)[0] != root


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_a_row_is_found_by_any_of_its_bytes(sizes: list[int]) -> None:
    node = BlockMap(make_layout(), 0, tuple(rows_of(make_layout(), sizes)))
    of_byte = [number for number, size in enumerate(sizes) for _ in range(size)]
    assert [find_row(node.starts(), offset) for offset in range(sum(sizes))] == of_byte


@settings(max_examples=examples(60), deadline=None)
@given(LAYOUTS, st.lists(st.integers(1, 9), max_size=5), st.data())
def test_what_is_no_map_is_invalid(layout: Layout, sizes: list[int], data: st.DataObject) -> None:
    packed = BlockMap(layout, 0, tuple(rows_of(layout, sizes))).pack()
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(Invalid):
        BlockMap.unpack(packed[:cut])
    with pytest.raises(Invalid):
        BlockMap.unpack(data.draw(st.binary(max_size=40)))
