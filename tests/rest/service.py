"""What answers in place of a filesystem: operations of the real table, whose size and pace a test can choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from emerge_wasm.errors import EmergeError, NotFound
from emerge_wasm.operations import Context, find_operation


class Service:
    """A dispatch. What was asked last is in `asked`, and `answers` says how; `ended` is set when work was ended."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.context = Context()
        self.answers: dict[str, Any] = {}
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    def dispatch(self, name: str, args: list[Any], context: Context) -> Any:
        bound = find_operation(name).bind(args)
        self.asked, self.context = [name, *bound], context
        return self.stream(name) if find_operation(name).streams else self.answer(name)

    async def answer(self, name: str) -> Any:
        self.begun.set()
        answer = self.answers.get(name, NotFound("there is no such thing", path="/a"))
        try:
            if isinstance(answer, Exception):
                raise answer
            return await answer if isinstance(answer, asyncio.Future) else answer
        finally:
            self.ended.set()

    async def stream(self, name: str) -> AsyncIterator[Any]:
        self.begun.set()
        try:
            for item in self.answers.get(name, ()):
                if isinstance(item, EmergeError):
                    raise item
                if item is ...:  # nothing more comes
                    await asyncio.Event().wait()
                yield item
        finally:
            self.ended.set()


async def soon(event: asyncio.Event) -> None:
    """Wait for it, 3 s at most."""
    async with asyncio.timeout(3):
        await event.wait()
