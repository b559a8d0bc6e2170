"""Who calls a node by key: the ring's entry of the key, as the context of their calls."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from ..clients.keys.known_keys import MEMBER, RingEntry
from ..cluster.authenticator import Authenticator
from ..context import Context
from ..errors import Invalid, PermissionDenied, Unavailable

GUEST = Context(via="guest")
"""Who calls on this machine without the key of the node's user: nobody in particular."""

MEMBER_CALL = "member"
"""What the context of a member's call says as the way it came."""


class KeyedPeer(NamedTuple):
    """A connection, by ZeroMQ's number for it, and the key that was shown on it."""

    route: bytes
    key: str


def caller_of(keys: Authenticator, peer: Hashable) -> Context:
    """The context of a peer's calls, as the ring is now.

    Raises:
        PermissionDenied: its key is let in no longer.
        Unavailable: only members are let in now.
        Invalid: it chose the number of its connection, under which another's answers might reach it.
    """
    assert isinstance(peer, KeyedPeer)
    entry = keys.find(peer.key)
    if entry is None:
        raise revoked(peer.key)
    if keys.closed and entry.role != MEMBER:
        raise Unavailable(keys.closed, remedy="try again")
    if peer.route[:1] != b"\0":
        raise Invalid("a connection with a key has no routing id of its own", remedy="leave the option out")
    return _context(entry)


def revoked(key: str) -> PermissionDenied:
    """The error for a key that is let in no longer."""
    return PermissionDenied(
        f"the key {key} is no longer let in", remedy="ask the cluster's operator for another: emerge keys add NAME KEY"
    )


@lru_cache(1000)
def _context(entry: RingEntry) -> Context:
    if entry.role == MEMBER:
        return Context(entry.name, superuser=True, via=MEMBER_CALL)
    return Context(entry.name, entry.groups, superuser=entry.superuser, via="key")
