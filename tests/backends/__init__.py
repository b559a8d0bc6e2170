"""The engines under test, each on its real server: how to start it, and the URL of an empty store on it.

An engine's server lives in a module of its own here, imported only when a test asks for it. A new engine is such a
module and a line of `BACKENDS`: every suite that concerns it then runs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

Urls = Callable[[str], str]
"""Store name (letters, digits, underscores) -> the URL of the store of that name, empty when first opened."""

Serve = Callable[[Path], AbstractContextManager[Urls]]
"""Given an empty folder: start what the engine needs, on loopback, and stop it at the end."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What the suites must know of a backend.

    `module`, here, has its `serve_<backend>` (a Serve) and, if stores on it outlive a process, `kill_at(point, count)`
    (see `contracts.crash`).
    """

    module: str  # and the name of the engine
    writers: Literal["many", "one", "newest"]  # processes that may have a store: the first, or the newest of them alone
    durable: bool = True  # whether a store outlives the process that wrote it
    disk: Literal["folder", "server", ""] = "folder"  # what is ours to fill: Serve's folder, a server's disk or nothing


BACKENDS = {
    "memory": Backend("memory", "one", durable=False, disk=""),
    "sqlite": Backend("sqlite", "one"),
    "postgresql": Backend("postgresql", "many", disk="server"),
    "zodb": Backend("zodb", "one"),
    "zeo": Backend("zodb", "many", disk="server"),
    "relstorage": Backend("zodb", "many", disk="server"),
    "s3": Backend("s3", "newest", disk=""),
    "dynamodb": Backend("dynamodb", "many", disk=""),
}
"""All but IndexedDB, which runs in tests/browser."""

DURABLE = [name for name, backend in BACKENDS.items() if backend.durable]
MANY_WRITERS = [name for name, backend in BACKENDS.items() if backend.writers == "many"]
KEEPS_OUT = [name for name in DURABLE if BACKENDS[name].writers == "one"]


def serve_of(backend: str) -> Serve:
    module = import_module(f"{__name__}.{BACKENDS[backend].module}")
    serve: Serve = getattr(module, f"serve_{backend}")
    return serve


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
            self._urls[backend] = self._stack.enter_context(serve_of(backend)(folder))
        self._count += 1
        return self._urls[backend](name or f"store_{self._count}")

    def stop(self) -> None:
        self._stack.close()
