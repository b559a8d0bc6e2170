"""Where the packages of cells come from. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """Sizes in bytes, times in seconds.

    `file` and `page` are the largest file and index page that are fetched, `kept` what the cache holds at most; an
    answer of an index is `fresh` for so long, and a server that does not answer is let be for `pause`.
    """

    file: int = 300 * MEGABYTE
    page: int = 64 * MEGABYTE
    kept: int = 4096 * MEGABYTE
    pages: int = 256 * MEGABYTE
    fresh: float = 600.0
    patience: float = 30.0
    pause: float = 15.0
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class PackageSettings:
    """`wheels` are folders of the operator's; `sources` are URLs of indexes (PEP 503 or 691) and of lock files."""

    wheels: tuple[Path, ...] = ()
    sources: tuple[str, ...] = ()
    limits: PackageLimits = field(default_factory=PackageLimits)
