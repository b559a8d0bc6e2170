"""Those that keep the blocks of a file, as a reader asks them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from ..errors import Invalid, NotFound
from ..objects import Pointer
from ..operations import Names
from .node_links import HolderCalls

T = TypeVar("T")

FIND_AT_ONCE = 64
"""Pieces whose holders are asked for in one call."""

ASKED = "the node that was asked"
"""How messages name the holder whose name is not known."""


class HeldPieces(NamedTuple):
    """What a holder answers: pieces by name, right or wrong, and why others cannot be had. It may leave some out."""

    found: Mapping[bytes, bytes]
    lost: Mapping[bytes, str]


class HolderDirectory(Protocol):
    """Who has the pieces of one version of a file, and how to ask them."""

    def nearest(self, names: Sequence[bytes]) -> Mapping[bytes, Sequence[str]]:
        """Return who is asked for pieces when nobody was asked who has them."""
        ...

    async def find(self, names: Sequence[bytes], *, ask: bool = False) -> Mapping[bytes, Sequence[str]]:
        """Return who is said to have these pieces, the most likely first; with `ask` everybody is asked, and each way
        to them is named, also those that lead over one connection."""
        ...

    async def get(self, holder: str, names: Sequence[bytes]) -> HeldPieces:
        """Ask a holder for pieces. Raises EmergeError."""
        ...


class FileHolders:
    """The nodes that hold the blocks of one version of a file; the last of them is the one that the client talks to,
    which gets from others what it has not."""

    def __init__(self, calls: HolderCalls, path: str, pointer: Pointer, as_of: str) -> None:
        self._calls = calls
        self._ways = [path] if as_of else [path, f"/registry/{pointer.uuid}"]  # it may be moved meanwhile
        self._at = pointer.version, as_of
        self._is_older = False

    def nearest(self, names: Sequence[bytes]) -> Mapping[bytes, Sequence[str]]:
        return dict.fromkeys(names, (ASKED,))

    async def find(self, names: Sequence[bytes], *, ask: bool = False) -> Mapping[bytes, Sequence[str]]:
        found: dict[bytes, list[str]] = {name: [] for name in names}
        for at in range(0, 0 if self._is_older else len(names), FIND_AT_ONCE):
            wanted = [name.hex() for name in names[at : at + FIND_AT_ONCE]]
            for name, holders in (await self._find(wanted, ask)).items():
                found[bytes.fromhex(name)] += holders
        if ask:
            return {name: (*holders, ASKED) for name, holders in found.items()}
        return {name: [each or ASKED for each in self._calls.apart(holders)] for name, holders in found.items()}

    async def _find(self, wanted: Names, ask: bool) -> Mapping[str, Names]:
        try:
            answer = await self._on_the_way(lambda way: self._calls.remote.findblocks(way, wanted, *self._at, ask))
        except Invalid as error:
            self._is_older = error.details.get("operation") == "findblocks"
            if not self._is_older:
                raise
            return {}
        self._calls.learn(answer["nodes"])
        return answer["holders"]

    async def get(self, holder: str, names: Sequence[bytes]) -> HeldPieces:
        node = "" if holder == ASKED else holder
        calls = await self._calls.of(node) if node else self._calls.remote
        wanted: Names = [name.hex() for name in names]
        answer = await self._on_the_way(lambda way: calls.getblocks(way, wanted, *self._at, node))
        return HeldPieces(
            {bytes.fromhex(name): data for name, data in answer["blocks"].items()},
            {bytes.fromhex(name): why for name, why in answer["lost"].items()},
        )

    async def _on_the_way(self, ask: Callable[[str], Awaitable[T]]) -> T:
        """Ask for the file by its path; by its uuid, once nothing is there any more."""
        for way in self._ways[:-1]:
            with suppress(NotFound):
                return await ask(way)
            self._ways = [each for each in self._ways if each != way]  # others ask at the same time
        return await ask(self._ways[-1])
