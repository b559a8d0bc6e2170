"""Whether what a class needs is here: a bundle says which packages it imports, and a zygote which it has."""

from __future__ import annotations

from collections.abc import Collection

from ...bundles import parse
from ...errors import Unavailable

_MOST = 10_000


class Needs:
    """What bundles need, by hash, as it was read before."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def check(self, bundles: dict[str, bytes], packages: Collection[str], path: str | None) -> None:
        """Unavailable, naming the packages, when a bundle needs some that are not here."""
        for hash, data in bundles.items():
            absent = [name for name in self._of(hash, data) if name not in packages]
            if absent:
                raise Unavailable(
                    f"{parse(data, hash).class_name} needs {', '.join(absent)}, which this node has not loaded",
                    path=path,
                    remedy=f"emerge node start --preload {','.join(absent)}",
                    packages=absent,
                )

    def _of(self, hash: str, data: bytes) -> tuple[str, ...]:
        if hash not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[hash] = parse(data, hash).needs
        return self._known[hash]
