"""Store and load a graph of 30 dependent classes, beside cloudpickle doing the same.

Each figure is of a process of its own, so that nothing is kept from a time before: captured, or pickled by value, from
a module just imported; and loaded where the module is not known. The imports of the libraries are not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from .company import LAST, company
from .measure import Row, in_turn, print_rows

SETTING = """
import collections, dataclasses, datetime, decimal, inspect, math, pickle, re, sys, time
import cloudpickle
from emerge_wasm.bundles import capture, load

def timed(work):
    start = time.perf_counter()
    done = work()
    print(1000 * (time.perf_counter() - start))
    return done
"""
STORE = f"""
import company
bundles = timed(lambda: capture(company.{LAST}))
with open("bundles", "wb") as file:
    pickle.dump((bundles[-1].hash, {{bundle.hash: bundle.data for bundle in bundles}}), file)
print(sum(len(bundle.data) for bundle in bundles))
"""
PEER_STORE = f"""
import company
cloudpickle.register_pickle_by_value(company)
data = timed(lambda: cloudpickle.dumps(company.{LAST}))
with open("pickled", "wb") as file:
    file.write(data)
print(len(data))
"""
USE = f"assert cls.__name__ == {LAST!r} and cls(4.0).weight() == 120.0\n"
LOAD = f"""
with open("bundles", "rb") as file:
    hash, table = pickle.load(file)
cls = timed(lambda: load(hash, table.get))
{USE}"""
PEER_LOAD = f"""
with open("pickled", "rb") as file:
    data = file.read()
cls = timed(lambda: pickle.loads(data))
{USE}"""


def run(program: str, folder: Path, store: bool) -> list[float]:
    """What a program prints, in a process of its own; only one that stores can import the module."""
    paths = [str(folder / "module")] * store + sys.path
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", SETTING + program]
    return [float(line) for line in subprocess.check_output(command, cwd=folder, env=env, text=True).split()]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "module").mkdir()
        (folder / "module" / "company.py").write_text(company())
        size, peer_size = (run(program, folder, True)[1] for program in (STORE, PEER_STORE))

        def first(program: str, store: bool) -> float:
            return run(program, folder, store)[0]

        programs = [(STORE, True), (PEER_STORE, True), (LOAD, False), (PEER_LOAD, False)]
        store, peer_store, load, peer_load = in_turn(*(partial(first, *each) for each in programs))
    rows = [
        Row("store, ms", store, [peer_store], "≤ 1"),
        Row("load, ms", load, [peer_load], "≤ 1"),
        Row("bytes", size, [peer_size], "≤ 0.5"),
    ]
    print_rows("A graph of 30 dependent classes, the first time", "as said", ["cloudpickle"], rows)


if __name__ == "__main__":
    main()
