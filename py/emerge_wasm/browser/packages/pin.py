"""A package as a notebook has used it: its version and the hash of its file, as a line of pip's. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(\S+)\s+--hash=sha256:([0-9a-f]{64})\s*")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Pin(NamedTuple):
    """One package; `sha256` "" leaves the file open."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def normalise(name: str) -> str:
    """A package's name as indexes have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_pin(line: str) -> Pin | None:
    """Read a requirement line; None for one that pins no file."""
    match = _LINE.fullmatch(line)
    return Pin(normalise(match[1]), match[2], match[3]) if match else None


def name_of(line: str) -> str:
    """The package that a requirement line is about; "" if it names none."""
    match = _NAME.match(line)
    return normalise(match[1]) if match else ""


def order(pins: Iterable[Pin]) -> list[str]:
    """The lines of pins, by name."""
    return [str(pin) for pin in sorted(set(pins))]
