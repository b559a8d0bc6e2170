"""Catalogue the classes of the objects at or below a path that one caller may see, and follow the change log.

The first look at a path lists everything below it: pointers only, no states (measured: 5 to 15 µs an object). After
that a request costs one look at the log, and the changes since the last one. A class whose objects are gone stays known
until everything is listed again, which is done when a directory was moved, restored or given other rights, and when
more has changed than is worth following. Imports no graphql-core.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..bundles import parse
from ..bundles.source_tree import look_beside
from ..errors import EmergeError, Invalid, LimitExceeded
from ..objects import DIRECTORY
from ..results import ChangePage, PointerRow
from .caller import GraphQLCaller
from .schema_class import SchemaClasses

log = logging.getLogger("emerge.graphql")

CLASSES_LIMIT = 1000
"""Class bundles of one schema."""

PAGE = 1000
PAGES = 10
"""Pages of the log that are read; when there are more, everything is listed again."""

BUNDLES_AT_ONCE = 100


@dataclass
class ClassCatalogue:
    """The classes at a path. `bundles`: hash -> the date of its newest object. `others`: some objects have no class.

    `stale`: everything must be listed again. `edition` counts how often the bundles changed.
    """

    path: str
    bundles: dict[str, str] = field(default_factory=dict)
    others: bool = False
    stale: bool = True
    edition: int = 0
    _position: int = -1
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def refresh(self, caller: GraphQLCaller) -> int:
        """Take in what changed since the last time; return the edition.

        Raises:
            NotFound, PermissionDenied: the path cannot be read.
        """
        async with self._lock:
            if self.stale or not await self._follow(caller):
                await self._list(caller)
            return self.edition

    async def _list(self, caller: GraphQLCaller) -> None:
        position = (await caller.call("changes", since=-1))["position"]
        top: PointerRow = await caller.call("get", path=self.path)
        before = {*self.bundles}
        self.bundles, self.others = {}, False
        self._add(top)
        if top["type"] == DIRECTORY:
            async for pointer in caller.stream("tree", path=self.path):
                self._add(pointer)
        self._position, self.stale = position, False
        self._count(before)

    async def _follow(self, caller: GraphQLCaller) -> bool:
        """Take in what was logged since the last time; False when everything must be listed again."""
        before = {*self.bundles}
        position = self._position
        for _ in range(PAGES):
            page: ChangePage = await caller.call("changes", since=position, limit=PAGE)
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

    def _add(self, pointer: PointerRow) -> None:
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

    async def classes(self, caller: GraphQLCaller) -> SchemaClasses:
        """Read the classes. One that cannot be read is left out: its objects have no type of their own."""
        return await look_beside(self._read, await _fetch(caller, self.bundles))

    def _read(self, found: dict[str, bytes]) -> SchemaClasses:
        classes = SchemaClasses()
        bundles = dict(self.bundles)
        for hash in sorted(bundles, key=lambda hash: (bundles[hash], hash)):
            try:
                classes.add(hash, found.get)
            except EmergeError as error:
                log.warning("the class bundle %s below %s has no type: %s", hash[:12], self.path, error.message)
        return classes


async def _fetch(caller: GraphQLCaller, hashes: Iterable[str]) -> dict[str, bytes]:
    """Fetch bundles and all that they require, by hash; absent ones are left out."""
    found: dict[str, bytes] = {}
    asked: set[str] = set()
    wanted = set(hashes)
    while wanted:
        asked |= wanted
        batch = sorted(wanted)
        fresh: dict[str, bytes] = {}
        for at in range(0, len(batch), BUNDLES_AT_ONCE):
            fresh |= await caller.call("classes", hashes=batch[at : at + BUNDLES_AT_ONCE])
        found |= fresh
        wanted = {required for hash, data in fresh.items() for required in _requires(hash, data)} - asked
    return found


def _requires(hash: str, data: bytes) -> tuple[str, ...]:
    try:
        return parse(data, hash).requires
    except Invalid:
        return ()


def is_below(path: str, top: str) -> bool:
    """Tell whether a path is `top`, or leads to something in it."""
    return path == top or path.startswith(top.rstrip("/") + "/")
