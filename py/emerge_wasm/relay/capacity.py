"""How many browsers a relay takes unless it is told: as many as this machine has memory and descriptors for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

EACH = 1 << 20
"""Bytes of memory for each browser: an idle one takes a tenth of it, what waits for a slow one more for a while."""

LEAST, MOST = 256, 16_384

DESCRIPTORS = 4
"""For each browser: its connection, the one to the node, and what ZeroMQ has for that at both ends (`emerge up`)."""

SPARE = 1024
"""Descriptors, and ZeroMQ's sockets, for everything else."""

CONTAINER = Path("/sys/fs/cgroup/memory.max")


def make_room(browsers: int | None = None) -> int:
    """Return how many browsers there is room for, or this number, and let this process have what they need.

    ZeroMQ counts its sockets from the first one on, so this comes before.
    """
    count = browsers or default_browsers()
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = DESCRIPTORS * count + SPARE
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    with suppress(ImportError):  # who starts a node or a relay next says what is missing
        import zmq

        zmq.Context.instance().set(zmq.MAX_SOCKETS, min(count + SPARE, zmq.Context.instance().get(zmq.SOCKET_LIMIT)))
    return count


def default_browsers() -> int:
    """Return how many browsers this machine has room for."""
    room = min(_memory() // 2 // EACH, MOST)  # half of the memory: a node is beside
    return max(LEAST, min(room, ((_descriptors() or DESCRIPTORS * MOST + SPARE) - SPARE) // DESCRIPTORS))


def _memory() -> int:
    """Return the bytes of memory of this machine, or of the container."""
    found = LEAST * 2 * EACH
    with suppress(ValueError, OSError, AttributeError):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ValueError, OSError):
        found = min(found, int(CONTAINER.read_text()))
    return found


def _descriptors() -> int:
    """Return how many descriptors this process may have; 0 is no limit that it could know."""
    if resource is None:
        return 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 0 if hard == resource.RLIM_INFINITY else hard
