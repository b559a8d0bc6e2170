"""`emerge node start`, which kills itself in a commit when it is told to.

On SIGUSR1 it reads POINT and COUNT from the file `death` in its folder: see `kill_at` of tests/backends. What follows
are beginnings of keys, of which one must be written in a commit that counts (SQLite).
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path

from emerge_wasm.cli.main import main

if __name__ == "__main__":
    backend, *args = sys.argv[1:]

    def arm(*_: object) -> None:
        point, count, *about = Path("death").read_text().split()
        named = (tuple(each.encode() for each in about),) if about else ()
        import_module(f"tests.backends.{backend}").kill_at(point, int(count), *named)

    signal.signal(signal.SIGUSR1, arm)
    main(args)
