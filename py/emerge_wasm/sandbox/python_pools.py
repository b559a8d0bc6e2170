"""A node's Runner over several Pythons: a pool for each, its own first. Code runs in the first that can run it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from ..errors import Unavailable
from ..filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from .interpreter import find_interpreter
from .pool import Pool
from .probe.probe import examine


class PythonPools:
    """Pools of different Pythons, as one. It runs as many calls at once as the first, which is the node's own."""

    def __init__(self, own: Pool, others: Sequence[Pool]) -> None:
        self.own = own
        self._pools = [own, *(pool for pool in others if pool.kind)]

    @property
    def kind(self) -> str:
        return self.own.kind

    @property
    def size(self) -> int:
        return self.own.size

    @property
    def packages(self) -> dict[str, str]:
        """The packages that code may import under the node's own Python."""
        return self.own.packages

    @property
    def pythons(self) -> list[str]:
        """The versions of Python that code can run under."""
        return [pool.interpreter.version for pool in self._pools]

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        """Run a call. Raises as `Runner.run` does."""
        return await self._choose(call.bundles, call.path).run(call, host)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        """Evaluate an expression. Raises as `Runner.run` does."""
        return await self._choose(call.bundles, None).evaluate(call)

    def _choose(self, bundles: dict[str, bytes], path: str | None) -> Pool:
        """Return the first pool that has the grammar and the packages. Raises Unavailable when none has."""
        refused: Unavailable | None = None
        for pool in self._pools:
            try:
                pool.check(bundles, path)
            except Unavailable as error:
                if refused is None or "python" in refused.details:  # the newest Python's reason says most
                    refused = error
            else:
                return pool
        assert refused is not None
        raise refused


async def start_pools(
    stack: AsyncExitStack, names: Sequence[str], *, preload: tuple[str, ...] = (), unsafe: bool = False
) -> tuple[Pool | PythonPools, str]:
    """Start a node's pool, and one for each other Python. Return them, and in words how safely code runs in them.

    Raises:
        Unavailable: one of these Pythons is not there, or cannot run workers.
    """
    interpreters = await asyncio.gather(*(find_interpreter(name, preload) for name in names))
    own = Pool(preload=preload, unsafe=unsafe)
    others: dict[str, Pool] = {}
    grammars = {own.interpreter.grammar}
    words = []
    for name, interpreter in sorted(zip(names, interpreters, strict=True), key=lambda row: row[1].grammar):
        if interpreter.grammar <= own.interpreter.grammar or interpreter.grammar in grammars:
            words.append(f"{name} is not needed: Python {interpreter.version} parses nothing that the others cannot")
            continue
        found = tuple(package for package in preload if package in (interpreter.found or ()))
        others[name] = Pool(preload=found, unsafe=unsafe, interpreter=interpreter)
        grammars.add(interpreter.grammar)
    starting = (_start(stack, pool, name) for name, pool in {"": own, **others}.items())
    states = await asyncio.gather(*starting, return_exceptions=True)
    for state in states:
        if isinstance(state, BaseException):
            raise state
    return (PythonPools(own, list(others.values())) if others else own), "\n".join([*map(str, states), *words])


async def _start(stack: AsyncExitStack, pool: Pool, name: str) -> str:
    """Start and probe a pool, the node's own or that of another Python's name. Return its state as text."""
    if not name:
        return await examine(await stack.enter_async_context(pool))
    version = pool.interpreter.version
    try:
        return f"Python {version} for newer code: {await examine(await stack.enter_async_context(pool))}"
    except Unavailable as error:
        raise Unavailable(
            f"methods cannot run under {name} (Python {version}): {error.message}",
            remedy="mend that Python, or start the node without it",
        ) from None
