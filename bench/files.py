"""Files beside what moves the same bytes with nothing to it: a raw ZeroMQ stream, `cp`, and `tar` for many small ones.

`python -m bench.files 1024` does it with a file of 1024 MB, and `1024 10000` with so many small ones. Over one node and
over three, by raid level; each round puts new bytes on the same disk, and all that Emerge acknowledges is durable.
Beside it stand the bare limits, in the same turns: a stream whose blocks are hashed on both sides, which a get must do,
and one that also writes each durably to a file, which a put must do.
Peaks of memory are over those before, by /proc.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import zmq

from emerge_wasm import Unavailable, connect
from emerge_wasm.clients import SyncClient

from .measure import Row, in_turn, print_rows
from .process import started
from .volumes import RunningNode, joined, node, sqlite_file

SIZE = 64
"""Megabytes of the file, unless somebody says otherwise."""

ROUNDS = 3
SMALL = 2000
SMALL_SIZE = 4096
MESSAGE = 1 << 20
RAIDS = (0, 1, 5, 6)
PEERS = ["raw ZeroMQ stream", "hashed", "hashed and durable", "cp and fsync"]

Streams = tuple[str, str, str]
"""Endpoints of bare streams: as they come, hashed, and hashed and durable."""


def make_file(path: Path, megabytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MESSAGE))
    return path


def make_new(path: Path) -> None:
    """Change every megabyte of a file, so that none of its blocks is anywhere."""
    with path.open("r+b") as file:
        for at in range(0, path.stat().st_size, MESSAGE):
            file.seek(at)
            file.write(os.urandom(32))


# --- peers
def stream_rate(endpoint: str, source: Path, *, hashed: bool = False) -> float:
    """MB a second of a file that is read and sent by messages of 1 MiB, until the other side has them all."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket, source.open("rb") as file:
        socket.connect(endpoint)
        start = time.perf_counter()
        while part := file.read(MESSAGE):
            if hashed:
                sha256(part).digest()
            socket.send(part)
        socket.send(b"")
        socket.recv()
        return source.stat().st_size / MESSAGE / (time.perf_counter() - start)


def sink(hashed: str = "", folder: str = "") -> None:
    """Take such streams, one after another; `hashed`: hash each message, and with a folder write it durably to a file
    there, as a store of blocks does."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as socket, ThreadPoolExecutor(4) as threads:
        socket.bind("tcp://127.0.0.1:*")
        print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
        for count in itertools.count():
            works: deque[Future[None]] = deque()
            kept: list[Path] = []
            while part := socket.recv():
                if hashed and not folder:
                    sha256(part).digest()
                elif folder:
                    kept.append(Path(folder, f"{count}-{len(kept)}"))
                    works.append(threads.submit(keep, part, kept[-1]))
                    if len(works) > 8:
                        works.popleft().result()
            for work in works:
                work.result()
            socket.send(b"all")
            for path in kept:  # not before: a file takes the memory of one that has gone, which a store has to get anew
                path.unlink()


def keep(part: bytes, path: Path) -> None:
    sha256(part).digest()
    with path.open("wb") as file:
        file.write(part)
        file.flush()
        os.fsync(file.fileno())


def copy_rate(source: Path, target: Path) -> float:
    """MB a second of `cp`, with the copy flushed to the disk."""
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    subprocess.run(["cp", source, target], check=True)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return source.stat().st_size / MESSAGE / (time.perf_counter() - start)


def tar_rate(source: Path, target: Path, small: int) -> float:
    """Files a second by tar through a pipe, flushed to the disk as a whole."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    start = time.perf_counter()
    subprocess.run(f"tar cf - -C {source} . | tar xf - -C {target} && sync -f {target}", shell=True, check=True)
    return small / (time.perf_counter() - start)


# --- Emerge
def put_rate(fs: SyncClient, source: Path, raid: int) -> float:
    fs.rm("/bench", recursive=True) if any(each.name == "bench" for each in fs.list("/")) else None
    make_new(source)
    start = time.perf_counter()
    fs.put(source, "/bench/file", raid=raid)
    return source.stat().st_size / MESSAGE / (time.perf_counter() - start)


def get_rate(fs: SyncClient, target: Path) -> float:
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    size = fs.fetch("/bench/file", target)
    return size / MESSAGE / (time.perf_counter() - start)


def puttree_rate(fs: SyncClient, source: Path, small: int) -> float:
    start = time.perf_counter()
    fs.puttree(source, "/small")
    return small / (time.perf_counter() - start)


def fetchtree_rate(fs: SyncClient, target: Path, small: int) -> float:
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    fs.fetchtree("/small", target)
    return small / (time.perf_counter() - start)


# --- memory
def memory(process: int, what: str) -> float:
    """A figure of a process's memory in MB: VmRSS now, or VmHWM, the peak since it was last forgotten."""
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


