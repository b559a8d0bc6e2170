"""What test_codec_pyodide.py has a Pyodide do: read values that another Python wrote, and write them again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from emerge_wasm import EmergeFile
from emerge_wasm.codec import decode, encode, pack_state, show, unpack_state


@dataclass(eq=False)
class Node:
    label: Any = None
    other: Any = None


@dataclass
class Tree(EmergeFile):
    top: Any = None


async def main() -> None:
    for encoded, text in json.loads(globals()["URL"]):  # each value, encoded and as text
        value = decode(bytes.fromhex(encoded))
        assert show(value) == text, (show(value), text)
        assert encode(value).hex() == encoded, text
    ring = [Node(number) for number in range(200)]
    tree = Tree(name="t", top=[*ring])
    for one, other in zip(ring, [*ring[1:], tree], strict=True):
        one.other = other
    data = pack_state(tree, lambda cls: cls.__name__)
    read = unpack_state(data, Tree, lambda bundle, name: Node)
    assert read.top[3].other is read.top[4] and read.top[199].other is read
    assert encode(decode(data)) == data and len(show(decode(data))) < 100_000
    loop: list[Any] = [1]
    for _ in range(60):
        loop = [loop, loop]
    assert len(show(decode(encode(loop)))) < 100_000
