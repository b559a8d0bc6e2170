"""A class that needs a package."""

from __future__ import annotations

from dataclasses import dataclass

import shapely

from emerge_wasm.objects import EmergeFile


@dataclass
class Needy(EmergeFile):
    """Cannot do without shapely."""

    def area(self) -> float:
        return float(shapely.box(0, 0, 1, 1).area)
