"""The contract of a place for blocks outside a store: bytes by name, such as files of a folder. A Protocol, no engine.

Engines live in `stores/`; the suite in `tests/contracts/blocks.py` runs on all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol


class BlockFiles(Protocol):
    """An opened place. A name is never used for two contents. Methods may be awaited concurrently."""

    async def put(self, files: Mapping[str, bytes]) -> None:
        """Keep these, durably when this returns; whoever is killed meanwhile leaves each as a whole or not at all.

        Raises:
            LimitExceeded: no room is left.
            Unavailable: it cannot be written.
        """
        ...

    async def get(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what these hold, None where absent.

        Raises:
            Unavailable: one cannot be read; that is not to be absent.
        """
        ...

    async def has(self, names: Sequence[str]) -> list[bool]:
        """Tell which of these there are."""
        ...

    async def delete(self, names: Collection[str]) -> None:
        """Remove these; those that are absent already too."""
        ...

    async def page(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return at most `limit` names after a name, in order; fewer than `limit`: there are no more.

        Raises:
            Unavailable: it cannot be listed; that is not to be empty.
        """
        ...
