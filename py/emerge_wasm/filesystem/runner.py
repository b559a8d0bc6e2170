"""What a filesystem hands to a runner, and what it gets back: the border between data and shipped code.

Plain data and Protocols; imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

MERGE = "merge:"
"""Before a field's name, as a method: the function that merges concurrent changes of it (see `merge.py`)."""
KEEP = "keep:"
"""Before a method's name: what it returns is kept in the object's field `results`."""


@dataclass(frozen=True, slots=True)
class RunCall:
    """One method call on one object. `method` is a name, or one after MERGE or KEEP.

    `pointer` is the wire map of its Pointer, `state` its encoded state, `bundles` every class bundle its class
    needs (hash: bytes), `args` and `kwargs` decoded plain data, `timeout` seconds of wall time. `principal` is who
    asks: a process that ran code for one principal never runs it for another. `nested`: others wait for it, and whoever
    calls sees to how many run at once (see `capacity.py`): the runner must not let it wait for its turn.
    """

    path: str
    pointer: Mapping[str, Any]
    state: bytes
    bundles: dict[str, bytes]
    method: str
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: float
    principal: str = ""
    nested: bool = False

    @property
    def title(self) -> str:
        """The method as messages name it."""
        return self.method.removeprefix(KEEP)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of it: the result as plain data, the new encoded state (None: unchanged), what was printed."""

    result: Any
    state: bytes | None
    output: str
    milliseconds: float
    digest: str = ""  # SHA-256 of the encoded result, hex


@dataclass(frozen=True, slots=True)
class EvaluateCall:
    """An expression over many objects: a part of a search that needs code.

    `expression` is {"text", "values", "bundle"} (see `search` in the operation table); a row is an object's pointer and
    encoded state.
    """

    expression: dict[str, Any]
    rows: Sequence[tuple[Mapping[str, Any], bytes]]
    bundles: dict[str, bytes]
    timeout: float
    principal: str = ""


@dataclass(frozen=True, slots=True)
class EvaluateOutcome:
    """The value of each row as plain data, None where it raised; and by row number what it raised, as text."""

    values: list[Any]
    errors: dict[int, str] = field(default_factory=dict)


class Host(Protocol):
    """What a running method can reach: the caller's own view of the filesystem, and the caller's eyes."""

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        """An operation, with the caller's rights, in the caller's transaction; `context` as in `Transport.call`."""
        ...

    def stream(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> AsyncIterator[Any]: ...

    def write(self, text: str) -> None:
        """What it has just printed."""
        ...


class Runner(Protocol):
    """Where shipped code runs. Both methods may be awaited concurrently; cancelling one ends its call."""

    @property
    def kind(self) -> str:
        """ "sandbox" (closed in), "unsafe" (a process of its own, no more) or "browser"."""
        ...

    @property
    def size(self) -> int:
        """How many calls it is good for at once; 0: there is no bound."""
        ...

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        """Raises the EmergeError that the call ended with: ExecutionFailed, LimitExceeded, Invalid, CannotShip,
        Unavailable…"""
        ...

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome: ...
