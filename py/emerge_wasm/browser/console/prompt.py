"""`input()` in cells: the page shows a field, and the cell waits for what is typed into it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from ..protocol.event import InputEvent

AskInput = Callable[[int, str, bool], Awaitable[str | None]]
"""Asks the user: (cell, prompt, whether it is secret); None: there is no more input."""


class InputPrompts:
    """The fields that are open on the page. `send` shows one and takes it away."""

    def __init__(self, send: Callable[[InputEvent], object]) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[str | None]] = {}

    async def ask(self, cell: int, prompt: str, secret: bool) -> str | None:
        """Show a field in the output of a cell, and return what is typed into it."""
        number = next(self._numbers)
        self._open[number] = answer = asyncio.get_running_loop().create_future()
        shown: InputEvent = {
            "event": "input",
            "cell": cell,
            "input": number,
            "prompt": prompt,
            "secret": secret,
            "open": True,
        }
        self._send(shown)
        try:
            text: str | None = await answer
            return text
        finally:
            del self._open[number]
            self._send({**shown, "open": False})

    def answer(self, number: int, text: str | None) -> None:
        """Take what was typed; ignore it if nobody waits for it any more."""
        waiting = self._open.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(text)
