"""Deaths in the steps of a change: who dies, at which of its commits that belong to it, and before, in or after that.

The cases are gone through one after the other: all before, in and after their first commit, then the second, and so on.
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

COMMITS = {REGISTRY: 2, SOURCE: 4, TARGET: 3}
"""How many commits of one change each has at most: at the source begin, ask, give and forget."""


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
    died: Counter[str] = field(default_factory=Counter)
    tried: int = 0

    def __post_init__(self) -> None:
        roles = CHANGES[self.change]
        self._cases = [
            Death(role, point, number, roles[role])
            for number, point, role in product(range(1, max(COMMITS.values()) + 1), POINTS, roles)
            if number <= COMMITS[role]
        ]

    def next(self) -> Death:
        return self._cases[self.tried % len(self._cases)]

    def note(self, died: bool) -> None:
        """Write down whether the victim of `next` died of it, and go on."""
        self.died[str(self.next())] += died
        self.tried += 1

    def __str__(self) -> str:
        of = ", ".join(
            f"{role} {sum(n for what, n in self.died.items() if what.startswith(role))}"
            for role in CHANGES[self.change]
        )
        return f"{self.change}: {self.died.total()} deaths in {self.tried} ({of}; {len(+self.died)} steps)"
