"""Say that a value may travel in the bundle of a class that uses it, wherever it came from."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def ship(value: T) -> T:
    """Return the value unchanged, and say by this that it may travel: `REGION = ship(os.environ["REGION"])`.

    A module-level value that is not written in the text (from the environment, a file, the clock, an unknown call) is
    refused when a class that uses it is stored; with `ship` around it, its value becomes part of the class's bundle,
    which all who may read the object can read.
    """
    return value
