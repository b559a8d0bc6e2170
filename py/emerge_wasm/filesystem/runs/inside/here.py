"""A runner for a process that holds the filesystem itself: a browser tab, a script, a test.

Like `execute`, it uses no processes, signals or sockets.
"""

from __future__ import annotations

from collections.abc import Callable

from ...runner import EvaluateCall, EvaluateOutcome, Host, PartHost, RunCall, RunOutcome
from .evaluate import evaluate_rows
from .execute import RunLimits, execute
from .method import Given


class Here:
    """Runs calls in this process. Time and memory are unlimited; a cancelled call ends at its next await.

    `given` makes the arguments that a method gets for `fs` and `afs` from the call's Host.
    """

    kind = "browser"
    size = 0  # no bound

    def __init__(self, limits: RunLimits | None = None, given: Callable[[Host], Given] | None = None) -> None:
        self.limits = limits or RunLimits()
        self._given = given

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        if host is None:
            return await execute(call, self.limits)
        given = self._given(host) if self._given is not None else None
        give = host.give if isinstance(host, PartHost) else None
        return await execute(call, self.limits, given, host.write, give)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        return evaluate_rows(call, self.limits)
