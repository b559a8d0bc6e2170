# ruff: noqa: T201 - printing is what some of these methods are for
"""A class whose methods use the filesystem, as `fs` and as `afs`."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from emerge_wasm.objects import EmergeFile


@dataclass
class Agent(EmergeFile):
    """Does what it is told."""

    count: int = 0
    results: list[Any] = field(default_factory=list)

    def names(self, fs: Any, path: str) -> list[str]:
        return [pointer.name for pointer in fs.list(path)]

    def imported(self, path: str) -> list[str]:
        from emerge_wasm import fs

        return [pointer.name for pointer in fs.list(path)]

    async def later(self, afs: Any, path: str) -> list[str]:
        one, two = await asyncio.gather(afs.list(path), afs.list(path))
        assert one == two
        return [pointer.name async for pointer in afs.dir(path)]

    def streamed(self, fs: Any, path: str) -> list[str]:
        """Streams within one another, one left early."""
        found = [f"{one.name}{two.name}" for one in fs.dir(path) for two in fs.dir(path)]
        for pointer in fs.dir(path):
            found.append(pointer.name)
            break
        return found

    def many_streams(self, fs: Any, path: str, count: int) -> int:
        streams = [fs.dir(path) for _ in range(count)]
        return len([next(stream) for stream in streams])

    def read(self) -> Iterator[str]:
        """Parts that take longer than one run may, each less."""
        for number in range(self.count):
            time.sleep(0.3)
            yield f"{number} "

    def make(self, fs: Any, path: str, count: int) -> int:
        other = Agent(path=path.rpartition("/")[0], name=path.rpartition("/")[2], count=count)
        fs.store(other)
        return int(fs.getobject(path).count)

    def chain(self, fs: Any, depth: int) -> int:
        """Down a chain of runs, each of an object of its own."""
        if not depth:
            return 0
        return int(fs.run(f"/agents/a{depth - 1}", "chain", depth - 1)) + 1

    def look(self, fs: Any) -> str:
        try:
            fs.cat("/nowhere")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "found"

    def miss(self, fs: Any) -> None:
        fs.cat("/nowhere")

    def both(self, fs: Any, path: str, fail: bool) -> None:
        with fs.transaction() as tx:
            tx.store(Agent(path=path, name="one"))
            tx.store(Agent(path=path, name="two"))
            if fail:
                raise ValueError("neither")

    def flood(self, fs: Any) -> None:
        for _ in range(200):
            try:
                fs.whoami()
            except Exception:
                pass

    async def stream_of_much(self, afs: Any) -> str:
        try:
            return str([item async for item in afs.transport.stream("dir", ["/agents", "x" * (2 << 20)])])
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def wait_for_nothing(self, fs: Any) -> None:
        for _ in fs.watch("/agents"):
            pass

    def who(self, fs: Any) -> Any:
        return fs.whoami()["principal"]

    def speak(self, pause: float) -> None:
        for number in range(3):
            print("line", number)
            time.sleep(pause)
        print("end", end="")

    def pid(self) -> int:
        return os.getpid()

    def grow(self, size: int) -> int:
        self._kept = len(b"x" * size)
        return os.getpid()

    def need(self, name: str) -> Any:
        return __import__(name).__name__

    def have(self, name: str) -> bool:
        import importlib.util

        return importlib.util.find_spec(name) is not None

    def zone(self) -> str:
        return datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Zurich")).isoformat()

    def work(self) -> None:
        while True:
            sum(range(1000))

    def run_loop(self) -> int:
        async def three() -> int:
            await asyncio.sleep(0.001)
            return 3

        return asyncio.run(three()) + asyncio.run(three())

    def in_thread(self) -> str:
        async def work() -> str:
            return await asyncio.to_thread(lambda: "from a thread")

        return asyncio.run(work())

    def leave_thread(self) -> int:
        import threading

        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        return os.getpid()

    def leave_hidden_thread(self) -> int:
        """One that Python's own count of threads leaves out."""
        import _thread

        _thread.start_new_thread(time.sleep, (60,))
        return os.getpid()

    def random(self) -> list[Any]:
        import random
        import uuid

        return [random.random(), str(uuid.uuid4())]

    def eat(self) -> int:
        """Memory, in pieces, and catches what is raised."""
        kept: list[bytes] = []
        while True:
            kept.append(b"x" * (1 << 20))

    def deep(self) -> Any:
        """Recursion that Python's own limit does not stop."""
        sys.setrecursionlimit(1 << 30)
        value: list[Any] = []
        for _ in range(300_000):
            value = [value]
        return repr(value)

    def catch_all(self, fs: Any) -> str:
        """Catches even what ends it, while it waits for an answer that does not come."""
        try:
            for _ in fs.watch("/agents"):
                pass
        except BaseException as error:
            return type(error).__name__
        return "nothing"

    def find(self, fs: Any, path: str) -> int:
        return len(list(fs.search(lambda o: o.method_of_mine() or True, path=path)))

    def method_of_mine(self) -> int:
        return self.count

    def _descriptor(self) -> int:
        """Of the socket to the node: the one beyond the first three that is no end of the event loops' pair."""
        import gc

        from emerge_wasm.sandbox.worker.node_connection import NodeConnection

        return next(each for each in gc.get_objects() if isinstance(each, NodeConnection)).fileno()

    def say_raw(self, kind: str, count: int) -> None:
        """What no worker of ours says."""
        from emerge_wasm.sandbox.frame import pack_frame
        from emerge_wasm.wire import event
        from emerge_wasm.wire.event import Ids

        ids = Ids()
        ask = lambda name, *args: pack_frame(event.encode({"message_id": ids(), "v": 3}, name, list(args)))  # noqa: E731
        say = lambda name, args: pack_frame(event.encode_on(ids, b"nobody", name, args))  # noqa: E731
        make = {
            "call": lambda: ask("whoami"),
            "stream": lambda: ask("watch", "/"),
            "long stream": lambda: ask("watch", "x" * (2 << 20)),
            "end": lambda: say("_emerge_end", []),
            "grant": lambda: say("_zpc_more", [5]),
            "answer": lambda: say("OK", [[b"", None, 1.0]]),
            "print": lambda: say("STREAM", "text"),
            "beat": lambda: say("_zpc_hb", [0]),
            "bytes": lambda: pack_frame(b"\xc1"),
            "deep": lambda: pack_frame(b"\x91" * 5000),
            "long": lambda: b"\xff\xff\xff\xff",
        }[kind]
        descriptor = self._descriptor()
        for _ in range(count):
            data = make()
            while data:
                data = data[os.write(descriptor, data) :]
        time.sleep(0.3)  # its node ends it meanwhile
