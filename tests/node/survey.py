"""A class that needs a package, and uses the filesystem."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import shapely

from emerge_wasm import EmergeFile


@dataclass
class Survey(EmergeFile):
    """A rectangle."""

    width: float = 1.0
    height: float = 1.0

    def area(self) -> float:
        print("measuring")  # noqa: T201
        return float(shapely.box(0, 0, self.width, self.height).area)

    @property
    def large(self) -> bool:
        return bool(shapely.box(0, 0, self.width, self.height).area > 5)

    def widen(self, by: float) -> float:
        self.width = float(shapely.box(0, 0, self.width + by, 1).area)
        return self.width

    def spoil(self) -> None:
        self.width = -1.0
        raise ValueError("it was spoilt")

    def look(self, fs: Any, path: str) -> list[Any]:
        return [fs.whoami()["principal"], [pointer.name for pointer in fs.list(path)]]

    def read(self, fs: Any, path: str) -> Any:
        return fs.cat(path)

    def sum_of(self, fs: Any, other: str) -> Any:
        return self.area() + fs.run(other, "area")

    def again(self, fs: Any) -> Any:
        return fs.run(f"{self.path}/{self.name}", "again")

    async def wait(self) -> None:
        print("waiting")  # noqa: T201
        await asyncio.sleep(60)
