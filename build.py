"""Emerge's only entry point: python3 build.py build | up | test | bench | wheel. It makes the environment it needs.

build  the environment, the page and its Pyodide files (each step only when what it reads has changed)
up     build, then one node and the relay: prints a URL and opens it; Ctrl-C ends everything
test   build, then every check and test, headless; further arguments are pytest's
bench  build, then the measurements of bench/; further arguments are theirs
wheel  build, then what is published, in dist/: the package and the page
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

if __name__ == "__main__" and __spec__ is not None:  # `python -m build` means the packaging tool of that name
    from buildtools.packaging import run_build_package

    sys.exit(run_build_package())

from buildtools import check, compress, distribution, environment, page, wheel
from buildtools.step import ROOT, BuildError, say


def build() -> None:
    """Everything that the other commands need."""
    environment.make()
    distribution.make()
    page.make()
    compress.make()


def become(*command: object) -> int:
    """Go on as this command, so that signals reach it alone."""
    parts = [str(part) for part in command]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(parts[0], parts)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the child's
    return subprocess.run(parts, check=False).returncode


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command in ("-h", "--help", "") or command not in ("build", "up", "test", "bench", "wheel"):
        say((__doc__ or "").strip())
        return 0 if command in ("-h", "--help") else 2
    try:
        build()
        if command == "up":
            return become(environment.tool("emerge"), "up", *rest)
        if command == "test":
            return check.run(rest)
        if command == "wheel":
            for made in wheel.make():
                say(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1e6:.1f} MB")
        if command == "bench":
            os.chdir(ROOT)
            return become(environment.PYTHON, "-m", "bench", *rest)
    except BuildError as error:
        say(f"build.py: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
