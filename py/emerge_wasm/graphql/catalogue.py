"""Which classes the objects at or below a path have, as one caller may see them; kept up with the change log.

The first look at a path lists everything below it: pointers only, no states (measured: 5 to 15 µs an object). After
that a request costs one look at the log, and the changes since the last one. What is no more stays known until
everything is listed again: that is done when a directory was moved, restored or given other rights, and when more has
changed than is worth following. No graphql-core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..bundles import parse
from ..errors import EmergeError, Invalid, LimitExceeded
from ..objects import DIRECTORY
from ..operations import Wire
from .caller import Caller
from .shape import Shapes

CLASSES_LIMIT = 1000
"""Class bundles of one schema."""

PAGE = 1000
PAGES = 10
"""Pages of the log that are followed; after more, everything is listed again."""

BUNDLES_AT_ONCE = 100


@dataclass
class Catalogue:
    """`bundles`: hash -> the date of the newest object that has it. `others`: whether there are objects without one."""

    path: str
    bundles: dict[str, str] = field(default_factory=dict)
    others: bool = False
    stale: bool = True
    edition: int = 0  # counts how often the bundles changed
    _position: int = -1
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def refresh(self, caller: Caller) -> int:
        """Look at what changed; the edition. Raises NotFound and PermissionDenied for the path."""
        async with self._turn:
            if self.stale or not await self._follow(caller):
                await self._list(caller)
            return self.edition

    async def _list(self, caller: Caller) -> None:
        position = (await caller.call("changes", -1))["position"]
        top = await caller.call("get", self.path)
        before = {*self.bundles}
        self.bundles, self.others = {}, False
        self._add(top)
        if top["type"] == DIRECTORY:
            async for pointer in caller.stream("tree", self.path):
                self._add(pointer)
        self._position, self.stale = position, False
        self._count(before)

    async def _follow(self, caller: Caller) -> bool:
        """Take in what was logged since; False when that is not enough."""
        before = {*self.bundles}
        position = self._position
        for _ in range(PAGES):
            page = await caller.call("changes", position, PAGE)
            for change in page["changes"]:
                if is_below(change["path"], self.path):
                    if change["pointer"]["type"] == DIRECTORY and change["operation"] not in ("mkdir", "rm"):
                        return False
                    self._add(change["pointer"])
            ended = page["position"] == position
            position = page["position"]
            if ended:
                self._position = position
                self._count(before)
                return True
        return False

    def _add(self, pointer: Wire) -> None:
        hash = pointer["bundle"]
        if hash:
            if hash not in self.bundles and len(self.bundles) >= CLASSES_LIMIT:
                raise LimitExceeded(
                    f"the objects below {self.path} have more than {CLASSES_LIMIT} class bundles",
                    path=self.path,
                    remedy="ask for a directory further down",
                    limit="classes",
                )
            self.bundles[hash] = max(self.bundles.get(hash, ""), pointer["date"])
        elif pointer["type"] != DIRECTORY:
            self.others = True

    def _count(self, before: set[str]) -> None:
        if before != {*self.bundles} or not self.edition:
            self.edition += 1

    async def shapes(self, caller: Caller) -> Shapes:
        """What the classes hold; one that cannot be read is left out, and its objects have no type of their own."""
        found = await _fetch(caller, self.bundles)
        shapes = Shapes()
        for hash in sorted(self.bundles, key=lambda hash: (self.bundles[hash], hash)):
            try:
                shapes.add(hash, found.get)
            except EmergeError:
                continue
        return shapes


async def _fetch(caller: Caller, hashes: Iterable[str]) -> dict[str, bytes]:
    """Bundles and all that they require, by hash; absent ones are left out."""
    found: dict[str, bytes] = {}
    asked: set[str] = set()
    wanted = set(hashes)
    while wanted:
        asked |= wanted
        batch = sorted(wanted)
        fresh: dict[str, bytes] = {}
        for at in range(0, len(batch), BUNDLES_AT_ONCE):
            fresh |= await caller.call("classes", batch[at : at + BUNDLES_AT_ONCE])
        found |= fresh
        wanted = {required for hash, data in fresh.items() for required in _requires(hash, data)} - asked
    return found


def _requires(hash: str, data: bytes) -> tuple[str, ...]:
    try:
        return parse(data, hash).requires
    except Invalid:
        return ()


def is_below(path: str, top: str) -> bool:
    """Whether a path is a directory, or leads to something in it."""
    return path == top or path.startswith(top.rstrip("/") + "/")
