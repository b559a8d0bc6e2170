"""Compressed neighbours of all files that the page is served from: Zstandard for most browsers, gzip for the others.

The relay sends them as they are (`relay/static.py`). What was compressed once is kept by its content. Run as a program
by the Python of the environment, which has Zstandard.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .environment import PYTHON
from .step import ROOT, WORK, once, run

DIST = ROOT / "dist"
KEPT = WORK / "compressed"
SERVED = ("index.html", "sw.js", "assets", "pyodide-*")
"""What of dist/ is served to browsers; dist/pyodide/ is for tests."""
LEVEL = 19
"""Zstandard's highest level whose window (8 MiB) every browser must accept."""
LARGE = 1 << 20
"""Bytes from which gzip's best level takes too long for what it gains."""


def served(dist: Path) -> list[Path]:
    """The files that a browser may ask for, without their compressed neighbours."""
    found = [path for pattern in SERVED for path in sorted(dist.glob(pattern))]
    files = [file for path in found for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [file for file in files if file.is_file() and file.suffix not in ENCODERS]


def make() -> None:
    """Compress what is new."""
    files = served(DIST)
    outputs = [Path(f"{file}{ending}") for file in files for ending in ENCODERS]
    once("compression", [*files, Path(__file__)], outputs, lambda: run(PYTHON, "-m", "buildtools.compress"))


def _zstandard(data: bytes) -> bytes:
    found = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    packed: bytes = found.compress(data, LEVEL)
    return packed


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 6 if len(data) > LARGE else 9, mtime=0)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {".zst": _zstandard, ".gz": _gzip}


def _compress(file: Path) -> None:
    data = file.read_bytes()
    for ending, encode in ENCODERS.items():
        kept = KEPT / f"{hashlib.sha256(data).hexdigest()}{ending}"
        if not kept.exists():
            made = kept.with_suffix(f"{ending}.new")
            made.write_bytes(encode(data))
            made.replace(kept)
        os.utime(kept)
        shutil.copy2(kept, f"{file}{ending}")


def _main() -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        used = list(pool.map(_compress, sorted(served(DIST), key=lambda file: -file.stat().st_size)))
    newest = sorted(KEPT.iterdir(), key=lambda file: file.stat().st_mtime)[-4 * len(ENCODERS) * len(used) :]
    for old in set(KEPT.iterdir()) - set(newest):
        old.unlink()


if __name__ == "__main__":
    _main()
