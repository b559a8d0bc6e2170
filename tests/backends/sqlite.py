"""A file each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emerge_wasm.stores.sqlite import write as sqlite_write

from . import Urls


@contextmanager
def serve_sqlite(folder: Path) -> Iterator[Urls]:
    yield lambda name: f"sqlite:///{folder}/{name}.db"


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`)."""
    original: Any = sqlite_write.Writer._fill
    finish: Any = sqlite_write.Writer.finish
    done = 0

    def die(here: str) -> None:
        if here == point and done >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    def fill(self: Any, group: Any) -> Any:
        nonlocal done
        done += 1
        die("before")
        answers = original(self, group)
        die("between")
        return answers

    def finished(self: Any, group: Any, answers: Any) -> Any:
        result = finish(self, group, answers)
        die("after")
        return result

    sqlite_write.Writer._fill = fill  # type: ignore[method-assign]
    sqlite_write.Writer.finish = finished  # type: ignore[method-assign]
