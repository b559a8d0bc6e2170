# ruff: noqa: T201 - printing is what these methods are for
"""Classes whose methods do what shipped code may do, and what it must not."""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from emerge_wasm.objects import EmergeFile

RATE = 1.5


def scaled(value: float) -> float:
    return value * RATE


@dataclass
class Line:
    what: str = ""
    price: float = 0.0


@dataclass
class Thing(EmergeFile):
    """Something with a price."""

    KIND: ClassVar[str] = "thing"

    price: float = 2.0
    tags: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def total(self, count: int, *, off: float = 0.0) -> float:
        """What `count` of them cost."""
        return scaled(self.price) * count - off

    @property
    def double(self) -> float:
        return self.price * 2

    @cached_property
    def kept(self) -> float:
        return self.price * 3

    @classmethod
    def kind(cls) -> str:
        return cls.__name__

    @staticmethod
    def add(a: int, b: int) -> int:
        return a + b

    def where(self) -> list[Any]:
        return [self.path, self.name, self.uuid, self.version]

    def raise_price(self) -> float:
        self.price += 1
        return self.price

    def replace_line(self) -> None:
        self.lines = [Line("new", 1.0)]

    def touch_nothing(self) -> None:
        self.price = float(str(self.price))

    def first_line(self) -> Line:
        return self.lines[0]

    async def later(self, value: int) -> int:
        await asyncio.sleep(0.001)
        return value + 1

    def numbers(self, end: int) -> Iterator[int]:
        yield from range(end)

    async def later_numbers(self, end: int) -> AsyncIterator[int]:
        for number in range(end):
            yield number

    def endless(self) -> Iterator[int]:
        while True:
            yield 1

    def say(self, text: str) -> str:
        print(text)
        print("aside", file=sys.stderr)
        return "said"

    def chatter(self, count: int) -> None:
        for number in range(count):
            print("x" * 1000, number)

    def stubborn_chatter(self) -> str:
        for _ in range(1000):
            try:
                print("x" * 1000)
            except BaseException:
                pass
        return "done"

    def divide(self, by: int) -> float:
        print("before it fails")
        return self.price / by

    def blame(self) -> None:
        try:
            self.divide(0)
        except ZeroDivisionError as error:
            raise ValueError("it was the other one") from error

    def mistyped(self) -> int:
        return len(5)  # type: ignore[arg-type]

    def leave(self) -> None:
        sys.exit(3)

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def foul(self) -> None:
        class Foul(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        raise Foul

    def recurse(self) -> None:
        self.recurse()

    def spin(self) -> None:
        print("spinning")
        while True:
            pass

    def stubborn_spin(self) -> None:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass

    async def sleep_long(self) -> None:
        await asyncio.sleep(60)

    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    def die(self) -> None:
        os._exit(7)  # private: the standard library's name

    def die_late(self) -> None:
        """Ends its process when it is interrupted, as what cleans up may."""
        try:
            while True:
                pass
        except BaseException:
            os._exit(7)

    def grow(self, size: int) -> None:
        self.data = b"x" * size

    def give(self, size: int) -> bytes:
        return b"x" * size

    def crash(self) -> None:
        ctypes.string_at(0)

    def hog(self) -> int:
        return len(bytearray(1 << 40))

    def big(self, size: int) -> bytes:
        return b"x" * size

    def stream(self) -> Any:
        return io.StringIO("text")

    def spoil(self) -> None:
        self.tags = [io.StringIO()]  # type: ignore[list-item]

    def write_file(self, path: str) -> str:
        try:
            with open(path, "w") as file:
                file.write("x" * 100)
        except OSError as error:
            return type(error).__name__
        return "written"

    def ask_fs(self) -> Any:
        from emerge_wasm import fs

        return fs.list("/")

    def pid(self) -> int:
        return os.getpid()

    def environment(self) -> list[Any]:
        return [
            sorted(os.environ),
            os.getcwd(),
            sys.flags.isolated,
            sorted(m for m in ("zmq", "starlette", "sqlite3") if m in sys.modules),
        ]

    def corrupt(self) -> None:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\xff" * 64)
            except OSError:
                pass

    def forge(self) -> None:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\0\0\0\3\x92\x01\x02")
            except OSError:
                pass

    def _secret(self) -> int:
        return 1
