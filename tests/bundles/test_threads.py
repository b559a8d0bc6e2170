"""Classes are captured and loaded in several threads at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture, load
from emerge_wasm.bundles.registry import forget

THREADS = 6


@dataclass
class Wheel:
    size: int = 1


@dataclass
class Cart(EmergeFile):
    wheels: list[Wheel] = field(default_factory=list)

    def roll(self) -> Wheel:
        return Wheel(2)


@pytest.fixture
def hasty() -> object:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_all_threads_get_one_class_and_one_bundle() -> None:
    data = {bundle.hash: bundle.data for bundle in capture(Cart)}
    with ThreadPoolExecutor(THREADS) as threads:

        def together(work: Callable[[], object]) -> list[object]:
            barrier = Barrier(THREADS)

            def one(_: int) -> object:
                barrier.wait(10)
                return work()

            return list(threads.map(one, range(THREADS)))

        for _ in range(15):
            forget()
            hashes = together(lambda: [bundle.hash for bundle in capture(Cart)])
            assert hashes == [list(data)] * THREADS
            forget()
            classes = together(lambda: load(list(data)[-1], data.get))
            assert len({id(cls) for cls in classes}) == 1
