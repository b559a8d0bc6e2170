"""Running methods across the cluster: an object's on the node that holds it.

Of a directory that several nodes have, each runs the methods of its own objects, and the answers become one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..errors import EmergeError, NotFound, PermissionDenied
from ..filesystem.runs.event_queue import Feed, together
from ..filesystem.tree.find import find_place
from ..objects import DIRECTORY
from ..operations import Arguments, Context, Wire, find_operation
from ..paths import split_path
from ..results import RunRow
from .forward import Holder
from .locate import Locator

REGISTRY = "registry"


class RunRoutes:
    """The routes of `run` and `runstream`."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder

    async def run(self, args: Arguments, context: Context) -> object:
        holders = await self._holders(args.path)
        if len(holders) == 1:
            return await self._forwarder.ask(holders[0], "run", args, context)
        answers = [answer for _, answer in await self._forwarder.ask_each(holders, "run", args, context)]
        _raise_first([answer for answer in answers if isinstance(answer, BaseException)], len(holders))
        rows: list[RunRow] = [row for answer in answers if isinstance(answer, list) for row in answer]
        return sorted(rows, key=lambda row: row["path"])

    async def runstream(self, args: Arguments, context: Context) -> AsyncGenerator[Wire, None]:
        holders = await self._holders(args.path)
        if len(holders) == 1:
            events = self._forwarder.stream(holders[0], "runstream", args, context)
        else:
            events = self._merged(holders, args, context)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _merged(self, holders: Sequence[Holder], args: Arguments, context: Context) -> AsyncGenerator[Wire, None]:
        """The events of all of them as they come, with the progress of all together."""
        progress: dict[int, Wire] = {}
        failed: list[EmergeError] = []

        async def follow(number: int, holder: Holder, feed: Feed) -> None:
            try:
                async with aclosing(self._forwarder.stream(holder, "runstream", args, context)) as events:
                    async for event in events:
                        if event["event"] == "progress":
                            progress[number] = event
                            event = _sum(list(progress.values()))
                        await feed.put(event)
            except EmergeError as error:
                failed.append(error)

        async def work(feed: Feed) -> None:
            await together(follow(number, holder, feed) for number, holder in enumerate(holders))
            _raise_first(failed, len(holders))

        async with aclosing(Feed().read(work)) as events:
            async for event in events:
                yield event

    async def _holders(self, path: str) -> list[Holder]:
        """Who has what is at a path: one node, unless it is a directory, which several may have.

        When it is here and an object, the others are not asked.
        """
        names = split_path(path)
        if names[:1] == (REGISTRY,):
            return [await self._locator.holder(path)]
        entry = (await find_place(self._locator.filesystem.core, names)).entry
        if entry is not None and not entry.is_directory:
            return [None]
        if entry is None:
            other = await self._locator.other([path])
            if other is None or not await self._is_directory(other, path):
                return [other]
        return await self._locator.find_one(path) or [None]

    async def _is_directory(self, holder: Holder, path: str) -> bool:
        everything = Context(superuser=True, via="cluster")
        try:
            pointer = await self._forwarder.ask(holder, "get", find_operation("get").bind([path]), everything)
        except NotFound:  # removed meanwhile: the run itself will say so
            return False
        return bool(pointer["type"] == DIRECTORY)


def _raise_first(failed: Sequence[BaseException], asked: int) -> None:
    """Raise what a node failed with, or that nothing is there for the caller to see, if all say so."""
    for error in failed:
        if not isinstance(error, (NotFound, PermissionDenied)) or len(failed) == asked:
            raise error


def _sum(parts: Sequence[Wire]) -> Wire:
    return {"event": "progress", **{key: sum(part[key] for part in parts) for key in ("done", "failed", "total")}}
