"""Read the change log as far as others than its readers need it. Awaits a store and nothing else.

Whoever changes an entry names the object in the log, in the same commit: so whoever has read objects can tell whether
they are still the same by the log alone.
"""

from __future__ import annotations

from ...store import Store
from .locality import PAGE_ROWS
from .record import VERSION_KEY_SIZE, log_key


async def newest_position(store: Store) -> int:
    """Return the position of the last commit; 0 if there is none."""
    rows = await store.scan("log", limit=1, reverse=True)
    return int.from_bytes(rows[0][0], "big") if rows else 0


async def changed_since(store: Store, position: int) -> tuple[set[bytes], int]:
    """Return the uuids of all that was changed after a position, and the newest position."""
    found: set[bytes] = set()
    while True:
        page = await store.scan("log", log_key(position + 1), limit=PAGE_ROWS)
        for row, logged in page:
            position = int.from_bytes(row, "big")
            first = len(logged) % VERSION_KEY_SIZE  # a mark of what another filesystem made
            found.update(logged[cut : cut + 16] for cut in range(first, len(logged), VERSION_KEY_SIZE))
        if len(page) < PAGE_ROWS:
            return found, position
