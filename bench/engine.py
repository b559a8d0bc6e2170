"""The peer of a durable store: SQLite alone, writing rows of the same size with the same settings."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

ROWS = (180, 420, 24, 9)
"""Bytes of what one stored object comes to: its entry, its version, its place in the log, its link."""


def commit_rate(folder: Path, count: int, group: int) -> float:
    """Objects a second, so many to a transaction, each transaction synced to disk."""
    path = folder / f"bare-{time.monotonic_ns()}.db"
    with sqlite3.connect(path, isolation_level=None) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE rows (space TEXT, key BLOB, value BLOB, PRIMARY KEY (space, key))")
        start = time.perf_counter()
        for _ in range(count // group):
            file.execute("BEGIN IMMEDIATE")
            rows = [("space", os.urandom(24), bytes(size)) for _ in range(group) for size in ROWS]
            file.executemany("INSERT INTO rows VALUES (?, ?, ?)", rows)
            file.execute("COMMIT")
        seconds = time.perf_counter() - start
    file.close()
    return count // group * group / seconds
