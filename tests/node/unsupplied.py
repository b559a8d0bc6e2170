"""A class that needs a package which no node has loaded."""

from __future__ import annotations

from dataclasses import dataclass

import iniconfig

from emerge_wasm import EmergeFile


@dataclass
class Unsupplied(EmergeFile):
    def parse(self) -> int:
        return len(list(iniconfig.IniConfig("x", data="[a]\nb=1")))
