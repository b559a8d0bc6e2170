"""The older project's file whose data are set and measured by methods."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from .core.objects import EmergeFile


@dataclass
class Data(EmergeFile):
    """A file with methods to set its data and to tell their size in bytes of memory."""

    def set_data(self, data: object) -> None:
        self.data = data

    def get_size(self) -> int:
        return sys.getsizeof(self.data)
