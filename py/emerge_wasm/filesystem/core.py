"""The state that all operations of one filesystem share. It depends on none of them.

Must import neither the operations nor the background tasks: the opener of a filesystem injects the store, the clock
and the dispatch, and each concern keeps its own state here under a `Part`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..operations import Dispatch
from ..store import Store
from .blocks.blocks import Blocks
from .keyed_lock import KeyedLock
from .layout.catalogue import NONE
from .layout.moment import Dates
from .layout.place import DirectoryWay, PathNames

P = TypeVar("P")


async def nothing_more(position: int) -> None:
    """What is in the store may be acknowledged."""


@dataclass
class Core:
    """One filesystem: its store, its names, and what it caches of the store between operations."""

    store: Store
    node: str
    uuid: str
    blocks: Blocks
    url: str = ""
    dates: Dates = field(default_factory=Dates)
    poll: float | None = None
    """Seconds between polls of the log for changes by other processes, while there is a watcher."""
    position: int = 0
    """The newest log position that this process knows."""
    catalogue: bytes = NONE
    """The index catalogue as last read; a commit detects that it has changed since."""
    on_catalogue: Callable[[], None] = lambda: None
    """Called when the catalogue turns out to have changed."""
    way_change: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    """Wraps a commit that changes a directory above a mount point."""
    guard: Callable[[bool], None] = lambda done: None
    """Called before a commit of changes, and after it (`done`): raises when this filesystem may not be changed."""
    acknowledge: Callable[[int], Awaitable[None]] = nothing_more
    """Awaited after a commit of changes, with its position in the log: raises when it is not to be acknowledged."""
    dispatch: Dispatch | None = None
    """Runs the operations that methods and documents call: this filesystem's own, or the cluster's around it."""
    known_bundles: set[str] = field(default_factory=set)
    """Hashes of class bundles known to be in the store."""
    superusers: set[str] = field(default_factory=set)
    """Names of superusers that who opened this filesystem knows of."""
    is_superuser_elsewhere: Callable[[str], bool] = lambda name: False
    """Whether the cluster around this filesystem knows somebody as a superuser."""
    is_open: bool = False
    """Whether it is served to every program of its machine as its superuser."""
    ways: dict[PathNames, DirectoryWay] = field(default_factory=dict)
    """What leads to a directory, when last seen: hints that each use verifies."""
    writers: KeyedLock[PathNames] = field(default_factory=KeyedLock)
    """Locks by path: writers in this process wait for each other instead of retrying."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    settled: list[Callable[[], None]] | None = None
    """What is called once the transaction that this is inside of is committed; None: it is inside of none."""
    parts: dict[object, Any] = field(default_factory=dict)
    """State of other modules; each reads its own through the `Part` that it declares."""

    def is_superuser(self, name: str) -> bool:
        """Whether somebody of this name may do everything here; False where that is not known."""
        return name != "" and (name in self.superusers or self.is_superuser_elsewhere(name))

    def notify(self, position: int = 0) -> None:
        """Notify the watchers that the log may have grown (another tab calls this too)."""
        self.position = max(self.position, position)
        self.changed.set()
        self.changed = asyncio.Event()

    async def made(self, positions: Sequence[int]) -> None:
        """Notify the watchers of a commit of changes, and wait until it may be acknowledged."""
        if positions:
            self.notify(positions[-1])
            await self.acknowledge(positions[-1])


class Part(Generic[P]):
    """A typed key under which a module keeps state in a `Core`; the state is created at first use."""

    def __init__(self, make: Callable[[], P]) -> None:
        self._make = make

    def of(self, core: Core) -> P:
        try:
            part: P = core.parts[self]
        except KeyError:
            part = core.parts[self] = self._make()
        return part

    def set(self, core: Core, part: P) -> None:
        """Replace the state."""
        core.parts[self] = part
