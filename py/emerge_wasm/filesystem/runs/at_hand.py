"""What runs need of an object, kept for those that run again and again: what belongs to one version never changes."""

from __future__ import annotations

from ..core import Core, Part
from ..layout.record import INLINE_LIMIT
from ..objects.read import are_whole, load_bundles
from ..tree.find import Found
from ..tree.load import load_state

MOST = 256
"""Objects that are kept."""

BYTES = 2 * INLINE_LIMIT
"""Bytes up to which an object's state and code are kept."""

StateAndBundles = tuple[bytes, dict[str, bytes]]
"""An object's encoded state, and the bundles that its class and the values in the state need, by hash."""


class ObjectsAtHand:
    """States and bundles by the packed entry of their version; those that were read first are dropped first."""

    def __init__(self) -> None:
        self._kept: dict[bytes, StateAndBundles] = {}

    async def load(self, core: Core, found: Found) -> StateAndBundles:
        """Return what a run of an object needs. Raises as `load_state` does."""
        raw = found.place.raw or b""
        kept = self._kept.get(raw)
        if kept is not None:
            return kept
        state = await load_state(core, found.entry, found.path)
        bundles = await load_bundles(core, found.entry.bundle, state)
        loaded = state, bundles
        small = len(state) + sum(map(len, bundles.values())) <= BYTES
        if small and are_whole(bundles, found.entry.bundle, state):  # one that is absent may come
            if len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[raw] = loaded
        return loaded


AT_HAND = Part(ObjectsAtHand)
