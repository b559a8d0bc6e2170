"""The state that all operations of one filesystem share. Knows nothing of what they do with it.

Must import neither the operations nor what runs beside them: whoever opens a filesystem injects the store, the clock
and the way to the cluster, and each concern keeps its own state here under a `Part`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..operations import Dispatch
from ..store import Store
from .keyed_lock import KeyedLock
from .layout.catalogue import NONE
from .layout.moment import Dates
from .layout.place import PathNames

P = TypeVar("P")


@dataclass
class Core:
    """One filesystem: its store, what it is called, and what it remembers of the store between operations."""

    store: Store
    node: str
    uuid: str
    url: str = ""
    dates: Dates = field(default_factory=Dates)
    poll: float | None = None
    """Seconds between looks at a log to which other processes write too, while somebody watches it."""
    position: int = 0
    """The newest entry of the log that this process knows of."""
    catalogue: bytes = NONE
    """The catalogue of indexes as last read; a commit finds out when it is another one by now."""
    on_catalogue: Callable[[], None] = lambda: None
    """Called when the catalogue turned out to be another one than known."""
    dispatch: Dispatch | None = None
    """Runs the operations that methods and documents call: this filesystem's own, or the cluster's around it."""
    known_bundles: set[str] = field(default_factory=set)
    """Hashes of class bundles that are in the store for sure."""
    directories: dict[PathNames, bytes] = field(default_factory=dict)
    """The uuids that directories had when they were last seen: hints, to be checked."""
    writers: KeyedLock[PathNames] = field(default_factory=KeyedLock)
    """One writer of a path at a time in this process, so that writers wait rather than retry."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    parts: dict[object, Any] = field(default_factory=dict)
    """What other modules keep with this filesystem: read it with the `Part` that each declares."""

    def notify(self, position: int = 0) -> None:
        """Tell the watchers that the log may have grown (another tab calls this too)."""
        self.position = max(self.position, position)
        self.changed.set()
        self.changed = asyncio.Event()


class Part(Generic[P]):
    """The key under which one module keeps state of its own with a filesystem: typed, and made at its first use."""

    def __init__(self, make: Callable[[], P]) -> None:
        self._make = make

    def of(self, core: Core) -> P:
        if self not in core.parts:
            core.parts[self] = self._make()
        part: P = core.parts[self]
        return part

    def set(self, core: Core, part: P) -> None:
        """Put another one in its place."""
        core.parts[self] = part
