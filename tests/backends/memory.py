"""The engine that needs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import Urls


@contextmanager
def serve_memory(folder: Path) -> Iterator[Urls]:
    yield lambda name: "memory:"
