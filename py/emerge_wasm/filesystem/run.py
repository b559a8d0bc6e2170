"""What a filesystem hands to a runner, and what it gets back: the border between data and shipped code.

A runner is `async def runner(call: RunCall) -> RunOutcome`. Plain data; imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunCall:
    """One method call on one object.

    `pointer` is the wire map of its Pointer, `state` its encoded state, `bundles` every class bundle its class
    needs (hash: bytes), `args` and `kwargs` decoded plain data, `timeout` seconds of wall time.
    """

    path: str
    pointer: dict[str, Any]
    state: bytes
    bundles: dict[str, bytes]
    method: str
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: float


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of it: the result as plain data, the new encoded state (None: unchanged), what was printed."""

    result: Any
    state: bytes | None
    output: str
    milliseconds: float
