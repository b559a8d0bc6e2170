"""Checks that a node has loaded the packages that a class's bundles import."""

from __future__ import annotations

from collections.abc import Collection

from ..bundles import parse
from ..errors import Unavailable
from .interpreter import Interpreter
from .worker.memory_finder import installed_modules


class PackageCheck:
    """Checks that the packages that a class's bundles import are available in the zygote."""

    _MOST = 10_000  # bundles in the cache

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._needs: dict[str, tuple[str, ...]] = {}  # by hash

    def check(self, bundles: dict[str, bytes], packages: Collection[str], path: str | None) -> None:
        """Raise Unavailable, naming the packages, when a bundle needs some that are missing."""
        for hash, data in bundles.items():
            absent = [name for name in self._of(hash, data) if name not in packages]
            if absent:
                known = installed_modules(self._interpreter.paths)
                unknown = [name for name in absent if name not in known]
                other = f" for Python {self._interpreter.version}" if self._interpreter.shared else ""
                first = f"install {', '.join(unknown)} where the node runs{other}, then " if unknown else ""
                raise Unavailable(
                    f"{parse(data, hash).class_name} needs {', '.join(absent)}, which this node has not loaded{other}",
                    path=path,
                    remedy=f"{first}emerge node start --preload {','.join(absent)}",
                    packages=absent,
                )

    def _of(self, hash: str, data: bytes) -> tuple[str, ...]:
        if hash not in self._needs:
            if len(self._needs) >= self._MOST:
                self._needs.clear()
            self._needs[hash] = parse(data, hash).needs
        return self._needs[hash]
