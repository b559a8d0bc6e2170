"""docs/performance.md, made from a file of measurements: `python3 build.py bench table FILE`.

The file is kept beside the page, and a test makes the page again: nobody writes a figure in it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path

from .aim import is_kept
from .measure import Result, Run, read_run

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance.json"

HEAD = """\
# Performance

Each figure is the median of rounds in turn with a peer, in the same run on the same machine: the ratio is what is
claimed, the figures say of what. An aim is on the ratio to the first peer, unless it has a unit.

<!-- Made by `python3 build.py bench table FILE` from what `python3 build.py bench --json FILE` wrote. -->
"""


def page_text(run: Run) -> str:
    """The whole page."""
    machine, load = run["machine"], run["load"]
    kept = [is_kept(row) for row in run["results"]]
    measured = (
        f"Measured on {run['date'][:10]}, {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python"
        f" {run['python']}; the machine's load was {load[0]:g} before and {load[1]:g} at the end."
        f" {kept.count(True)} of {len(kept) - kept.count(None)} aims are kept."
    )
    parts = [HEAD, textwrap.fill(measured, 120) + "\n"]
    for bench, rows in groupby(run["results"], key=lambda row: row.get("bench", "")):
        parts.append(f"## {bench.capitalize()}\n\n{_way(bench)}\n\n`python3 build.py bench {bench}`\n")
        for title, group in groupby(rows, key=lambda row: (row["title"], row["unit"])):
            parts.append("\n".join(_table(*title, list(group))) + "\n")
    return "\n".join(parts)


def _way(bench: str) -> str:
    """How it is measured: what the module says of itself."""
    return (import_module(f"bench.{bench}").__doc__ or "").strip()


def _table(title: str, unit: str, rows: list[Result]) -> Iterator[str]:
    peers = list(dict.fromkeys(peer for row in rows for peer in row["peers"]))
    head = [f"{title} ({unit})", "Emerge", *(cell for peer in peers for cell in (peer, "ratio")), "aim", ""]
    yield _line(head)
    yield _line(["---", *["--:"] * (1 + 2 * len(peers)), "---", "---"])
    for row in rows:
        cells = [row["what"], f"{row['emerge']:,.1f}"]
        for peer in peers:
            figure = row["peers"].get(peer)
            cells += ["", ""] if figure is None else [f"{figure:,.1f}", f"{row['emerge'] / figure:.2f}"]
        yield _line([*cells, row["aim"], {True: "kept", False: "**missed**", None: ""}[is_kept(row)]])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="build.py bench table", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=FIGURES)
    given = parser.parse_args(arguments)
    PAGE.write_text(page_text(read_run(given.file)), "utf-8")
    if given.file.resolve() != FIGURES:
        shutil.copyfile(given.file, FIGURES)
    sys.stdout.write(f"{PAGE.relative_to(DOCS.parent)} is made from {given.file}\n")
    return 0
