"""How many strangers each address has sent of late: beyond a number, they are let wait. No clock, no sockets."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

ALLOWED = 200
"""Strangers from one address that are told at once, before each waits."""

SECONDS = 10.0
"""How long it takes until all of that number are allowed again."""

REMEMBERED = 10_000


class Refusals:
    """A count for each address, which time brings down."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, float]] = {}  # address -> (count, when)

    def add(self, address: str, now: float) -> float:
        """Count one stranger; how many there were of late, with this one. `now` is in seconds."""
        where = _network(address)
        count, when = self._counts.pop(where, (0.0, now))
        count = max(0.0, count - (now - when) * ALLOWED / SECONDS) + 1
        self._counts[where] = (count, now)
        if len(self._counts) > REMEMBERED:
            del self._counts[next(iter(self._counts))]
        return count


def _network(address: str) -> str:
    """An IPv4 address, or the 64 bits of an IPv6 one that name a site: the rest is anybody's to choose."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or found.exploded[:19])
    return address
