"""Who stands for a class is known wherever an object of it goes: with a volume that moves, and in its copies."""

from __future__ import annotations

from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.codec import encode
from emerge_wasm.node.node import Node
from emerge_wasm.operations import OWN, Context

from .conftest import StartNode, two
from .test_copies import cluster, is_copied
from .test_volumes import call

TEXT = "class Note(EmergeFile):\n    pass\n"
NOTE = Bundle.of(
    Content(
        "Note",
        imports=("from emerge_wasm.objects import EmergeFile",),
        parts=(SourcePart("class", "Note", TEXT, False),),
        module="notes",
    )
)
MARY = Context("mary", ("staff",))
STANDS = [{"principal": "mary", "groups": ["staff"]}]


async def store_note(node: Node, path: str) -> None:
    """As mary, from a program that has the class."""
    sent = {NOTE.hash: NOTE.data, OWN: NOTE.hash.encode()}
    answer = node.dispatch("store", [path, encode({}), "Note", NOTE.hash, 0, "file", "", sent], MARY)
    await answer  # type: ignore[misc]


async def test_they_go_with_a_volume(start_node: StartNode) -> None:
    a, b = await two(start_node)
    await call(a, "mkdir", "/notes")
    await call(a, "chmod", "/notes", "rwxrwxrwx")
    await store_note(a, "/notes/one")
    assert await call(a, "authors", [NOTE.hash]) == {NOTE.hash: STANDS} == await call(b, "authors", [NOTE.hash])
    await call(a, "mount", "/notes", "b")
    await a.stop()
    assert await call(b, "authors", [NOTE.hash]) == {NOTE.hash: STANDS}


async def test_copies_have_them(start_node: StartNode) -> None:
    a, b = await cluster(start_node, "b")
    await call(a, "mkdir", "/notes")
    await call(a, "chmod", "/notes", "rwxrwxrwx")
    await store_note(a, "/notes/one")
    await call(a, "replicate", "/", 2)
    await is_copied(b, "/")
    await a.stop()
    assert await call(b, "authors", [NOTE.hash]) == {NOTE.hash: STANDS}
