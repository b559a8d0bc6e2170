"""Run methods where the objects live: of one object or of all in a directory, with one answer or as a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ...errors import EmergeError
from ...operations import Context, Values, Wire
from ...paths import child_path
from ..core import Core
from ..layout.access import may
from ..layout.record import Entry, is_directory
from ..tree.find import Found, find
from ..tree.load import children
from .event_queue import Feed, together
from .invoke import RunRequest, invoke, invoke_once, make_request, runner_of

READER = "read"
"""The method of an object that gives the bytes that it is read as."""

PARTS = 16
"""Parts of an object that wait for a slow reader."""

UNBOUND = 8
"""Concurrent runs in a directory when the runner has no bound."""

PROGRESS_SECONDS = 0.1
"""Seconds between two events of progress."""


async def run(
    core: Core, context: Context, path: str, method: str, args: Values | None, kwargs: Wire | None, receipt: bool
) -> object:
    ask = make_request(path, method, list(args or []), dict(kwargs or {}))
    found = await find(core, context, path, "x")
    runner_of(core, path)
    if found.entry.is_directory:
        return await _run_all(core, context, path, ask, receipt)
    ask.receipt = receipt
    done = await invoke(core, context, path, ask, found=found)
    return done if receipt else done["result"]


async def _run_all(core: Core, context: Context, path: str, ask: RunRequest, receipt: bool) -> list[Wire]:
    rows = []
    async with aclosing(_events(core, context, path, ask)) as events:
        async for event in events:
            kind = event.pop("event")
            if kind == "error":
                rows.append(event)
            elif kind == "result":
                rows.append(event if receipt else {"path": event["path"], "result": event["result"]})
    return sorted(rows, key=lambda row: str(row["path"]))


async def runstream(
    core: Core, context: Context, path: str, method: str, args: Values | None, kwargs: Wire | None
) -> AsyncGenerator[Wire, None]:
    ask = make_request(path, method, list(args or []), dict(kwargs or {}))
    async with aclosing(_events(core, context, path, ask, tell=True)) as events:
        async for event in events:
            yield event


async def query(core: Core, context: Context, path: str) -> object:
    ask = make_request(path, "query", [], {}, "query")
    return (await invoke_once(core, context, path, ask))["result"]


async def readobject(core: Core, context: Context, path: str) -> AsyncGenerator[bytes, None]:
    found = await find(core, context, path, "x")
    runner_of(core, path)
    feed = Feed(PARTS)

    async def work(feed: Feed) -> None:
        ask = replace(make_request(path, READER, [], {}), give=lambda part: feed.put({"part": part}), receipt=False)
        whole = (await invoke(core, context, path, ask, found=found))["result"]
        if whole:  # of a runner whose code cannot give parts
            await feed.put({"part": whole})

    async with aclosing(feed.read(work)) as events:
        async for event in events:
            yield event["part"]


# --- streams of events
async def _events(
    core: Core, context: Context, path: str, ask: RunRequest, *, tell: bool = False
) -> AsyncGenerator[Wire, None]:
    found = await find(core, context, path, "x")
    runner_of(core, path)
    feed = Feed()
    if found.entry.is_directory:
        found = await find(core, context, path, "rx")
        work = _Sweep(core, context, found, ask, tell).run
    else:

        async def work(feed: Feed) -> None:
            await feed.put(await _one(core, context, path, found.path, ask, feed if tell else None))

    async with aclosing(feed.read(work)) as events:
        async for event in events:
            yield event


async def _one(core: Core, context: Context, path: str, shown: str, ask: RunRequest, feed: Feed | None) -> Wire:
    """Run the method of one object; return the event of its result or error."""
    try:
        tell = None if feed is None else lambda text: feed.write(shown, text)
        done = await invoke_once(core, context, path, ask, tell)
    except EmergeError as error:
        return {"event": "error", "path": shown, "error": error.to_wire()}
    return {"event": "result", "path": shown, **done}


class _Sweep:
    """A run of all objects in a directory that the caller may run, several at once."""

    def __init__(self, core: Core, context: Context, found: Found, ask: RunRequest, tell: bool) -> None:
        self.core = core
        self.context = context
        self.found = found
        self.ask = ask
        self.tell = tell
        self.progress = {"done": 0, "failed": 0, "total": 0}
        self._told = 0.0

    async def run(self, feed: Feed) -> None:
        names = self._names()
        async with aclosing(self._names()) as counted:
            async for _ in counted:
                self.progress["total"] += 1
        await self._report(feed, always=True)
        turn = asyncio.Lock()

        async def work() -> None:
            while True:
                async with turn:
                    name = await anext(names, None)
                if name is None:
                    return
                await self._run_one(name, feed)

        await together(work() for _ in range(self._width()))
        await self._report(feed, always=True)

    def _width(self) -> int:
        """Return the number of concurrent runs: twice the runner's size, so that it does not wait for the store; 1 in a
        transaction, so that each can be undone as a whole.
        """
        return 1 if self.context.transaction else 2 * runner_of(self.core, self.found.path).size or UNBOUND

    async def _names(self) -> AsyncGenerator[str, None]:
        last = ""
        while raws := await children(self.core, self.found.uuid, last):
            last = Entry.unpack(raws[-1]).name
            for raw in raws:
                if not is_directory(raw) and may(self.context, raw, "x"):
                    yield Entry.unpack(raw).name

    async def _run_one(self, name: str, feed: Feed) -> None:
        path = child_path(self.found.path, name)
        context = self.context
        if context.call_id:  # each object's run is recorded by itself
            context = replace(context, call_id=f"{context.call_id} {name}")
        event = await _one(self.core, context, path, path, self.ask, feed if self.tell else None)
        self.progress["done"] += 1
        self.progress["failed"] += event["event"] == "error"
        self.progress["total"] = max(self.progress["total"], self.progress["done"])
        await feed.put(event)
        await self._report(feed)

    async def _report(self, feed: Feed, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._told >= PROGRESS_SECONDS:
            self._told = now
            await feed.put({"event": "progress", **self.progress})
