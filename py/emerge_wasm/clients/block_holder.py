"""Those that keep the blocks of a file, as a reader asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from ..errors import NotFound
from ..objects import Pointer
from ..operations import Names, Operations
from ..results import BlockAnswer

ASKED = "the node that was asked"
"""How messages name the holder whose name is not known."""


class HeldPieces(NamedTuple):
    """What a holder answers: pieces by name, right or wrong, and why others cannot be had. It may leave some out."""

    found: Mapping[bytes, bytes]
    lost: Mapping[bytes, str]


class HolderDirectory(Protocol):
    """Who has the pieces of one version of a file, and how to ask them."""

    async def find(self, names: Sequence[bytes], *, ask: bool = False) -> Mapping[bytes, Sequence[str]]:
        """Return who is said to have these pieces, the most likely first; with `ask` everybody is asked."""
        ...

    async def get(self, holder: str, names: Sequence[bytes]) -> HeldPieces:
        """Ask a holder for pieces. Raises EmergeError."""
        ...


class AskedNode:
    """The node that the client talks to, as the one holder: it has the blocks, or gets them."""

    def __init__(self, remote: Operations, path: str, pointer: Pointer, as_of: str) -> None:
        self._remote = remote
        self._ways = [path] if as_of else [path, f"/registry/{pointer.uuid}"]  # it may be moved meanwhile
        self._at = pointer.version, as_of

    async def find(self, names: Sequence[bytes], *, ask: bool = False) -> Mapping[bytes, Sequence[str]]:
        return dict.fromkeys(names, (ASKED,))

    async def get(self, holder: str, names: Sequence[bytes]) -> HeldPieces:
        answer = await self._answer([name.hex() for name in names])
        return HeldPieces(
            {bytes.fromhex(name): data for name, data in answer["blocks"].items()},
            {bytes.fromhex(name): why for name, why in answer["lost"].items()},
        )

    async def _answer(self, wanted: Names) -> BlockAnswer:
        for way in self._ways[:-1]:
            with suppress(NotFound):
                return await self._remote.getblocks(way, wanted, *self._at)
            self._ways = self._ways[1:]
        return await self._remote.getblocks(self._ways[-1], wanted, *self._at)
