"""Processor time of a short command, from the start of Python to its end, beside a Python that does nothing, and beside
one that imports the packages that a client needs. A node with ten objects answers.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from emerge_wasm import EmergeFile, connect

from .measure import Row, in_turn, print_rows
from .process import cluster

ROUNDS = 21
PACKAGES = "import asyncio, click, msgpack, zmq"


def processor_ms(*words: str, host: str = "") -> float:
    """Milliseconds of processor time of a Python with these arguments, as the system counts them for its parent."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "EMERGE_HOST": host}
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as place:
        with connect(place["node"]) as fs:
            fs.storeall(EmergeFile(name=f"object{number}", path="/bench") for number in range(10))
        emerge = partial(processor_ms, "-m", "emerge_wasm.cli", host=place["node"])
        commands = {"emerge ls": ["ls", "/bench"], "emerge cat": ["cat", "/bench/object1"]}
        rows = []
        for (name, words), aim in zip(commands.items(), ("≤ 80 ms", ""), strict=True):
            ours, nothing, packages = in_turn(
                partial(emerge, *words),
                partial(processor_ms, "-I", "-c", "pass"),
                partial(processor_ms, "-c", PACKAGES),
                rounds=ROUNDS,
            )
            rows.append(Row(name, ours, [nothing, packages], aim))
    print_rows("A command, processor time", "ms", ["python -I -c pass", "its packages alone"], rows)


if __name__ == "__main__":
    main()
