"""All measurements, one after another; or those named: `python -m bench cluster node running search storage stores`.

`--json FILE` writes the figures to a file, too; `compare A B` says what became slower from one file to the other, and
`table FILE` makes docs/performance.md from one.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from . import compare, table
from .measure import write_results

NAMES = ("browsers", "classes", "cluster", "command", "files", "node", "running", "search", "page", "storage", "stores")


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["compare"]:
        return compare.main(arguments[1:])
    if arguments[:1] == ["table"]:
        return table.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    given = parser.parse_args(arguments)
    for name in given.names:
        import_module(f"bench.{name}").main()
        if given.json is not None:
            write_results(given.json, name)  # after each: a later one may fail
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
