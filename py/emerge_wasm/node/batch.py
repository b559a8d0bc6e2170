"""Batches for several filesystems (storeall, load): each part in a transaction of its own, then all are committed.

What cannot be done shows before anything is committed. Only a change by others, or a node that goes away, between the
first and the last commit can leave a part out; the error says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import Conflict, EmergeError, Unavailable
from ..operations import Context
from .forward import Forwarder, Holder

ATTEMPTS = 10
SECONDS = 60


class BatchPart(NamedTuple):
    """What one filesystem does of a batch: the arguments of the operation there; `first` is a path of it."""

    holder: Holder
    args: Sequence[object]
    first: str


class _Opened(NamedTuple):
    part: BatchPart
    transaction: str
    answer: object


class Batches:
    """Runs the parts of a batch, all or none."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    async def run(self, name: str, parts: Sequence[BatchPart], context: Context) -> list[object]:
        """Run an operation on each part's filesystem; what each answers.

        Raises:
            Unavailable: a part may not have been done though others were; `details["done"]` has a path of each.
        """
        for _ in range(ATTEMPTS):
            opened = await self._open(name, parts, context)
            done: list[str] = []
            answers: list[object] = []
            try:
                for each in opened:
                    answers.append(await self._commit(name, each, context, again=bool(done)))
                    done.append(each.part.first)
                return answers
            except Conflict:  # the first one was overtaken: nothing is done yet
                await self._roll_back(opened, context)
            except EmergeError as error:
                await self._roll_back(opened[len(done) + 1 :], context)
                if not done:
                    raise
                left = opened[len(done)].part.first
                raise Unavailable(
                    f"{', '.join(done)} and what went with it was stored, {left} was not: {error.message}",
                    path=left,
                    remedy="look at both, and store again what is not there",
                    unknown=True,
                    done=done,
                ) from error
        path = parts[0].first
        raise Conflict(f"{path} is being changed by too many at once", path=path, remedy="try again")

    async def _open(self, name: str, parts: Sequence[BatchPart], context: Context) -> list[_Opened]:
        opened: list[_Opened] = []
        try:
            for part in parts:
                opened.append(await self._open_one(name, part, context))
        except BaseException:
            await self._roll_back(opened, context)
            raise
        return opened

    async def _open_one(self, name: str, part: BatchPart, context: Context) -> _Opened:
        begun = await self._forwarder.ask(part.holder, "begin", ["", SECONDS], context)
        opened = _Opened(part, begun["transaction"], None)
        try:
            inside = replace(context, transaction=opened.transaction)
            return opened._replace(answer=await self._forwarder.ask(part.holder, name, part.args, inside))
        except BaseException:
            await self._roll_back([opened], context)
            raise

    async def _commit(self, name: str, opened: _Opened, context: Context, *, again: bool) -> object:
        """Commit a part; where others are committed already, it is made anew when it was overtaken."""
        for attempt in range(ATTEMPTS):
            try:
                made = await self._forwarder.ask(opened.part.holder, "commit", [opened.transaction], context)
                return await self._dated(opened, made["position"], context)
            except Conflict:
                if not again or attempt == ATTEMPTS - 1:
                    raise
                opened = await self._open_one(name, opened.part, context)
        raise AssertionError

    async def _dated(self, opened: _Opened, position: int, context: Context) -> object:
        """What a part answered, with the dates of its commit."""
        if not isinstance(opened.answer, list):
            return opened.answer
        page = await self._forwarder.ask(opened.part.holder, "changes", [position - 1, 1], context)
        dates = {row["pointer"]["uuid"]: row["pointer"]["date"] for row in page["changes"]}
        return [{**row, "date": dates.get(row["uuid"], row["date"])} for row in opened.answer]

    async def _roll_back(self, opened: Sequence[_Opened], context: Context) -> None:
        asked = [self._forwarder.ask(each.part.holder, "rollback", [each.transaction], context) for each in opened]
        await asyncio.gather(*asked, return_exceptions=True)
