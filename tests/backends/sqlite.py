"""A file each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emerge_wasm.store import Batch
from emerge_wasm.stores.group_commit import CommitResult
from emerge_wasm.stores.sqlite.write import SQLiteWriter

from . import Urls


@contextmanager
def serve_sqlite(folder: Path) -> Iterator[Urls]:
    yield lambda name: f"sqlite:///{folder}/{name}.db"


def kill_at(point: str, count: int, about: tuple[bytes, ...] = ()) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`).

    With `about`, only small commits count that write a row of the space meta whose key begins so.
    """
    apply, finish = SQLiteWriter.apply, SQLiteWriter.finish
    done = 0
    counted = False

    def die(here: str) -> None:
        if here == point and done >= count and counted:
            os.kill(os.getpid(), signal.SIGKILL)

    def applied(self: SQLiteWriter, group: Sequence[Batch]) -> list[CommitResult] | None:
        nonlocal done, counted
        counted = not about or any(_concerns(batch, about) for batch in group)
        done += counted
        die("before")
        answers = apply(self, group)
        assert answers is not None or about, "the group is not a small one"
        counted = counted and answers is not None
        die("between")
        return answers

    def finished(self: SQLiteWriter, group: Sequence[Batch], answers: list[CommitResult]) -> list[CommitResult]:
        result = finish(self, group, answers)
        die("after")
        return result

    SQLiteWriter.apply, SQLiteWriter.finish = applied, finished  # type: ignore[method-assign]


def _concerns(batch: Batch, about: tuple[bytes, ...]) -> bool:
    keys = [*((space, key) for space, key, _ in batch.puts), *batch.deletes]
    return any(space == "meta" and key.startswith(about) for space, key in keys)
