"""The interface between a filesystem and the runner of shipped code: calls and their outcomes.

Plain data and Protocols; imports only the words of a call's context. Nobody changes a call or an outcome; they are not
frozen, since to make one that is takes five times as long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..context import Clock

MERGE = "merge:"
"""Prefix of a field's name as a method: the function that merges concurrent changes (see `objects/merge.py`)."""
KEEP = "keep:"
"""Prefix of a method's name: its return value is kept in the object's field `results`."""

READ = "read:"
"""Prefix of a method's name: its return value is bytes, which are given to the host in parts, as they are made."""


@dataclass(slots=True)
class RunCall:
    """One method call on one object. `method` is a name, with or without the prefix MERGE, KEEP or READ.

    `pointer` is the wire map of its Pointer, `state` its encoded state, `bundles` every class bundle its class
    needs (hash: bytes), `args` and `kwargs` decoded plain data, `timeout` seconds of wall time. `principal` is the
    caller: a process that ran code for one principal never runs it for another. `nested`: the caller limits how many
    calls run at once (see `runs/capacity.py`), so the runner must not queue this one. `encoded` is [args, kwargs] as
    the codec writes it, where that is at hand.
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
    encoded: bytes = b""

    @property
    def title(self) -> str:
        """The method's name for messages."""
        return self.method.removeprefix(KEEP).removeprefix(READ)


@dataclass(slots=True)
class RunOutcome:
    """The outcome of a RunCall: the result as plain data, the new encoded state (None: unchanged), the output.

    What was given in parts is no result.

    `node` is where it ran, "" for the node that has the object.
    """

    result: Any
    state: bytes | None
    output: str
    milliseconds: float
    digest: str = ""  # SHA-256 of the encoded result, hex
    node: str = ""


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
    clock: Clock | None = None  # the caller's


@dataclass(frozen=True, slots=True)
class EvaluateOutcome:
    """The value of each row as plain data, None where it raised, and the errors as text by row number."""

    values: list[Any]
    errors: dict[int, str] = field(default_factory=dict)


class Host(Protocol):
    """What a running method can reach: the filesystem with its caller's rights, and its caller's output."""

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        """Run an operation with the caller's rights, in the caller's transaction; `context` as in `Transport.call`."""
        ...

    def stream(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> AsyncIterator[Any]: ...

    def write(self, text: str) -> None:
        """Pass on text that the method printed."""
        ...


@runtime_checkable
class PartHost(Host, Protocol):
    """A host that takes parts of what is read."""

    async def give(self, part: bytes) -> None:
        """Take a part. It waits while the reader does not take them."""
        ...


class Runner(Protocol):
    """Runs shipped code. Both methods may be awaited concurrently; cancelling one ends its call."""

    @property
    def kind(self) -> str:
        """Either "sandbox" (isolated), "unsafe" (only a process of its own) or "browser"."""
        ...

    @property
    def size(self) -> int:
        """How many calls run at once; 0: there is no bound."""
        ...

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        """Run a method call.

        Raises:
            EmergeError: the call ended with it: ExecutionFailed, LimitExceeded, Invalid, CannotShip, Unavailable…
        """
        ...

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome: ...
