"""What a guest worker asks of the filesystem during one call, answered by that call's Host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from ...errors import EmergeError, Unavailable
from ...filesystem.runner import Host
from ...filesystem.runs.inside.failure import describe
from . import talk


class Service:
    """Answers what the code of one call asks of the filesystem."""

    def __init__(self, send: Callable[[bytes], None], host: Host | None) -> None:
        self._send = send
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: dict[int, asyncio.Task[None]] = {}

    def answer(self, number: int, name: str, args: list[Any], context: dict[str, Any] | None) -> None:
        self._spawn(self._call(number, name, args, context))

    def stream(self, number: int, name: str, args: list[Any], context: dict[str, Any] | None) -> None:
        self._streams[number] = self._spawn(self._pass_on(number, name, args, context))

    def shut(self, number: int) -> None:
        task = self._streams.pop(number, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _call(self, number: int, name: str, args: list[Any], context: dict[str, Any] | None) -> None:
        try:
            message = talk.pack(talk.ANSWER, number, await self._given().call(name, args, context))
        except Exception as error:
            message = talk.pack_error(talk.ERROR, number, error=_told(error))
        self._send(message)

    async def _pass_on(self, number: int, name: str, args: list[Any], context: dict[str, Any] | None) -> None:
        try:
            items: Any = self._given().stream(name, args, context)
            async with aclosing(items):
                async for item in items:
                    self._send(talk.pack(talk.ITEM, number, item))
            message = talk.pack(talk.END, number)
        except Exception as error:
            message = talk.pack_error(talk.ERROR, number, error=_told(error))
        self._send(message)

    def _given(self) -> Host:
        if self._host is None:
            raise Unavailable("this code was given no filesystem")
        return self._host


def _told(error: Exception) -> EmergeError:
    """The guest waits for an answer, whatever went wrong."""
    return error if isinstance(error, EmergeError) else EmergeError(describe(error))
