"""The registry of engines that spread work over machines, by the scheme of their addresses. Imports none before it is
asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from ..errors import Invalid, Unavailable

WorkerFunction = Callable[..., object]
"""A function of a module, or a `partial` of one, of an item: what an engine can send to a worker."""


class ComputeEngine(Protocol):
    """Runs a function on many items, on workers that may be lost."""

    def each(self, work: WorkerFunction, items: Sequence[object]) -> AsyncGenerator[tuple[int, object], None]:
        """Yield the number of each item and what the work came to, as they come: a result, or a LostWorker.

        An item whose worker is lost is done again on another one, so the work must bear that. Closing the generator
        ends what has not begun.

        Raises:
            Unavailable: the engine is out of reach.
        """
        ...

    async def width(self) -> int:
        """How many items the workers can do at once; at least 1."""
        ...


@dataclass(frozen=True, slots=True)
class LostWorker:
    """What came of an item that ended each process that worked on it."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """Where an engine lives: `name` in `module` is its class, which is called with the address."""

    module: str
    name: str
    example: str
    extra: str


ENGINES = {
    "dask": EngineEntry("emerge_wasm.flows.dask_engine", "DaskEngine", "dask://host:8786", "dask"),
    "ray": EngineEntry("emerge_wasm.flows.ray_engine", "RayEngine", "ray://auto", "ray"),
}


def open_engine(address: str) -> ComputeEngine:
    """Make the engine that an address names by its scheme. It connects when it is used.

    Raises:
        Invalid: no engine has that scheme.
        Unavailable: its package is not installed.
    """
    entry = ENGINES.get(address.partition("://")[0])
    if entry is None:
        examples = " or ".join(each.example for each in ENGINES.values())
        raise Invalid(f"{address!r} is not the address of an engine", remedy=f"write {examples}, or leave it out")
    try:
        kind: Callable[[str], ComputeEngine] = getattr(import_module(entry.module), entry.name)
    except ImportError as error:
        raise Unavailable(
            f"the package {error.name} is not installed", remedy=f"pip install 'emerge-wasm[{entry.extra}]'"
        ) from None
    return kind(address)
