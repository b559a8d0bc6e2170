"""What a run of a cell read and wrote, so that it can be run again when that changes.

Whatever is at a path, below it or above it counts as read by a call with that path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ...clients.object_pages import reads_ahead
from ...clients.remote import ending
from ...errors import Invalid
from ...operations import PATHS, Operation, Transport, Values, Wire, find_operation
from ...paths import child_path
from ..protocol.option import PlaceName
from ..protocol.view import TraceView

MOST = 500
"""Paths that are told one by one; of more, the whole filesystem counts."""


class Trace:
    """The paths that one run read and wrote, and the revisions that it made."""

    def __init__(self) -> None:
        self.reads: dict[tuple[PlaceName, str], None] = {}
        self.writes: dict[tuple[PlaceName, str], None] = {}
        self.made: dict[str, None] = {}

    def view(self) -> TraceView:
        """As the page gets it."""
        reads = list(self.reads)
        if len(reads) > MOST:
            reads = [(place, "/") for place in dict.fromkeys(place for place, _ in reads)]
        return {
            "reads": [{"where": place, "path": path} for place, path in reads],
            "writes": [{"where": place, "path": path} for place, path in list(self.writes)[:MOST]],
            "made": list(self.made)[-MOST:],
        }


TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""That of the run that a task belongs to."""


@contextmanager
def traced() -> Iterator[Trace]:
    """Note what is read and written within."""
    trace = Trace()
    token = TRACE.set(trace)
    try:
        yield trace
    finally:
        TRACE.reset(token)


class TracedTransport:
    """Notes the calls of runs that are traced."""

    def __init__(self, place: PlaceName, behind: Transport) -> None:
        self._place: PlaceName = place
        self._behind = behind
        self.reads_ahead = reads_ahead(behind)

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        trace = TRACE.get()
        if trace is None:
            return await self._behind.call(name, args, context)
        self._note(trace, name, args)
        result = await self._behind.call(name, args, context)
        if find_operation(name).changes:
            _note_made(trace, result)
        else:
            self._note_found(trace, name, result)
        return result

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        trace = TRACE.get()
        if trace is not None:
            self._note(trace, name, args)
        async with ending(self._behind.stream(name, args, context)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        await self._behind.close()

    def _note(self, trace: Trace, name: str, args: Values) -> None:
        row = find_operation(name)
        try:
            paths = _paths(row, args)
        except Invalid:
            return  # the call says what is wrong
        noted = trace.writes if row.changes else trace.reads
        for path in paths:
            noted[(self._place, path)] = None

    def _note_found(self, trace: Trace, name: str, result: object) -> None:
        """An object that was found by its uuid is noted by its path."""
        pointer = _pointer(result)
        if pointer is not None and name in ("get", "getobject"):
            trace.reads[(self._place, child_path(str(pointer["path"]), str(pointer["name"])))] = None


def _paths(row: Operation, args: Values) -> list[str]:
    """The paths of a call; none of one that looks back, since what was does not change."""
    bound = row.bind(args)
    named = {parameter.name: value for parameter, value in zip(row.parameters, bound, strict=True)}
    if not row.changes and (named.get("version") or named.get("as_of")):
        return []
    if row.name == "storeall":
        return [str(each[0]) for each in bound[0]]
    return [str(named[name]) for name in named if name in PATHS]


def _pointer(result: object) -> Mapping[str, object] | None:
    if not isinstance(result, dict):
        return None
    found = result.get("pointer", result)
    return found if isinstance(found, dict) and "revision" in found and "path" in found else None


def _note_made(trace: Trace, result: object) -> None:
    for each in result if isinstance(result, list) else [result]:
        pointer = _pointer(each)
        if pointer is not None:
            trace.made[str(pointer["revision"])] = None
