"""Running methods across the cluster: an object's on the node that holds it; of a directory that several nodes have,
each runs its own, and the answers become one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from ..errors import EmergeError, NotFound, PermissionDenied
from ..filesystem.runs.event_queue import Feed, together
from ..filesystem.tree.find import find_place
from ..objects import DIRECTORY
from ..operations import Context, Rows, Wire
from ..paths import split_path
from .locate import Reach, Where

REGISTRY = "registry"


class Running:
    """The routes of `run` and `runstream`."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def run(self, args: list[Any], context: Context) -> Any:
        places = await self._places(args[0])
        if len(places) == 1:
            return await self._reach.ask(places[0], "run", args, context)
        asked = (self._reach.ask(where, "run", args, context) for where in places)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        rows: Rows = [row for answer in answers if isinstance(answer, list) for row in answer]
        _raise_first([answer for answer in answers if isinstance(answer, BaseException)], len(places))
        return sorted(rows, key=lambda row: str(row["path"]))

    async def runstream(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        places = await self._places(args[0])
        if len(places) == 1:
            events = self._reach.stream(places[0], "runstream", args, context)
        else:
            events = self._merged(places, args, context)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _merged(self, places: Sequence[Where], args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        """What happens on all of them as it comes, with the progress of all together."""
        progress: dict[int, Wire] = {}
        failed: list[EmergeError] = []

        async def follow(number: int, where: Where, feed: Feed) -> None:
            try:
                async with aclosing(self._reach.stream(where, "runstream", args, context)) as events:
                    async for event in events:
                        if event["event"] == "progress":
                            progress[number] = event
                            event = _sum(list(progress.values()))
                        await feed.put(event)
            except EmergeError as error:
                failed.append(error)

        async def work(feed: Feed) -> None:
            await together(follow(number, where, feed) for number, where in enumerate(places))
            _raise_first(failed, len(places))

        async with aclosing(Feed().read(work)) as events:
            async for event in events:
                yield event

    async def _places(self, path: str) -> Sequence[Where]:
        """Where it is: one node, unless it is a directory, which may be on several. The others are not asked about what
        is here and is an object."""
        names = split_path(path)
        if names[:1] == (REGISTRY,):
            return [await self._reach.where(path)]
        entry = (await find_place(self._reach.filesystem.core, names)).entry
        if entry is not None and not entry.is_directory:
            return [None]
        if entry is None:
            holder = await self._reach.holder([path])
            if holder is None or not await self._is_directory(holder, path):
                return [holder]
        found = await self._reach.find([path], everywhere=True)
        return found.get(path) or [None]

    async def _is_directory(self, where: Where, path: str) -> bool:
        everything = Context(superuser=True, via="cluster")
        try:
            return bool((await self._reach.ask(where, "get", [path, 0, ""], everything))["type"] == DIRECTORY)
        except NotFound:  # gone meanwhile: whoever runs it is told
            return False


def _raise_first(failed: Sequence[BaseException], asked: int) -> None:
    """What a node failed with; not that the caller may not see what is there, unless it is so on all of them."""
    for error in failed:
        if not isinstance(error, (NotFound, PermissionDenied)) or len(failed) == asked:
            raise error


def _sum(parts: Sequence[Wire]) -> Wire:
    return {"event": "progress", **{key: sum(part[key] for part in parts) for key in ("done", "failed", "total")}}
