"""Deaths in the steps of a change: who dies, at which of its commits that belong to it, and before, in or after that.

The cases are gone through one after the other. In each the victim dies at its first such commit, then at its second,
and so on until it has no more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

REGISTRY, SOURCE, TARGET = "registry", "source", "target"

CHANGES: dict[str, dict[str, tuple[str, ...]]] = {
    "mount": {REGISTRY: ("volumes",), SOURCE: ("handover/out/", "mount/"), TARGET: ("handover/in/", "mount/")},
    "remount": {REGISTRY: ("volumes",), SOURCE: ("handover/out/", "mount/"), TARGET: ("handover/in/",)},
    "unmount": {REGISTRY: ("volumes",), SOURCE: ("handover/out/",), TARGET: ("handover/in/", "mount/")},
    "mv": {SOURCE: ("handover/out/",), TARGET: ("handover/in/",)},
}
"""By change, who has a part in it, and the beginnings of the keys (of the space meta) that its commits write."""

POINTS = ("before", "between", "after")


class Death(NamedTuple):
    """Who dies, at what point of which of its commits."""

    role: str
    point: str
    number: int
    about: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.role} {self.point} {self.number}"


@dataclass
class Deaths:
    """The cases of one change, and how often each was tried and came about."""

    change: str
    at: int = 0
    number: int = 1
    rounds: int = 0
    died: Counter[str] = field(default_factory=Counter)
    tried: int = 0

    def next(self) -> Death:
        roles = CHANGES[self.change]
        role, point = list(product(roles, POINTS))[self.at]
        return Death(role, point, self.number, roles[role])

    def note(self, died: bool) -> None:
        """Write down whether the victim of `next` died of it, and go on."""
        self.tried += 1
        if died:
            self.died[str(self.next())] += 1
            self.number += 1
            return
        self.number = 1
        self.at = (self.at + 1) % (len(CHANGES[self.change]) * len(POINTS))
        self.rounds += not self.at

    def __str__(self) -> str:
        of = ", ".join(
            f"{role} {sum(n for what, n in self.died.items() if what.startswith(role))}" for role in self.roles
        )
        return f"{self.change}: {self.died.total()} deaths in {self.tried} ({of}; {len(self.died)} steps)"

    @property
    def roles(self) -> list[str]:
        return list(CHANGES[self.change])
