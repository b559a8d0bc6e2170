"""One file that a package can be installed from: plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file by the hash of its contents. `url` is where an index has it, "" for one that is here.

    `yanked` is the reason why nobody should begin to use it, "" for none; `metadata` is the hash of its METADATA, where
    that can be had by itself.
    """

    filename: str
    sha256: str
    size: int = 0
    url: str = ""
    yanked: str = ""
    requires_python: str = ""
    metadata: str = ""


def is_hash(text: str) -> bool:
    """Whether this is a SHA-256 as hexadecimal digits."""
    return len(text) == 64 and all(sign in "0123456789abcdef" for sign in text)
