"""What a forked child must not use: connections and event loops belong to the process that opened them.

`os.fork` copies only the thread that calls it, so what another thread was to answer is never answered in the child.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something that can begin anew."""

    def renew(self) -> None:
        """Begin as if new. Nothing that is open may be closed or used: it is the parent's."""
        ...


_renewable: WeakSet[Renewable] = WeakSet()
_left_behind: list[object] = []


def renew_in_child(thing: Renewable) -> None:
    """Call `thing.renew()` in every process that is forked from this one, as long as the thing is in use."""
    _renewable.add(thing)


def leave_behind(*things: object) -> None:
    """Keep what is the parent's alive in the child: its finalizers would touch sockets and files that both have."""
    _left_behind.extend(things)


def _renew_all() -> None:
    for thing in list(_renewable):
        thing.renew()


if hasattr(os, "register_at_fork"):  # neither Windows nor a browser forks
    os.register_at_fork(after_in_child=_renew_all)