@contextmanager
def peaks(processes: dict[str, int], over: dict[str, float]) -> Iterator[None]:
    """Note by how many MB each process was above its memory at the beginning."""
    before = {name: memory(process, "VmRSS") for name, process in processes.items()}
    for process in processes.values():
        Path(f"/proc/{process}/clear_refs").write_text("5")
    yield
    for name, process in processes.items():
        over[name] = max(over.get(name, 0.0), memory(process, "VmHWM") - before[name])


# --- the tables
def large_rows(
    folder: Path, nodes: list[RunningNode], source: Path, streams: Streams, over: dict[str, float]
) -> list[Row]:
    rows = []
    processes = {"client": os.getpid()} | {f"node {number}": each.process.pid for number, each in enumerate(nodes)}
    where = "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    with connect(nodes[0].endpoint) as fs:
        for raid in RAIDS:
            try:
                with peaks(processes, over):
                    put_rate(fs, source, raid)
            except Unavailable as error:
                print(f"{where}, raid {raid}: {error.message}", flush=True)
                continue
            with peaks(processes, over):
                get_rate(fs, folder / "got")
            peers: list[Callable[[], float]] = [
                partial(stream_rate, streams[0], source),
                partial(stream_rate, streams[1], source, hashed=True),
                partial(stream_rate, streams[2], source, hashed=True),
                partial(copy_rate, source, folder / "copy"),
            ]
            put, *by = in_turn(partial(put_rate, fs, source, raid), *peers, rounds=ROUNDS)
            rows.append(Row(f"put, {where}, raid {raid}", put, by, "≥ 0.6" if not raid else ""))
            get, *by = in_turn(partial(get_rate, fs, folder / "got"), *peers, rounds=ROUNDS)
            rows.append(Row(f"get, {where}, raid {raid}", get, by, "≥ 0.6" if not raid else ""))
    return rows


def longest_wait(nodes: list[RunningNode], source: Path) -> tuple[float, float]:
    """Read a file of two copies from several nodes and kill one of them midway: the longest that the next block took
    before and after it, in seconds. The path's owner, which the reader talks to, stays."""
    with connect(nodes[0].endpoint) as fs:
        fs.put(source, "/killed/file", raid=1)
        waits: list[float] = []
        with fs.open("/killed/file") as file:
            half = file.size // MESSAGE // 2
            for number in range(file.size // MESSAGE):
                if number == half:
                    nodes[-1].process.kill()
                start = time.perf_counter()
                assert len(file.read(MESSAGE)) == MESSAGE
                waits.append(time.perf_counter() - start)
    return max(waits[:half]), max(waits[half:])


def small_rows(folder: Path, endpoint: str, small: int) -> list[Row]:
    source = folder / "small"
    source.mkdir()
    for number in range(small):
        (source / f"file{number:05}").write_bytes(os.urandom(SMALL_SIZE))
    with connect(endpoint) as fs:
        put, get, tar = in_turn(
            partial(puttree_rate, fs, source, small),
            partial(fetchtree_rate, fs, folder / "small-got", small),
            partial(tar_rate, source, folder / "tarred", small),
            rounds=ROUNDS,
        )
    return [Row("put -r", put, [tar]), Row("get -r", get, [tar])]


def main(megabytes: int = SIZE, small_files: int = SMALL) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        started("bench.files", "sink") as stream,
        started("bench.files", "sink", "hashed") as hashing,
        started("bench.files", "sink", "hashed", name) as keeping,
    ):
        folder, streams = Path(name), (stream, hashing, keeping)
        source = make_file(folder / "source", megabytes)
        over: dict[str, float] = {}
        with node(sqlite_file(folder, "alone"), "alone") as alone:
            rows = large_rows(folder, [alone], source, streams, over)
            small = small_rows(folder, alone.endpoint, small_files)
        with joined(folder, 3) as nodes:
            more: dict[str, float] = {}
            rows += large_rows(folder, nodes, source, streams, more)
            before, after = longest_wait(nodes, source)
    print_rows(f"A file of {megabytes} MB", "MB a second", PEERS, rows)
    print_rows(f"{small_files} files of {SMALL_SIZE} bytes", "a second", ["tar through a pipe"], small)
    print(f"A holder is killed: the next block took {after:.2f} s at most, {before:.2f} s before that  (aim ≤ 1)")
    for where, found in (("one node", over), ("three nodes", more)):
        shown = ", ".join(f"{name} {peak:.0f} MB" for name, peak in found.items())
        print(f"Memory over idle, {where}: {shown}  (aim ≤ 100)")


if __name__ == "__main__":
    sink(*sys.argv[2:]) if sys.argv[1:2] == ["sink"] else main(*map(int, sys.argv[1:]))
