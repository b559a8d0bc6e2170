"""Renews connections and event loops in a forked child: they belong to the process that opened them.

`os.fork` copies only the calling thread, so a wait for another thread would never end in the child.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something that can be reset in a forked child."""

    def renew(self) -> None:
        """Reset to the initial state. Nothing open may be closed or used: it is the parent's."""
        ...


_renewable: WeakSet[Renewable] = WeakSet()
_left_behind: list[object] = []


def renew_in_child(thing: Renewable) -> None:
    """Call `thing.renew()` in every process forked from this one, as long as the thing is alive."""
    _renewable.add(thing)


def leave_behind(*things: object) -> None:
    """Keep the parent's objects alive in the child: their finalizers would touch sockets and files that both share."""
    _left_behind.extend(things)


def _renew_all() -> None:
    for thing in list(_renewable):
        thing.renew()


if hasattr(os, "register_at_fork"):  # absent on Windows and in browsers
    os.register_at_fork(after_in_child=_renew_all)
