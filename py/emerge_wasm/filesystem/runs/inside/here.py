"""The runner of a process that holds the filesystem itself: a browser tab, a script, a test.

Pure, as `execute` is: no processes, signals or sockets.
"""

from __future__ import annotations

from collections.abc import Callable

from ...runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from .evaluate import evaluate_rows
from .execute import RunLimits, execute
from .method import Given


class Here:
    """The Runner of whoever holds the filesystem in their own process: a browser tab, a script. No more than
    `execute`: there is no limit of time or memory, and what is cancelled ends where it next awaits.

    `given` makes of the Host of a call what its method is handed.
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
        return await execute(call, self.limits, given, host.write)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        return evaluate_rows(call, self.limits)
