"""Rendezvous hashing: every place is ranked for every key, so that one that comes or goes moves nothing but its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256


def rank(key: bytes, place: str) -> bytes:
    """Return what places are sorted by for a key."""
    return sha256(key + b"\0" + place.encode()).digest()


def ranked(key: bytes, places: Iterable[str]) -> list[str]:
    """Return places in the order in which they are chosen for a key."""
    return sorted(places, key=lambda place: rank(key, place))


def choose(order: Sequence[str], hosts: Mapping[str, str], count: int, used: Iterable[str] = ()) -> list[str]:
    """Return the first `count` places of an order, those on hosts of their own first: not `used`, and no two on one."""
    taken: list[str] = []
    others: list[str] = []
    full = set(used)
    for place in order:
        if hosts[place] in full or len(taken) == count:
            others.append(place)
        else:
            taken.append(place)
            full.add(hosts[place])
    return taken + others[: count - len(taken)]
