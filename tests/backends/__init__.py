"""The engines under test, each on its real server: how to start it, and the URL of an empty store on it.

An engine's server lives in a module of its own here, imported only when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from pathlib import Path

Urls = Callable[[str], str]
"""Store name (letters, digits, underscores) -> the URL of the store of that name, empty when first opened."""

Serve = Callable[[Path], AbstractContextManager[Urls]]
"""Given an empty folder: start what the engine needs, on loopback, and stop it at the end."""

BACKENDS = {
    "memory": "memory",
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "zodb": "zodb",
    "zeo": "zodb",
    "relstorage": "zodb",
    "s3": "s3",
    "dynamodb": "dynamodb",
}
"""Backend -> its module here, whose function `serve_<backend>` is a Serve. IndexedDB runs in tests/browser."""

MANY_WRITERS = ("postgresql", "zeo", "relstorage", "dynamodb")
"""Backends on which several processes may write to one store at once."""


class Started:
    """The backends of this session, each started when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._urls: dict[str, Urls] = {}
        self._count = 0

    def url(self, backend: str, name: str = "") -> str:
        """The URL of a store on this backend: of a fresh one, unless it is named."""
        if backend not in self._urls:
            folder = self._folder / backend
            folder.mkdir()
            serve: Serve = getattr(import_module(f"{__name__}.{BACKENDS[backend]}"), f"serve_{backend}")
            self._urls[backend] = self._stack.enter_context(serve(folder))
        self._count += 1
        return self._urls[backend](name or f"store_{self._count}")

    def stop(self) -> None:
        self._stack.close()
