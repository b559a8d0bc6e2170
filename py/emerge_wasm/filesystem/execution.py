"""The runner of shipped code that a filesystem uses. Imports only the core and the runner's Protocol."""

from __future__ import annotations

import platform
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ..context import Context
from ..errors import Unavailable
from .core import Core, Part
from .runner import EvaluateCall, EvaluateOutcome, Host, RunCall, Runner, RunOutcome


class OtherRunners(Protocol):
    """The runners of other nodes, for code that this one's cannot run because packages, or a newer Python, are missing.

    Both methods raise an Unavailable that says more than `refused`, the own runner's error, when no other can.
    """

    async def run(self, call: RunCall, context: Context, refused: Unavailable, host: Host) -> RunOutcome: ...

    async def evaluate(self, call: EvaluateCall, context: Context, refused: Unavailable) -> EvaluateOutcome: ...


@dataclass(slots=True)
class CodeExecution:
    """The runner (None: this filesystem runs no code), the limit of wall time for one run, in seconds, and who else
    can run code (None: nobody)."""

    runner: Runner | None = None
    timeout: float = 30.0
    others: OtherRunners | None = None

    async def run(
        self, runner: Runner, call: RunCall, host: Host, context: Context, place: AbstractAsyncContextManager[None]
    ) -> RunOutcome:
        """Run a call here, where it takes a `place`, or where what is missing here is there.

        Raises as `Runner.run` does.
        """
        try:
            async with place:
                return await runner.run(call, host)
        except Unavailable as error:
            if self.others is None or not is_lacking(error):
                raise
            refused = error
        return await self.others.run(call, context, refused, host)

    async def evaluate(self, runner: Runner, call: EvaluateCall, context: Context) -> EvaluateOutcome:
        """Evaluate an expression here, or where what is missing here is there."""
        try:
            return await runner.evaluate(call)
        except Unavailable as error:
            if self.others is None or not is_lacking(error):
                raise
            refused = error
        return await self.others.evaluate(call, context, refused)


def is_lacking(error: Unavailable) -> bool:
    """Tell whether a runner refused code for what it lacks: packages, or a newer Python; `details` name them."""
    return bool(error.details.get("packages") or error.details.get("python"))


def packages_of(core: Core) -> dict[str, str]:
    """Return the packages that code may import here, with their versions, as far as the runner names them."""
    found = getattr(EXECUTION.of(core).runner, "packages", {})
    return dict(found)


def pythons_of(core: Core) -> list[str]:
    """Return the versions of Python that code can run under here: this one's, unless the runner has more."""
    return list(getattr(EXECUTION.of(core).runner, "pythons", ())) or [platform.python_version()]


EXECUTION = Part(CodeExecution)
